/*
 * sheet.c - what is made of all pictures at the end of a batch: contact sheets and a gallery (--sheet), a sprite atlas
 * (--atlas).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "batch/batch.h"
#include "image/png.h"
#include "image/sheet.h"
#include "output/extras.h"
#include "web/gallery.h"

enum { MOST_COLUMNS = 12, LARGEST_CELL = 256, MOST_SHOWN = 20000 };

/* One picture that is in place. */
typedef struct {
    char *file, *caption; /* file: below the output folder */
} Shown;

typedef struct {
    const Folder *folder;
    Shown *items;
    size_t count, cap;
    int columns;
} Pictures;

static void drop_shown(Shown *s)
{
    free(s->file);
    free(s->caption);
}

static void add(Pictures *p, const Item *i)
{
    Str caption = { 0 };
    const char *slash = strrchr(str_text(&i->file), '/'), *name = slash ? slash + 1 : str_text(&i->file);
    str_addn(&caption, name, strlen(name) - 4);
    if (p->count == p->cap) p->items = mem_grow(p->items, (p->cap = 2 * p->cap + 64) * sizeof *p->items);
    p->items[p->count++] = (Shown){ mem_strdup(str_text(&i->file)), mem_strdup(str_text(&caption)) };
    str_release(&caption);
}

/* Those of this shard that are in place, in the order of the jobs. */
static int collect(Batch *b, Pictures *p, Err *e)
{
    Item item;
    int got;
    plan_rewind(b->plan);
    while ((got = plan_next(b->plan, &item, e)) > 0) {
        errno = 0;
        bool there = shard_has(&b->shard, item.index) && folder_has_file(&b->folder, str_text(&item.file));
        int why = errno; /* no file is none; what cannot be looked for is not left out in silence */
        if (there) add(p, &item);
        else if (why && why != ENOENT && why != ENOTDIR)
            got = err_set(e, "%s: %s", str_text(&item.file), strerror(why));
        item_release(&item);
        if (got < 0) break;
    }
    return got;
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
    return png_load(p->folder, p->items[at].file, &out->image, e);
}

static void tell_file(const Batch *b, const char *path)
{
    if (b->watch.file) b->watch.file(b->watch.watch.ctx, path);
}

static int write_sheet(Batch *b, Pictures *p, Err *e)
{
    Image first = { 0 };
    Str path = { 0 };
    int pages = 0;
    if (!p->count || png_load(p->folder, p->items[0].file, &first, e)) return p->count ? -1 : 0;
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
    watch_say(&b->watch.watch, "drawing the contact sheet");
    int failed = sheet_write(&s, &b->folder, "sheet.png", &pages, e);
    watch_say(&b->watch.watch, "");
    for (int k = 0; k < pages && !failed; k++) {
        Str page = { 0 };
        sheet_path(&page, str_text(&path), k, pages);
        tell_file(b, str_text(&page));
        str_release(&page);
    }
    str_release(&path);
    return failed;
}

/* index.html: what the manifests tell of the pictures. */
static int write_gallery(Batch *b, const Pictures *p, Err *e)
{
    Manifest *all = manifest_read(&b->folder, e);
    if (!all) return -1;
    Str *lines = mem_array(p->count + 1, sizeof *lines);
    const char **texts = mem_array(p->count + 1, sizeof *texts);
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        Entry entry;
        if (!manifest_find(all, p->items[i].file, &entry)) continue;
        lines[count] = entry.line;
        texts[count] = str_text(&lines[count]);
        count++;
    }
    int failed = gallery_write(&b->folder, jobs_name(b->jobs), texts, count, e);
    if (!failed) {
        Str page = { 0 };
        str_addf(&page, "%s/index.html", b->names.folder);
        tell_file(b, str_text(&page));
        str_release(&page);
    }
    for (size_t i = 0; i < count; i++) str_release(&lines[i]);
    free(lines);
    free(texts);
    manifest_close(all);
    return failed;
}

static int write_atlas(const Batch *b, const Pictures *p, Err *e)
{
    const char **paths = mem_array(p->count + 1, sizeof *paths);
    Str written = { 0 };
    for (size_t i = 0; i < p->count; i++) paths[i] = p->items[i].file;
    int failed = extras_atlas(b->options, &b->folder, paths, p->count, &written, e);
    const char *end;
    for (const char *line = str_text(&written); !failed && (end = strchr(line, '\n')); line = end + 1) {
        char *path = mem_strndup(line, (size_t)(end - line));
        tell_file(b, path);
        free(path);
    }
    str_release(&written);
    free(paths);
    return failed;
}

int batch_extras(Batch *b, Err *e)
{
    Pictures p = { .folder = &b->folder };
    if (!b->options->sheet && !b->options->atlas) return 0;
    int failed = collect(b, &p, e);
    if (!failed && b->options->sheet && p.count > MOST_SHOWN) {
        watch_warn(&b->watch.watch, "contact sheets and the gallery show the first 20000 pictures");
        for (size_t i = MOST_SHOWN; i < p.count && !b->options->atlas; i++) drop_shown(&p.items[i]);
        if (!b->options->atlas) p.count = MOST_SHOWN;
    }
    if (!failed && b->options->sheet) failed = write_sheet(b, &p, e) || write_gallery(b, &p, e);
    if (!failed && b->options->atlas && p.count) failed = write_atlas(b, &p, e);
    for (size_t i = 0; i < p.count; i++) drop_shown(&p.items[i]);
    free(p.items);
    return failed;
}
