/* hint.c - limn hint: the map of a picture that --control would be given, as a picture to look at. */
#include <stdlib.h>

#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/say.h"
#include "cmd/stdout.h"
#include "image/hint.h"
#include "image/png.h"
#include "output/output.h"
#include "output/template.h"
#include "pipeline/control_picture.h"

static void on_warn(void *ctx, const char *text)
{
    const Job *j = ctx;
    if (!j->quiet) warn_user(text);
}

static int write_map(const Job *j, const Image *map, Err *e)
{
    Bytes png = { 0 };
    Str path = { 0 };
    char date[16];
    const OutputNames names = { j, NULL, 0, 1, date };
    template_date(date);
    bool out = output_is_stdout(j);
    int failed =
        png_encode(map, NULL, 0, &png, e) || (out ? stdout_picture(png, e) : output_write(&names, png, &path, e));
    if (!failed && !out) say_path(str_text(&path));
    free((void *)(size_t)png.data);
    str_release(&path);
    return failed ? -1 : 0;
}

int cmd_hint(const Args *a, Err *e)
{
    const Job *j = &a->job;
    Str ways = { 0 };
    Image map = { 0 };
    char *sha256 = NULL;
    hint_names(&ways);
    int failed =
        a->count && *a->words[0]
            ? 0
            : err_usage(e, "a way and a file are expected: limn hint edges:photo.png (ways: %s)", str_text(&ways));
    str_release(&ways);
    const Watch w = { .ctx = (void *)(size_t)j, .warn = on_warn };
    const PictureFit fit = { { j->width, j->height, j->resize_mode }, false };
    if (!failed)
        failed = (output_is_stdout(j) ? stdout_check_picture(j, e) : output_check(j, e)) ||
                 control_picture_make(a->words[0], &fit, &sha256, &w, &map, e);
    if (!failed) failed = write_map(j, &map, e);
    image_release(&map);
    free(sha256);
    return failed ? -1 : 0;
}
