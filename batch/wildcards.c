/* wildcards.c - see wildcards.h. */
#include "batch/wildcards.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/text.h"
#include "batch/index.h"
#include "batch/node.h"
#include "batch/readers.h"

enum {
    MAX_LINES = 1000000,     /* of one wildcard */
    MAX_ALL_LINES = 4000000, /* of all; those of a file count as often as names and patterns have it */
    MAX_USES = 4000000,      /* wildcards in lines */
    MAX_FILE = 64 << 20,     /* bytes */
    MAX_DEPTH = 16,          /* folders below each other */
    MAX_FOLDERS = 10000,
};

typedef struct {
    char *name;
    Node *lines; /* NULL while it is being read */
} Entry;

struct Wildcards {
    char *dir;
    ExpandMode mode;
    bool (*cancelled)(void);
    Entry *entries;
    size_t count;
    Index names;        /* from a name's hash to its entry */
    size_t lines, uses; /* so far: MAX_ALL_LINES, MAX_USES */
    size_t folders;
    char **files; /* names without ".txt", sorted; listed when first needed */
    size_t file_count;
    bool listed;
    int depth;
};

Wildcards *wildcards_new(const char *dir, ExpandMode mode, bool (*cancelled)(void))
{
    Wildcards *w = mem_alloc(sizeof *w);
    w->mode = mode;
    w->cancelled = cancelled;
    w->dir = mem_strdup(dir);
    return w;
}

void wildcards_free(Wildcards *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->count; i++) {
        free(w->entries[i].name);
        choice_free(w->entries[i].lines);
    }
    for (size_t i = 0; i < w->file_count; i++) free(w->files[i]);
    index_release(&w->names);
    free(w->files);
    free(w->entries);
    free(w->dir);
    free(w);
}

static int check_cancelled(const Wildcards *w, Err *e)
{
    if (!w->cancelled || !w->cancelled()) return 0;
    err_set(e, "interrupted");
    e->code = ERR_INTERRUPTED;
    return -1;
}

/* ---- which files there are ---- */

/* A folder on the way down; links may lead back up. */
typedef struct Way {
    const struct Way *above;
    dev_t dev;
    ino_t ino;
    int depth;
} Way;

static bool leads_back(const Way *way, const struct stat *st)
{
    for (; way; way = way->above)
        if (way->dev == st->st_dev && way->ino == st->st_ino) return true;
    return false;
}

static void add_file(Wildcards *w, const char *name, size_t len)
{
    size_t n = w->file_count++;
    if (!(n & (n - 1))) w->files = mem_grow(w->files, (2 * n + 1) * sizeof *w->files);
    w->files[n] = mem_strndup(name, len);
}

static int list_folder(Wildcards *w, const char *below, const Way *above, Err *e);

static int list_entry(Wildcards *w, const char *below, const char *entry, const Way *way, Err *e)
{
    Str name = { 0 }, path = { 0 };
    struct stat st;
    int failed = 0;
    str_addf(&name, "%s%s", below, entry);
    str_addf(&path, "%s/%s", w->dir, str_text(&name));
    bool there = stat(str_text(&path), &st) == 0;
    if (there && S_ISDIR(st.st_mode)) {
        str_add(&name, "/");
        Way here = { way, st.st_dev, st.st_ino, way ? way->depth + 1 : 1 };
        if (here.depth < MAX_DEPTH && !leads_back(way, &st)) failed = list_folder(w, str_text(&name), &here, e);
    } else if (there && str_ends(entry, ".txt")) {
        add_file(w, str_text(&name), name.len - 4);
    }
    str_release(&name);
    str_release(&path);
    return failed;
}

static int list_folder(Wildcards *w, const char *below, const Way *way, Err *e)
{
    Str dir = { 0 };
    int failed = 0;
    if (++w->folders > MAX_FOLDERS) return err_usage(e, "%.400s: more than %d folders", w->dir, MAX_FOLDERS);
    str_addf(&dir, "%s/%s", w->dir, below);
    DIR *d = opendir(str_text(&dir));
    for (struct dirent *f; d && !failed && (f = readdir(d));) {
        if (f->d_name[0] == '.') continue;
        failed = check_cancelled(w, e) || list_entry(w, below, f->d_name, way, e);
    }
    if (d) closedir(d);
    str_release(&dir);
    return failed;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list_files(Wildcards *w, Err *e)
{
    struct stat st;
    if (w->listed) return 0;
    w->listed = true;
    if (stat(w->dir, &st)) return 0;
    if (list_folder(w, "", &(Way){ NULL, st.st_dev, st.st_ino, 0 }, e)) return -1;
    if (w->file_count) qsort(w->files, w->file_count, sizeof *w->files, by_text);
    return 0;
}

static bool is_pattern(const char *name) { return strpbrk(name, "*?[") != NULL; }

/* "**" is also folders below. */
static bool matches(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, strstr(pattern, "**") ? 0 : FNM_PATHNAME) == 0;
}

static int missing(Wildcards *w, const char *name, Err *e)
{
    if (list_files(w, e)) return -1;
    if (!file_is_dir(w->dir))
        return err_usage(
            e,
            "__%.60s__: there is no folder %.400s with wildcards (--wildcards names it; --expand off leaves __ alone)",
            name, w->dir);
    Nearest n = nearest_to(name);
    for (size_t i = 0; i < w->file_count; i++) nearest_try(&n, w->files[i]);
    if (n.best)
        return err_usage(e, "__%.60s__: there is no %.400s/%.60s.txt; did you mean __%s__?", name, w->dir, name,
                         n.best);
    return err_usage(e, "__%.60s__: there is no %.400s/%.60s.txt (--expand off leaves __ alone)", name, w->dir, name);
}

