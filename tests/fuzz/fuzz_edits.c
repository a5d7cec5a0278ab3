/*
 * fuzz_edits.c - any text as a prompt in parts, in time and in sums: parts whose weights are finite, texts in the order of their steps, sums whose
 * terms lie within their rows, or an error.
 */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/compose.h"
#include "clip/edits.h"
#include "clip/mix.h"

static int read_row(void *ctx, const char *text, Ids *out, Err *e)
{
    (void)ctx;
    (void)e;
    *out = (Ids){ .ids = mem_array(1, sizeof(int)), .rows = 1 + (int)(strlen(text) % 3), .own = 1 };
    return 0;
}

static void check_sum(const char *text)
{
    Mix m;
    Err e = { .text = "" };
    const MixReader r = { read_row, NULL };
    if (mix_parse(text, (MixWords){ true, true }, &r, &m, &e)) assert(e.code == ERR_USAGE && e.text[0]);
    else
        for (int i = 0; i < m.count; i++) {
            assert(isfinite(m.term[i].weight) && m.term[i].rows <= m.term[i].ids.rows);
            assert(m.term[i].at >= 0 && m.term[i].at + m.term[i].rows <= m.rows);
        }
    mix_release(&m);
}

static void check_edits(const char *text, EditSteps steps)
{
    Edits x;
    Err e = { .text = "" };
    if (edits_parse(text, steps, &x, &e)) assert(e.code == ERR_USAGE && e.text[0]);
    else {
        assert(x.count >= 1 && x.at[x.count - 1].until == steps.steps);
        for (int i = 1; i < x.count; i++) assert(x.at[i - 1].until < x.at[i].until);
        for (int i = 0; i < x.count && i < 4; i++) check_sum(x.at[i].text);
    }
    edits_release(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    Clauses c;
    Err e = { .text = "" };
    if (clauses_parse(text, size % 2, &c, &e)) assert(e.code == ERR_USAGE && e.text[0]);
    else
        for (int i = 0; i < c.count; i++) {
            assert(isfinite(c.at[i].weight));
            check_edits(c.at[i].text, (EditSteps){ 7, 0 });
            check_edits(c.at[i].text, (EditSteps){ 5, 7 });
        }
    clauses_release(&c);
    free(text);
    return 0;
}
