/* draw_sheet.c - see draw_sheet.h. */
#include "cmd/draw_sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "image/load.h"
#include "image/sheet.h"

enum { MOST_COLUMNS = 8, LARGEST_CELL = 512 };

typedef struct {
    char *const *paths;
    size_t count;
    int columns;
} Pictures;

static int cell(void *ctx, int row, int column, SheetCell *out, Err *e)
{
    const Pictures *p = ctx;
    const char *note;
    size_t at = (size_t)row * (size_t)p->columns + (size_t)column;
    out->missing = at >= p->count;
    if (out->missing) return 0;
    const char *slash = strrchr(p->paths[at], '/');
    str_add(&out->caption, slash ? slash + 1 : p->paths[at]);
    return image_load(p->paths[at], &out->image, &note, e);
}

/* "a-1.png" -> "a-1-sheet.png", with a number where that is taken. */
static int write_fresh(const char *first, Bytes png, Str *path, Err *e)
{
    size_t stem = strlen(first) - (strlen(first) > 4 ? 4 : 0);
    bool exists = true;
    for (int number = 1; exists; number++) {
        str_clear(path);
        str_addn(path, first, stem);
        str_add(path, "-sheet");
        if (number > 1) str_addf(path, "-%d", number);
        str_add(path, ".png");
        if (file_write_new(str_text(path), png, &exists, e) && !exists) return -1;
    }
    return 0;
}

int draw_sheet(const char *title, char *const *paths, size_t count, Str *written, Err *e)
{
    int w, h;
    Image all;
    Bytes png;
    if (!count || image_load_size(paths[0], &w, &h, e)) return count ? -1 : 0;
    int columns = (int)ceil(sqrt((double)count));
    Pictures p = { paths, count, columns < MOST_COLUMNS ? columns : MOST_COLUMNS };
    Sheet s = { .title = title,
                .rows = (int)((count + (size_t)p.columns - 1) / (size_t)p.columns),
                .columns = p.columns,
                .cell_w = w < LARGEST_CELL ? w : LARGEST_CELL,
                .cell_h = h < LARGEST_CELL ? h : LARGEST_CELL,
                .captions = true,
                .picture = cell,
                .ctx = &p };
    if (sheet_draw(&s, 0, &all, e)) return -1;
    int failed = png_encode(&all, NULL, 0, &png, e);
    image_release(&all);
    if (!failed) failed = write_fresh(paths[0], png, written, e);
    if (!failed || png.data) free((void *)(size_t)png.data);
    return failed;
}