/* ---- their lines ---- */

typedef struct {
    Node **options;
    double *weights;
    size_t count, cap;
} Lines;

static void lines_clear(Lines *l)
{
    for (size_t i = 0; i < l->count; i++) choice_free(l->options[i]);
    free(l->options);
    free(l->weights);
    *l = (Lines){ 0 };
}

static int add_line(Wildcards *w, Lines *l, const char *text, size_t len, Err *e)
{
    while (len && is_space(text[len - 1])) len--;
    while (len && is_space(*text)) text++, len--;
    if (!len || *text == '#') return 0;
    if (l->count == MAX_LINES) return err_usage(e, "more than %d lines", MAX_LINES);
    if (++w->lines > MAX_ALL_LINES) return err_usage(e, "more than %d lines of all wildcards", MAX_ALL_LINES);
    if (l->count == l->cap) {
        l->cap = 2 * l->cap + 16;
        l->options = mem_grow(l->options, l->cap * sizeof *l->options);
        l->weights = mem_grow(l->weights, l->cap * sizeof *l->weights);
    }
    ChoiceReader r = { .wildcards = w, .mode = w->mode };
    char *line = mem_strndup(text, len);
    Node *n = choice_parse_line(&r, line, &l->weights[l->count], e);
    free(line);
    if (!n) return -1;
    l->options[l->count++] = n;
    return 0;
}

static int read_file(Wildcards *w, const char *name, Lines *l, Err *e)
{
    Str path = { 0 }, text = { 0 };
    str_addf(&path, "%s/%s.txt", w->dir, name);
    TextSource source = { .name = str_text(&path), .most = MAX_FILE, .cancelled = w->cancelled };
    int failed = text_read_file(str_text(&path), &source, &text, e);
    const char *at = str_text(&text), *end = at + text.len;
    for (size_t line = 1; !failed && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        failed = check_cancelled(w, e) || add_line(w, l, at, len, e);
        if (failed && e->code != ERR_INTERRUPTED) {
            char where[512];
            snprintf(where, sizeof where, "%.400s:%zu", str_text(&path), line);
            err_in(e, where);
        }
        at += len + (newline != NULL);
    }
    str_release(&text);
    str_release(&path);
    return failed;
}

static bool leaves_folder(const char *name)
{
    size_t len = strlen(name);
    return *name == '/' || strcmp(name, "..") == 0 || str_starts(name, "../") || strstr(name, "/../") ||
           (len >= 3 && str_ends(name, "/.."));
}

static Node *read_lines(Wildcards *w, const char *name, Err *e)
{
    Lines l = { 0 };
    Str path = { 0 };
    int failed = 0;
    size_t files = 0;
    if (leaves_folder(name)) {
        err_usage(e, "__%.60s__: a wildcard lies below %.400s", name, w->dir);
        return NULL;
    }
    str_addf(&path, "%s/%s.txt", w->dir, name);
    if (is_pattern(name)) {
        failed = list_files(w, e);
        for (size_t i = 0; i < w->file_count && !failed; i++) {
            if (!matches(name, w->files[i])) continue;
            failed = read_file(w, w->files[i], &l, e);
            files++;
        }
    } else if (file_exists(str_text(&path))) {
        failed = read_file(w, name, &l, e);
        files++;
    }
    str_release(&path);
    if (!failed && !files) failed = missing(w, name, e);
    if (!failed && !l.count) failed = err_usage(e, "__%.60s__: the file has no lines to choose from", name);
    if (failed) {
        lines_clear(&l);
        return NULL;
    }
    return choice_alternatives(l.options, l.weights, l.count);
}

/* The entry of a name, or NULL. A hash that two names share is so rare that the second is looked for one by one. */
static Entry *find_entry(const Wildcards *w, const char *name)
{
    const uint64_t *at = index_find(&w->names, index_hash(name));
    if (!at) return NULL;
    if (strcmp(w->entries[*at].name, name) == 0) return &w->entries[*at];
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->entries[i].name, name) == 0) return &w->entries[i];
    return NULL;
}

Node *wildcards_get(Wildcards *w, const char *name, Err *e)
{
    Entry *known = find_entry(w, name);
    bool fresh;
    if (w->depth && ++w->uses > MAX_USES) {
        err_usage(e, "__%.60s__: more than %d wildcards within wildcards", name, MAX_USES);
        return NULL;
    }
    if (known) {
        if (!known->lines) err_usage(e, "__%.60s__: it leads back to itself", name);
        return known->lines;
    }
    if (w->depth == CHOICE_DEPTH) {
        err_usage(e, "__%.60s__: wildcards within wildcards more than %d deep", name, CHOICE_DEPTH);
        return NULL;
    }
    size_t at = w->count++;
    if (!(at & (at - 1))) w->entries = mem_grow(w->entries, (2 * at + 1) * sizeof *w->entries);
    w->entries[at] = (Entry){ .name = mem_strdup(name) };
    uint64_t *place = index_add(&w->names, index_hash(name), &fresh);
    if (fresh) *place = at;
    w->depth++;
    Node *lines = read_lines(w, name, e);
    w->depth--;
    w->entries[at].lines = lines; /* NULL stays: the batch ends with this error */
    return lines;
}
