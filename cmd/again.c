/* again.c - limn again: a picture drawn again from what is written in it, byte for byte. */
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "cmd/again.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/options.h"
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

int cmd_again(const Args *a, Err *e)
{
    if (!a->count || !*a->words[0]) return err_usage(e, "a picture is expected: limn again x.png");
    Job j;
    Origin from;
    char *upscaled;
    if (again_read(a->words[0], &j, &from, &upscaled, e)) return -1;
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
    int failed = args_apply(a, command_find("again"), &j, e) || draw(&j, &from, a->job.model != NULL, e);
    job_release(&j);
    return failed ? -1 : 0;
}
