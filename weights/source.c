/* source.c - see source.h. */
#include "weights/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "weights/builtin.h"

typedef struct {
    char *name;
    Bytes bytes;
    FileId id;
} Mapped;

struct Source {
    char *name;    /* for messages */
    char *dir;     /* a folder's path; NULL: built in */
    char *builtin; /* "sprites/" */
    Mapped *files; /* of a folder, mapped so far */
    size_t count;
};

Source *source_open(const char *dir, Err *e)
{
    if (!file_is_dir(dir)) {
        err_set(e, "%s: %s", dir, file_exists(dir) ? "not a folder: give the one that it is in" : "no such folder");
        return NULL;
    }
    Source *s = mem_alloc(sizeof *s);
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    s->name = mem_strndup(dir, len);
    s->dir = mem_strndup(dir, len);
    return s;
}

Source *source_open_builtin(const char *name, Err *e)
{
    Str known = { 0 };
    for (const char *const *n = limn_builtin_names; *n; n++) {
        if (strcmp(*n, name) == 0) {
            Str text = { 0 };
            Source *s = mem_alloc(sizeof *s);
            str_addf(&text, "built-in %s", name);
            s->name = text.s;
            s->builtin = mem_alloc(strlen(name) + 2);
            strcat(strcpy(s->builtin, name), "/");
            str_release(&known);
            return s;
        }
        str_addf(&known, "%s%s", known.len ? ", " : "", *n);
    }
    err_set(e, "%s: neither a file, a folder nor a built-in model; built in: %s", name, known.len ? known.s : "none");
    str_release(&known);
    return NULL;
}

const char *const *source_builtin_names(void) { return limn_builtin_names; }

const char *source_builtin_sha256(const unsigned char *begin)
{
    for (const BuiltinFile *f = limn_builtin_files; f->path; f++)
        if (f->begin == begin) return f->sha256;
    return NULL;
}

void source_free(Source *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->files[i].name);
        file_unmap(&s->files[i].bytes);
    }
    free(s->files);
    free(s->name);
    free(s->dir);
    free(s->builtin);
    free(s);
}

const char *source_name(const Source *s) { return s->name; }

static const BuiltinFile *find_builtin(const Source *s, const char *name)
{
    size_t prefix = strlen(s->builtin);
    for (const BuiltinFile *f = limn_builtin_files; f->path; f++)
        if (strncmp(f->path, s->builtin, prefix) == 0 && strcmp(f->path + prefix, name) == 0) return f;
    return NULL;
}

bool source_has(const Source *s, const char *name)
{
    if (!s->dir) return find_builtin(s, name) != NULL;
    Str path = { 0 };
    str_addf(&path, "%s/%s", s->dir, name);
    bool there = file_named(path.s);
    str_release(&path);
    return there;
}

int source_get(Source *s, const char *name, Bytes *out, Err *e)
{
    *out = (Bytes){ 0 };
    if (!s->dir) {
        const BuiltinFile *f = find_builtin(s, name);
        if (!f) return err_set(e, "%s/%s: not there", s->name, name);
        *out = (Bytes){ f->begin, (size_t)(f->end - f->begin) };
        return 0;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->files[i].name, name) != 0) continue;
        *out = s->files[i].bytes;
        return 0;
    }
    Str path = { 0 };
    str_addf(&path, "%s/%s", s->dir, name);
    FileId id;
    int failed = file_map_as(out, &id, path.s, e);
    str_release(&path);
    if (failed) return -1;
    s->files = mem_grow(s->files, (s->count + 1) * sizeof *s->files);
    s->files[s->count++] = (Mapped){ mem_strdup(name), *out, id };
    return 0;
}

bool source_id(const Source *s, const char *name, FileId *id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->files[i].name, name) != 0) continue;
        *id = s->files[i].id;
        return true;
    }
    return false;
}

FileChange source_change(const Source *s, Str *path)
{
    FileChange worst = FILE_SAME;
    for (size_t i = 0; i < s->count; i++) {
        Str own = { 0 };
        str_addf(&own, "%s/%s", s->dir, s->files[i].name);
        FileChange c = file_change(&s->files[i].id, own.s);
        if (c > worst) {
            worst = c;
            str_clear(path);
            str_add(path, own.s);
        }
        str_release(&own);
    }
    return worst;
}
