/* steps.c - see steps.h. */
#include "output/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/png.h"
#include "image/sheet.h"

enum { ACROSS = 10 }; /* pictures in a line of the strip at most */

/* Lines of about the same length look better than full ones and a rest. */
static int across(const Picture *p)
{
    int lines = (p->step_count + ACROSS - 1) / ACROSS;
    return (p->step_count + lines - 1) / lines;
}

static void add_stem(Str *out, const char *path)
{
    size_t len = strlen(path);
    str_addn(out, path, str_ends(path, ".png") ? len - strlen(".png") : len);
}

static int write_step(const Picture *p, int step, const char *path, Str *written, Err *e)
{
    char comment[160], number[16], digits[16];
    Str name = { 0 };
    Bytes png = { 0 };
    int wide = snprintf(digits, sizeof digits, "%d", p->step_count);
    snprintf(number, sizeof number, "%0*d", wide, step + 1);
    snprintf(comment, sizeof comment, "limn: what step %d of %d predicts, not the picture of %d steps", step + 1,
             p->step_count, step + 1);
    add_stem(&name, path);
    str_addf(&name, "_step-%s.png", number);
    PngText text = { (char *)(size_t) "Comment", comment };
    int failed = png_encode(&p->steps[step], &text, 1, &png, e) || file_write(str_text(&name), png, e);
    if (!failed) str_addf(written, "%s\n", str_text(&name));
    free((void *)(size_t)png.data);
    str_release(&name);
    return failed ? -1 : 0;
}

static int strip_picture(void *ctx, int row, int column, SheetCell *out, Err *e)
{
    const Picture *p = ctx;
    int step = row * across(p) + column;
    (void)e;
    out->missing = step >= p->step_count;
    if (out->missing) return 0;
    image_copy(&out->image, &p->steps[step]);
    str_addf(&out->caption, "step %d", step + 1);
    return 0;
}

static int write_strip(const Job *j, const Picture *p, const char *path, Str *written, Err *e)
{
    Str name = { 0 }, subtitle = { 0 }, title = { 0 };
    int pages = 0;
    add_stem(&name, path);
    str_add(&name, "_steps.png");
    str_add(&title, *j->prompt ? j->prompt : "untitled");
    for (char *c = title.s; *c; c++)
        if (*c == '\n') *c = ' ';
    str_addf(&subtitle, "what each of %d steps of %s predicts", p->step_count, j->sampler);
    Sheet s = { .title = title.s,
                .subtitle = str_text(&subtitle),
                .rows = (p->step_count + ACROSS - 1) / ACROSS,
                .columns = across(p),
                .cell_w = p->steps[0].w,
                .cell_h = p->steps[0].h,
                .captions = true,
                .picture = strip_picture,
                .ctx = (void *)(size_t)p };
    Folder in;
    const char *own;
    int failed = folder_of(&in, str_text(&name), &own, e);
    if (!failed) failed = sheet_write(&s, &in, own, &pages, e);
    folder_close(&in);
    for (int page = 0; page < pages && !failed; page++) {
        sheet_path(written, str_text(&name), page, pages);
        str_add(written, "\n");
    }
    str_release(&name);
    str_release(&title);
    str_release(&subtitle);
    return failed;
}

int steps_write(const Job *j, const Picture *p, const char *path, Str *written, Err *e)
{
    for (int step = 0; step < p->step_count; step++)
        if (write_step(p, step, path, written, e)) return -1;
    return p->step_count ? write_strip(j, p, path, written, e) : 0;
}
