/* survey.c - a walk over all pictures before the first is drawn: names, what is in place, what is left to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "batch/batch.h"
#include "batch/difference.h"
#include "image/png.h"
#include "output/extras.h"
#include "output/picture.h"
#include "pipeline/metadata.h"

enum { OFTEN = 4096 }; /* pictures from one look at Ctrl-C to the next */

typedef struct {
    Batch *b;
    Index ids;
    size_t room; /* bytes of b->wanted */
    Str way;     /* the folder of the picture before, which is no link */
} Survey;

bool batch_wants(const Batch *b, uint64_t index) { return b->wanted[(index - 1) / 8] >> (index - 1) % 8 & 1; }

/* ---- names and ids ---- */

/*
 * A name or id that was there before. Texts are told by 64-bit hashes: among ten million the chance that two agree by accident is
 * one in 400,000.
 */
static int check_unique(const Survey *s, Index *seen, const Item *i, const char *text, Err *e)
{
    bool fresh, is_id = text == i->id;
    uint64_t *line = index_add(seen, index_hash(text), &fresh);
    if (fresh) {
        *line = i->line;
        return 0;
    }
    if (is_id)
        err_usage(e,
                  "the id \"%.100s\" is that of line %llu too: an id is one job's (a field of another name may repeat)",
                  text, (unsigned long long)*line);
    else
        err_usage(e,
                  "the name \"%.200s\" is that of a picture of line %llu too: {index}, {seed} or a field in --output "
                  "tells them apart",
                  text, (unsigned long long)*line);
    return jobs_blame(s->b->jobs, i->line, e);
}

/* The option whose file a name would be, or NULL. */
static const char *taken_by(const Batch *b, const char *name)
{
    const char *folder = b->names.folder;
    if (b->options->sheet && (strcmp(name, "sheet.png") == 0 || str_starts(name, "sheet-"))) return "--sheet";
    Str path = { 0 };
    if (strcmp(folder, ".") != 0) str_addf(&path, "%s%s", folder, str_ends(folder, "/") ? "" : "/");
    str_add(&path, name);
    bool taken = extras_is_atlas(b->options, str_text(&path));
    str_release(&path);
    return taken ? "--atlas" : NULL;
}

static int check_name(const Survey *s, const Item *i, const char *name, Err *e)
{
    const char *taken = taken_by(s->b, name);
    if (!taken) return check_unique(s, &s->b->files, i, name, e);
    err_usage(e, "the name \"%s\" is that of a file of %s", name, taken);
    return jobs_blame(s->b->jobs, i->line, e);
}

/* The picture's name and those of its smaller copies. */
static int check_names(const Survey *s, const Item *i, Err *e)
{
    int sizes[JOB_MAX_SIZES], count = job_sizes(i->job.sizes, sizes, e);
    if (count < 0) return jobs_blame(s->b->jobs, i->line, e);
    int failed = check_name(s, i, str_text(&i->file), e);
    for (int k = 0; k < count && !failed; k++) {
        Str copy = { 0 };
        output_size_name(str_text(&i->file), sizes[k], &copy);
        failed = check_name(s, i, str_text(&copy), e);
        str_release(&copy);
    }
    return failed;
}

/* ---- what is in place ---- */

static int refuse_changed(const Survey *s, const Entry *entry, const Item *i, Err *e)
{
    Str what = { 0 };
    difference_tell(entry, i, &what);
    err_usage(
        e,
        "%s/%.300s is there and was drawn from another job%s; --changed render draws it anew, --changed keep leaves it",
        s->b->names.folder, str_text(&i->file), str_text(&what));
    str_release(&what);
    return jobs_blame(s->b->jobs, i->line, e);
}

/* The copies in smaller sizes that the line tells of. */
static bool copies_whole(const Batch *b, const Entry *entry)
{
    bool whole = true;
    if (!strstr(str_text(&entry->line), "\"copies\":")) return true;
    cJSON *root = cJSON_ParseWithLength(str_text(&entry->line), entry->line.len);
    const cJSON *copy;
    cJSON_ArrayForEach(copy, cJSON_GetObjectItemCaseSensitive(root, "copies"))
    {
        const char *file = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(copy, "file"));
        const char *sha = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(copy, "sha256"));
        double bytes = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(copy, "bytes"));
        whole =
            whole && file && sha && bytes >= 0 && bytes < 0x1p53 && place_whole(&b->folder, file, (uint64_t)bytes, sha);
    }
    cJSON_Delete(root);
    return whole;
}

static void see_model(Batch *b, const Entry *entry)
{
    for (int i = 0; i < b->seen_count; i++)
        if (strcmp(b->seen[i].path, entry->model) == 0) return;
    if (b->seen_count == MAX_SEEN_MODELS || !*entry->model_sha256) return;
    SeenModel *m = &b->seen[b->seen_count++];
    m->path = mem_strdup(entry->model);
    snprintf(m->sha256, sizeof m->sha256, "%s", entry->model_sha256);
}

