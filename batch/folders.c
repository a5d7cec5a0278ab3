/* folders.c - see folders.h. */
#include "batch/folders.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { MOST = 1000000 };

static bool is_picture(const char *name)
{
    static const char *const ends[] = { ".png", ".jpg", ".jpeg", ".webp" };
    size_t len = strlen(name);
    for (size_t i = 0; *name != '.' && i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (len > n && strcasecmp(name + len - n, ends[i]) == 0) return true;
    }
    return false;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The pictures' paths, sorted, heap each; *count. Error: NULL. */
static char **pictures_in(const char *folder, size_t *count, Err *e)
{
    char **paths = NULL;
    *count = 0;
    DIR *d = opendir(folder);
    if (!d) {
        err_set(e, "%s: %s", folder, strerror(errno));
        return NULL;
    }
    for (struct dirent *f; *count < MOST && (f = readdir(d));) {
        if (!is_picture(f->d_name)) continue;
        Str path = { 0 };
        str_addf(&path, "%s%s%s", folder, str_ends(folder, "/") ? "" : "/", f->d_name);
        if (!(*count & (*count - 1))) paths = mem_grow(paths, (2 * *count + 1) * sizeof *paths);
        paths[(*count)++] = path.s;
    }
    closedir(d);
    if (!*count) err_set(e, "%s: no picture (PNG, JPEG, WebP) in that folder", folder);
    else qsort(paths, *count, sizeof *paths, by_bytes);
    return paths;
}

/* The values, folders opened, in the place of the field's own. */
static int open_values(Field *f, Err *e)
{
    Str text = { 0 };
    uint64_t values = f->count;
    Field opened = { 0 };
    int failed = 0;
    for (uint64_t k = 0; k < values && !failed; k++) {
        size_t count = 0;
        str_clear(&text);
        field_value(f, k, &text);
        if (!file_is_dir(str_text(&text))) {
            field_add_text(&opened, str_text(&text), VALUE_TEXT);
            continue;
        }
        char **paths = pictures_in(str_text(&text), &count, e);
        failed = count ? 0 : -1;
        for (size_t i = 0; i < count; i++) {
            field_add_text(&opened, paths[i], VALUE_TEXT);
            free(paths[i]);
        }
        free(paths);
    }
    field_clear(f);
    f->spans = opened.spans;
    f->span_count = opened.span_count;
    f->count = opened.count;
    str_release(&text);
    return failed ? err_in(e, f->name) : 0;
}

static bool has_folder(const Field *f)
{
    Str text = { 0 };
    bool found = false;
    for (uint64_t k = 0; k < f->count && k < MOST && !found; k++) {
        str_clear(&text);
        field_value(f, k, &text);
        found = file_is_dir(str_text(&text));
    }
    str_release(&text);
    return found;
}

int folders_open(Record *r, const Job *defaults, Err *e)
{
    const Option *init = option_find("init-image", strlen("init-image"));
    Field *f = NULL;
    for (size_t i = 0; i < r->count && !f; i++)
        if (r->fields[i].option == init) f = &r->fields[i];
    if (!f && defaults->init_image && file_is_dir(defaults->init_image)) {
        f = record_add(r, "init_image", strlen("init_image"));
        f->option = init;
        field_add_text(f, defaults->init_image, VALUE_TEXT);
        record_sort(r);
    }
    return f && has_folder(f) ? open_values(f, e) : 0;
}
