/*
 * again.c - limn again: draws a picture again from its metadata: limn's own byte for byte, other tools' as
 * close as possible.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "again/foreign_picture.h"
#include "cmd/again.h"
#include "cmd/again_foreign.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/options.h"
#include "cmd/say.h"
#include "cmd/shown_command.h"
#include "cmd/stdout.h"
#include "cmd/upscale.h"
#include "image/png.h"
#include "pipeline/metadata.h"

int again_read(const char *path, Job *j, Origin *from, char **upscaled, Err *e)
{
    Bytes file;
    PngTexts texts = { 0 };
    if (file_map(&file, path, e)) return -1;
    int failed = png_read_texts(file, &texts, NULL, NULL, e);
    const char *json = png_text(&texts, METADATA_KEY), *larger = png_text(&texts, UPSCALE_KEY);
    *upscaled = !failed && larger ? mem_strdup(larger) : NULL;
    if (!failed && !larger)
        failed = json ? metadata_parse(json, j, from, e)
                      : err_set(e, "limn did not make it: it has no text \"" METADATA_KEY "\"");
    png_texts_release(&texts);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}

/* 1: it is another tool's, and was drawn; 0: it is limn's own. */
static int try_foreign(const Args *a, Err *e)
{
    Bytes file;
    PngTexts texts = { 0 };
    const char *path = a->words[0];
    if (file_map(&file, path, e)) return -1;
    int failed = foreign_texts(file, &texts, e) ? err_in(e, path) : 0;
    file_unmap(&file);
    bool own = png_text(&texts, METADATA_KEY) || png_text(&texts, UPSCALE_KEY);
    if (!failed && !own) failed = again_foreign(a, &texts, e);
    png_texts_release(&texts);
    return failed ? -1 : !own;
}

/* Options that mean nothing for a picture of limn's own, or would make another of it. */
static int check_own(const Args *a, Err *e)
{
    static const char *const others[] = { "sampler", "schedule",      "rng",      "clip-skip", "ensd",
                                          "compat",  "prompt-syntax", "emphasis", "find" };
    Job fresh;
    const char *found = NULL;
    job_init(&fresh);
    for (size_t i = 0; !found && i < sizeof others / sizeof *others; i++) {
        const Option *o = option_find(others[i], strlen(others[i]));
        Str given = { 0 }, usual = { 0 };
        if (o && job_get(&a->job, o, &given) && (!job_get(&fresh, o, &usual) || strcmp(given.s, usual.s) != 0))
            found = o->name;
        str_release(&given);
        str_release(&usual);
    }
    job_release(&fresh);
    if (found)
        return err_usage(e, "--%s: limn's own pictures come back as they are; limn generate draws others", found);
    if (a->job.node) return err_usage(e, "--node: that is for ComfyUI's graphs, this is a picture of limn's");
    return 0;
}

static bool counts(const Option *o) { return o->picture || strcmp(o->name, "model") == 0; }

static int draw_own(Job *j, const Origin *from, const Args *a, Err *e)
{
    if (!a->job.dry_run) return draw(j, from, a->job.model != NULL, e);
    Str command = { 0 };
    shown_command(j, counts, &command);
    say(stdout, "%s\n", str_text(&command));
    str_release(&command);
    return stdout_flush("the command", e);
}

int cmd_again(const Args *a, Err *e)
{
    if (!a->count || !*a->words[0]) return err_usage(e, "a picture is expected: limn again x.png");
    Job j;
    Origin from;
    char *upscaled;
    int foreign = try_foreign(a, e);
    if (foreign) return foreign < 0 ? -1 : 0;
    if (check_own(a, e) || again_read(a->words[0], &j, &from, &upscaled, e)) return -1;
    if (upscaled) {
        int wrong = upscale_again(upscaled, &a->job, e);
        free(upscaled);
        return wrong ? -1 : 0;
    }
    for (const Option *o = job_options; o->name; o++) { /* lines replace the picture's, they are not added */
        Str given = { 0 };
        if (o->type == OPT_LINES && job_get(&a->job, o, &given)) job_open(&j, o);
        str_release(&given);
    }
    int failed = args_apply(a, command_find("again"), &j, e) || draw_own(&j, &from, a, e);
    job_release(&j);
    return failed ? -1 : 0;
}
