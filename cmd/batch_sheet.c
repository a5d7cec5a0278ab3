/* batch_sheet.c - what is made of all pictures at the end of a batch: contact sheets (--sheet), a sprite atlas (--atlas). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/batch.h"
#include "image/png.h"
#include "image/sheet.h"
#include "pipeline/extras.h"

enum { MOST_COLUMNS = 12, LARGEST_CELL = 256 };

/* One picture that is in place. */
typedef struct {
    char *path, *caption;
} Shown;

typedef struct {
    Shown *items;
    size_t count, cap;
    int columns;
} Pictures;

static void add(Pictures *p, const Batch *b, const Item *i)
{
    Str path = { 0 }, caption = { 0 };
    str_addf(&path, "%s/%s", b->names.folder, str_text(&i->file));
    const char *slash = strrchr(str_text(&i->file), '/'), *name = slash ? slash + 1 : str_text(&i->file);
    str_addn(&caption, name, strlen(name) - 4);
    if (p->count == p->cap) p->items = mem_grow(p->items, (p->cap = 2 * p->cap + 64) * sizeof *p->items);
    p->items[p->count++] = (Shown){ mem_strdup(str_text(&path)), mem_strdup(str_text(&caption)) };
    str_release(&path);
    str_release(&caption);
}

/* Those of this shard that are in place, in the order of the jobs. */
static int collect(Batch *b, Pictures *p, Err *e)
{
    Item item;
    int got;
    plan_rewind(b->plan);
    while ((got = plan_next(b->plan, &item, e)) > 0) {
        Str path = { 0 };
        str_addf(&path, "%s/%s", b->names.folder, str_text(&item.file));
        if (shard_has(&b->shard, item.index) && file_exists(str_text(&path))) add(p, b, &item);
        str_release(&path);
        item_release(&item);
    }
    return got;
}

static int read_picture(const char *path, Image *out, Err *e)
{
    Bytes file;
    if (file_map(&file, path, e)) return -1;
    int failed = png_decode(file, out, e);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}

static int cell(void *ctx, int row, int column, SheetCell *out, Err *e)
{
    const Pictures *p = ctx;
    size_t at = (size_t)row * (size_t)p->columns + (size_t)column;
    if (at >= p->count) {
        out->missing = true;
        return 0;
    }
    str_add(&out->caption, p->items[at].caption);
    return read_picture(p->items[at].path, &out->image, e);
}

static int write_sheet(Batch *b, Pictures *p, Err *e)
{
    Image first = { 0 };
    Str path = { 0 };
    int pages = 0;
    if (!p->count || read_picture(p->items[0].path, &first, e)) return p->count ? -1 : 0;
    p->columns = (int)ceil(sqrt((double)p->count));
    if (p->columns > MOST_COLUMNS) p->columns = MOST_COLUMNS;
    Sheet s = { .title = jobs_name(b->jobs),
                .rows = (int)((p->count + (size_t)p->columns - 1) / (size_t)p->columns),
                .columns = p->columns,
                .cell_w = first.w < LARGEST_CELL ? first.w : LARGEST_CELL,
                .cell_h = first.h < LARGEST_CELL ? first.h : LARGEST_CELL,
                .captions = true,
                .picture = cell,
                .ctx = p };
    image_release(&first);
    str_addf(&path, "%s/sheet.png", b->names.folder);
    report_say(&b->report, "drawing the contact sheet");
    int failed = sheet_write(&s, str_text(&path), NULL, &pages, e);
    report_clear(&b->report);
    for (int k = 0; k < pages && !failed && b->report.names; k++) {
        Str page = { 0 };
        sheet_path(&page, str_text(&path), k, pages);
        puts(str_text(&page));
        str_release(&page);
    }
    str_release(&path);
    return failed;
}

static int write_atlas(const Batch *b, const Pictures *p, Err *e)
{
    const char **paths = mem_array(p->count + 1, sizeof *paths);
    Str written = { 0 };
    for (size_t i = 0; i < p->count; i++) paths[i] = p->items[i].path;
    int failed = extras_atlas(b->options, paths, p->count, &written, e);
    if (!failed && b->report.names) fputs(str_text(&written), stdout);
    str_release(&written);
    free(paths);
    return failed;
}

int batch_extras(Batch *b, Err *e)
{
    Pictures p = { 0 };
    if (!b->options->sheet && !b->options->atlas) return 0;
    int failed = collect(b, &p, e);
    if (!failed && b->options->sheet) failed = write_sheet(b, &p, e);
    if (!failed && b->options->atlas && p.count) failed = write_atlas(b, &p, e);
    for (size_t i = 0; i < p.count; i++) {
        free(p.items[i].path);
        free(p.items[i].caption);
    }
    free(p.items);
    return failed;
}
