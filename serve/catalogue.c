/* catalogue.c - see catalogue.h. */
#include "serve/catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "weights/source.h"

typedef struct {
    char *name, *path;
} Entry;

struct Catalogue {
    pthread_mutex_t lock;
    char *given, *folder;
    Entry *at;
    size_t count;
};

enum { MOST = 10000 };

static void add(Catalogue *c, const char *name, const char *path)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->at[i].name, name) == 0) return;
    c->at = mem_grow(c->at, (c->count + 1) * sizeof *c->at);
    c->at[c->count++] = (Entry){ mem_strdup(name), mem_strdup(path) };
}

static void clear(Catalogue *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->at[i].name);
        free(c->at[i].path);
    }
    c->count = 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* A file of weights, or a folder as diffusers has them. */
static bool is_model(const char *name, const char *path)
{
    if (str_ends(name, ".safetensors") || str_ends(name, ".gguf")) return !file_is_dir(path);
    if (!file_is_dir(path)) return false;
    Str index = { 0 };
    str_addf(&index, "%s/model_index.json", path);
    bool is = file_exists(str_text(&index));
    str_release(&index);
    return is;
}

static int compare(const void *a, const void *b) { return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name); }

static int read_folder(Catalogue *c, Err *e)
{
    DIR *d = opendir(c->folder);
    if (!d) return err_set(e, "--model-dir: %.300s: %s", c->folder, strerror(errno));
    size_t first = c->count;
    for (struct dirent *f; (f = readdir(d)) && c->count < MOST;) {
        if (*f->d_name == '.') continue;
        Str path = { 0 };
        str_addf(&path, "%s/%s", c->folder, f->d_name);
        if (is_model(f->d_name, str_text(&path))) add(c, f->d_name, str_text(&path));
        str_release(&path);
    }
    closedir(d);
    if (c->count > first) qsort(c->at + first, c->count - first, sizeof *c->at, compare);
    return 0;
}

static int fill(Catalogue *c, Err *e)
{
    const char *usual = getenv("LIMN_MODEL");
    clear(c);
    if (c->given) add(c, last_part(c->given), c->given);
    else if (usual && *usual) add(c, last_part(usual), usual);
    for (const char *const *name = source_builtin_names(); *name; name++) add(c, *name, *name);
    return c->folder ? read_folder(c, e) : 0;
}

Catalogue *catalogue_new(const char *given, const char *folder, Err *e)
{
    Catalogue *c = mem_alloc(sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    c->given = given ? mem_strdup(given) : NULL;
    c->folder = folder ? mem_strdup(folder) : NULL;
    if (!fill(c, e)) return c;
    catalogue_free(c);
    return NULL;
}

void catalogue_free(Catalogue *c)
{
    if (!c) return;
    clear(c);
    free(c->at);
    free(c->given);
    free(c->folder);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

int catalogue_refresh(Catalogue *c, Err *e)
{
    pthread_mutex_lock(&c->lock);
    int failed = fill(c, e);
    pthread_mutex_unlock(&c->lock);
    return failed;
}

size_t catalogue_count(Catalogue *c)
{
    pthread_mutex_lock(&c->lock);
    size_t n = c->count;
    pthread_mutex_unlock(&c->lock);
    return n;
}

bool catalogue_at(Catalogue *c, size_t i, Str *name, Str *path)
{
    pthread_mutex_lock(&c->lock);
    bool there = i < c->count;
    if (there && name) str_add(name, c->at[i].name);
    if (there && path) str_add(path, c->at[i].path);
    pthread_mutex_unlock(&c->lock);
    return there;
}

/* "v1-5.safetensors [6ce0161689]" and "v1-5" are "v1-5.safetensors". */
static bool means(const char *asked, const char *name)
{
    size_t len = strlen(asked), stem = strlen(name);
    const char *hash = strstr(asked, " [");
    if (hash) len = (size_t)(hash - asked);
    if (len == stem && strncmp(asked, name, len) == 0) return true;
    const char *dot = strrchr(name, '.');
    bool ending = dot && (strcmp(dot, ".safetensors") == 0 || strcmp(dot, ".gguf") == 0);
    return ending && len == (size_t)(dot - name) && strncmp(asked, name, len) == 0;
}

int catalogue_find(Catalogue *c, const char *name, Str *path, Err *e)
{
    Str known = { 0 };
    int found = -1;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count && found < 0; i++)
        if (means(name, c->at[i].name)) found = (int)i;
    if (found >= 0) str_add(path, c->at[found].path);
    for (size_t i = 0; i < c->count && known.len < 300; i++)
        str_addf(&known, "%s\"%.80s\"", i ? ", " : "", c->at[i].name);
    pthread_mutex_unlock(&c->lock);
    if (found < 0) err_usage(e, "there is no model \"%.80s\" here; there is %s", name, str_text(&known));
    str_release(&known);
    return found < 0 ? -1 : 0;
}
