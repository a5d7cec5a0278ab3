/* wildcards.c - see wildcards.h. */
#include "batch/wildcards.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/text.h"
#include "batch/node.h"
#include "batch/readers.h"

enum {
    MAX_LINES = 1000000,
    MAX_FILE = 64 << 20, /* bytes */
    MAX_FOLDERS = 16,    /* deep */
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
    free(w->files);
    free(w->entries);
    free(w->dir);
    free(w);
}

/* ---- which files there are ---- */

static void list_folder(Wildcards *w, const char *below, int depth)
{
    Str dir = { 0 };
    str_addf(&dir, "%s/%s", w->dir, below);
    DIR *d = depth < MAX_FOLDERS ? opendir(str_text(&dir)) : NULL;
    for (struct dirent *f; d && (f = readdir(d));) {
        if (f->d_name[0] == '.') continue;
        Str name = { 0 }, path = { 0 };
        str_addf(&name, "%s%s", below, f->d_name);
        str_addf(&path, "%s/%s", w->dir, str_text(&name));
        if (file_is_dir(str_text(&path))) {
            str_add(&name, "/");
            list_folder(w, str_text(&name), depth + 1);
        } else if (str_ends(f->d_name, ".txt")) {
            w->files = mem_grow(w->files, (w->file_count + 1) * sizeof *w->files);
            w->files[w->file_count++] = mem_strndup(str_text(&name), name.len - 4);
        }
        str_release(&name);
        str_release(&path);
    }
    if (d) closedir(d);
    str_release(&dir);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list_files(Wildcards *w)
{
    if (w->listed) return;
    w->listed = true;
    list_folder(w, "", 0);
    if (w->file_count) qsort(w->files, w->file_count, sizeof *w->files, by_text);
}

static bool is_pattern(const char *name) { return strpbrk(name, "*?[") != NULL; }

/* "**" is also folders below. */
static bool matches(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, strstr(pattern, "**") ? 0 : FNM_PATHNAME) == 0;
}

static int missing(Wildcards *w, const char *name, Err *e)
{
    list_files(w);
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
        failed = add_line(w, l, at, len, e);
        if (failed) {
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
        list_files(w);
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
    Node *n = choice_alternatives(l.options, l.weights, l.count);
    n->text = mem_strdup(",");
    node_count(n);
    return n;
}

const Node *wildcards_get(Wildcards *w, const char *name, Err *e)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->entries[i].name, name) != 0) continue;
        if (!w->entries[i].lines) err_usage(e, "__%.60s__: it leads back to itself", name);
        return w->entries[i].lines;
    }
    if (w->depth == CHOICE_DEPTH) {
        err_usage(e, "__%.60s__: wildcards within wildcards more than %d deep", name, CHOICE_DEPTH);
        return NULL;
    }
    size_t at = w->count++;
    w->entries = mem_grow(w->entries, w->count * sizeof *w->entries);
    w->entries[at] = (Entry){ .name = mem_strdup(name) };
    w->depth++;
    Node *lines = read_lines(w, name, e);
    w->depth--;
    w->entries[at].lines = lines; /* NULL stays: the batch ends with this error */
    return lines;
}
