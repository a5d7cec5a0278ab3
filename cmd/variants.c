/* variants.c - limn variants: pictures near one that limn drew, from what is written in it, and a sheet of them. */
#include <stdlib.h>
#include <string.h>

#include "cmd/again.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/options.h"

enum { USUAL = 8, MOST = 64 };

static const double NEAR = 0.15; /* of the way to another seed's noise */

static int count_of(const Args *a, int *out, Err *e)
{
    char *end;
    *out = USUAL;
    if (a->count < 2) return 0;
    long n = strtol(a->words[1], &end, 10);
    if (*end || end == a->words[1] || n < 1 || n > MOST)
        return err_usage(e, "\"%.60s\" is not a number of pictures from 1 to %d: limn variants x.png 8", a->words[1],
                         MOST);
    *out = (int)n;
    return 0;
}

int cmd_variants(const Args *a, Err *e)
{
    Job j;
    Origin from;
    char *upscaled;
    int count;
    if (!a->count || !*a->words[0]) return err_usage(e, "a picture is expected: limn variants x.png 8");
    if (count_of(a, &count, e) || again_read(a->words[0], &j, &from, &upscaled, e)) return -1;
    if (upscaled) {
        free(upscaled);
        return err_set(e, "%s was made larger from another picture: limn variants of that one", a->words[0]);
    }
    bool again = j.variation_strength > 0; /* of a variant: near its own noise is near the same two seeds */
    int failed = 0;
    if (again)
        failed = err_set(e,
                         "%s is a variant itself; give the picture that it is near to, or another --variation-seed to "
                         "limn generate",
                         a->words[0]);
    j.count = count;
    j.sheet = true;
    j.variation_strength = NEAR;
    if (!failed) failed = args_apply(a, command_find("variants"), &j, e);
    if (!failed && j.variation_strength <= 0) failed = err_usage(e, "--variation-strength: above 0 is expected");
    if (!failed) failed = draw(&j, &from, a->job.model != NULL, e);
    job_release(&j);
    return failed ? -1 : 0;
}