/* A file that no manifest tells of: ours, when a run was cut off after it was put there; else not to be replaced unasked. */
static int check_stranger(const Survey *s, const Item *i, Err *e)
{
    const Batch *b = s->b;
    const char *name = str_text(&i->file);
    Bytes file;
    PngTexts texts = { 0 };
    Err ignored;
    if (!b->folder.fd || !folder_has(&b->folder, name) || strcmp(b->options->changed, "render") == 0) return 0;
    if (folder_map(&b->folder, name, &file, &ignored) == 0) {
        bool ours = png_read_texts(file, &texts, NULL, NULL, &ignored) == 0 && png_text(&texts, METADATA_KEY);
        png_texts_release(&texts);
        file_unmap(&file);
        if (ours) return 0;
    }
    err_usage(e, "%s/%s is there and limn did not draw it; another name, or --changed render to replace it",
              b->names.folder, name);
    return jobs_blame(b->jobs, i->line, e);
}

/* No folder on the way to a picture is a link. */
static int check_way(Survey *s, const Item *i, Err *e)
{
    const char *file = str_text(&i->file), *slash = strrchr(file, '/');
    size_t len = slash ? (size_t)(slash - file) : 0;
    if (!s->b->folder.fd || !len || (s->way.len == len && memcmp(s->way.s, file, len) == 0)) return 0;
    if (folder_check_way(&s->b->folder, file, e)) return -1;
    str_clear(&s->way);
    str_addn(&s->way, file, len);
    return 0;
}

/* *draw: the picture is to be drawn. */
static int decide(Survey *s, const Item *i, bool *draw, Err *e)
{
    Batch *b = s->b;
    Entry entry;
    const char *changed = b->options->changed;
    int failed = 0;
    *draw = true;
    if (check_way(s, i, e)) return -1;
    if (!manifest_find(b->manifest, str_text(&i->file), &entry)) return check_stranger(s, i, e);
    bool same = strcmp(entry.key, i->key) == 0;
    bool whole = entry.status == STATUS_DONE && (same || strcmp(changed, "render") != 0) &&
                 place_whole(&b->folder, str_text(&i->file), entry.bytes, entry.sha256) && copies_whole(b, &entry);
    if (whole && !same && strcmp(changed, "refuse") == 0) failed = refuse_changed(s, &entry, i, e);
    *draw = !whole;
    b->there += whole;
    if (entry.status == STATUS_DONE && whole && same) see_model(b, &entry);
    if (entry.status == STATUS_DONE && !whole && same) b->damaged++;
    if (entry.status == STATUS_FAILED && entry.refused && same && !b->options->retry_failed) {
        *draw = false;
        b->left++;
    }
    str_release(&entry.line);
    return failed;
}

/* ---- the walk ---- */

static void want(Survey *s, uint64_t index)
{
    size_t byte = (size_t)((index - 1) / 8);
    if (byte >= s->room) {
        size_t room = 2 * byte + 64;
        s->b->wanted = mem_grow(s->b->wanted, room);
        memset(s->b->wanted + s->room, 0, room - s->room);
        s->room = room;
    }
    s->b->wanted[byte] |= (uint8_t)(1 << (index - 1) % 8);
    s->b->todo++;
}

static int take(Survey *s, const Item *i, Err *e)
{
    Batch *b = s->b;
    b->total = i->index;
    if (i->id && i->number == 1 && check_unique(s, &s->ids, i, i->id, e)) return -1;
    if (check_names(s, i, e)) return -1;
    if (i->index % OFTEN == 0) {
        char text[64];
        snprintf(text, sizeof text, "checking: %llu pictures", (unsigned long long)i->index);
        watch_say(&b->watch.watch, text);
        if (watch_check(&b->watch.watch, e)) return -1;
    }
    if (!shard_has(&b->shard, i->index)) return 0;
    bool draw;
    b->mine++;
    if (decide(s, i, &draw, e)) return -1;
    if (draw) want(s, i->index);
    return 0;
}

int batch_survey(Batch *b, Err *e)
{
    Survey s = { .b = b };
    Item item;
    int got;
    index_release(&b->files);
    free(b->wanted);
    b->wanted = NULL;
    b->total = b->mine = b->there = b->todo = b->left = b->damaged = 0;
    plan_rewind(b->plan);
    while ((got = plan_next(b->plan, &item, e)) > 0) {
        int failed = take(&s, &item, e);
        item_release(&item);
        if (failed) {
            got = -1;
            break;
        }
    }
    if (got == 0 && b->total == 0) got = err_usage(e, "%s: no jobs in it", jobs_name(b->jobs));
    size_t need = (size_t)(b->total + 7) / 8; /* a bit for each, be it not wanted */
    if (need > s.room) {
        b->wanted = mem_grow(b->wanted, need);
        memset(b->wanted + s.room, 0, need - s.room);
    }
    index_release(&s.ids);
    str_release(&s.way);
    watch_say(&b->watch.watch, "");
    return got;
}
