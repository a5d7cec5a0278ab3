/* library.c - see library.h. */
#include "pipeline/library.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/str.h"
#include "base/visible.h"
#include "weights/safetensors.h"

enum {
    DEPTH = 6,         /* folders below each other */
    FILES_MAX = 20000, /* with which the folder is the wrong one */
};

static const char *const endings[] = { ".safetensors", ".pt", ".bin", ".ckpt", NULL };

char *library_usual(const char *usual)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    Str path = { 0 };
    if (data && *data) str_addf(&path, "%s/limn/%s", data, usual);
    else str_addf(&path, "%s/.local/share/limn/%s", home ? home : "", usual);
    return path.s;
}

bool library_there(const char *given, const char *usual)
{
    char *path = given ? mem_strdup(given) : library_usual(usual);
    bool there = file_is_dir(path);
    free(path);
    return there || given;
}

static void add_file(Library *l, const char *name)
{
    for (const char *const *end = endings; *end; end++) {
        if (!str_ends(name, *end)) continue;
        Str path = { 0 };
        str_addf(&path, "%s/%s", l->folder, name);
        l->file = mem_grow(l->file, (l->count + 1) * sizeof *l->file);
        LibraryFile *f = &l->file[l->count++];
        *f = (LibraryFile){ .name = mem_strndup(name, strlen(name) - strlen(*end)),
                            .path = path.s,
                            .readable = end == endings };
        f->stem = path_last(f->name);
        return;
    }
}

/* below: of the folder, "" or "style/". Links to files and folders are followed: it is the user's own folder. */
static int scan(Library *l, const char *below, int depth, Err *e)
{
    Str path = { 0 };
    str_addf(&path, "%s/%s", l->folder, below);
    DIR *d = opendir(path.s);
    int failed = 0;
    for (struct dirent *entry; d && !failed && (entry = readdir(d));) {
        if (entry->d_name[0] == '.') continue;
        Str name = { 0 }, full = { 0 };
        str_addf(&name, "%s%s", below, entry->d_name);
        str_addf(&full, "%s/%s", l->folder, str_text(&name));
        if (!file_is_dir(full.s)) {
            add_file(l, name.s);
        } else if (depth < DEPTH) {
            str_add(&name, "/");
            failed = scan(l, name.s, depth + 1, e);
        }
        str_release(&name);
        str_release(&full);
        if (l->count > FILES_MAX)
            failed = err_set(e, "%s has more than %d files of weights in it: is this the right folder?", l->folder,
                             FILES_MAX);
    }
    if (d) closedir(d);
    str_release(&path);
    return failed;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const LibraryFile *)a)->name, ((const LibraryFile *)b)->name);
}

int library_open(Library *l, const char *given, const char *usual, Err *e)
{
    *l = (Library){ .given = given != NULL };
    char *folder = given ? mem_strdup(given) : library_usual(usual);
    if (!file_is_dir(folder)) {
        int failed = given ? err_set(e, "%s: there is no such folder", folder) : 0;
        free(folder);
        return failed;
    }
    l->folder = folder;
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/';) folder[--n] = 0;
    if (scan(l, "", 0, e)) return -1;
    if (l->count) qsort(l->file, l->count, sizeof *l->file, by_name);
    return 0;
}

void library_close(Library *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->file[i].name);
        free(l->file[i].path);
    }
    free(l->file);
    free(l->folder);
    *l = (Library){ 0 };
}

/* Whether a file's metadata gives it that name. */
static bool is_called(const LibraryFile *f, const char *key, const char *name)
{
    Bytes file;
    Err ignored;
    if (!f->readable || file_map(&file, f->path, &ignored)) return false;
    char *value = safetensors_metadata(file, key);
    bool same = value && strcmp(value, name) == 0;
    free(value);
    file_unmap(&file);
    return same;
}

/* The first file from `from` on that the name fits; a whole name is better than the last part of one. */
static const LibraryFile *next_of(const Library *l, const LibraryFile *from, const char *name, const char *key)
{
    for (const LibraryFile *f = from; f < l->file + l->count; f++)
        if (key ? is_called(f, key, name) : strcmp(f->stem, name) == 0) return f;
    return NULL;
}

static const LibraryFile *only_of(const Library *l, const char *name, const char *key, bool *several, Err *e)
{
    const LibraryFile *f = next_of(l, l->file, name, key), *other = f ? next_of(l, f + 1, name, key) : NULL;
    while (other && !other->readable) other = next_of(l, other + 1, name, key); /* x.pt next to x.safetensors */
    if (other && !f->readable) return other;
    *several = other != NULL;
    if (other)
        err_set(e, "two files are called \"%s\": %s and %s; write the folder before the name", name, f->path,
                other->path);
    return other ? NULL : f;
}

const LibraryFile *library_find(const Library *l, const char *name, const char *key, Err *e)
{
    bool several = false;
    if (!l->folder) {
        err_set(e, "\"%.100s\": there is no folder to look for it in", name);
        return NULL;
    }
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->file[i].name, name) == 0 && l->file[i].readable) return &l->file[i];
    const LibraryFile *f = only_of(l, name, NULL, &several, e);
    if (!f && !several && key) f = only_of(l, name, key, &several, e);
    if (f || several) return f;
    Nearest n = nearest_to(name);
    for (size_t i = 0; i < l->count; i++) nearest_try(&n, strchr(name, '/') ? l->file[i].name : l->file[i].stem);
    err_set(e, "%s has no file called \"%.100s\"%s%s%s", l->folder, name, n.best ? "; did you mean \"" : "",
            n.best ? n.best : "", n.best ? "\"?" : "");
    return NULL;
}
