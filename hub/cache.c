/* cache.c - see cache.h. */
#include "hub/cache.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "hub/url.h"
#include "weights/read.h"

/* ---- names ---- */

static bool valid_repo(const char *s, size_t n)
{
    size_t slashes = 0;
    for (size_t i = 0; i < n; i++) {
        slashes += s[i] == '/';
        if (!isalnum((unsigned char)s[i]) && !strchr("/-_.", s[i])) return false;
    }
    const char *slash = memchr(s, '/', n);
    return slashes == 1 && slash != s && slash != s + n - 1 && s[0] != '.' && s[0] != '-' && slash[1] != '.' &&
           n <= 200;
}

bool hub_name_parse(const char *text, HubName *out)
{
    size_t repo = strcspn(text, "@:");
    *out = (HubName){ 0 };
    if (!valid_repo(text, repo)) return false;
    const char *at = text[repo] == '@' ? text + repo + 1 : NULL, *file = strchr(text + repo, ':');
    size_t revision = at ? strcspn(at, ":") : 0;
    if ((at && !revision) || (file && !url_safe_path(file + 1))) return false;
    for (size_t i = 0; i < revision; i++)
        if (!isalnum((unsigned char)at[i]) && !strchr("/-_.+", at[i])) return false;
    out->repo = mem_strndup(text, repo);
    out->revision = at ? mem_strndup(at, revision) : mem_strdup("main");
    out->file = file ? mem_strdup(file + 1) : NULL;
    if (url_safe_path(out->revision)) return true;
    hub_name_release(out);
    return false;
}

void hub_name_release(HubName *n)
{
    free(n->repo);
    free(n->revision);
    free(n->file);
    *n = (HubName){ 0 };
}

/* ---- folders ---- */

/* The first of these variables that is set, and what stands behind it. */
typedef struct {
    const char *variable, *behind;
} Place;

static void first_of(const Place *places, Str *out)
{
    str_clear(out);
    for (; places->variable; places++) {
        const char *value = getenv(places->variable);
        if (!value || !*value) continue;
        str_addf(out, "%s%s", value, places->behind);
        return;
    }
    str_add(out, "."); /* no home: here */
}

void hub_cache_root(Str *out)
{
    static const Place places[] = { { "HF_HUB_CACHE", "" },
                                    { "HUGGINGFACE_HUB_CACHE", "" },
                                    { "HF_HOME", "/hub" },
                                    { "XDG_CACHE_HOME", "/huggingface/hub" },
                                    { "HOME", "/.cache/huggingface/hub" },
                                    { NULL, NULL } };
    first_of(places, out);
}

void hub_models_folder(Str *out)
{
    static const Place places[] = { { "XDG_DATA_HOME", "/limn/models" },
                                    { "HOME", "/.local/share/limn/models" },
                                    { NULL, NULL } };
    first_of(places, out);
}

void hub_cache_repo(const char *repo, Str *out)
{
    const char *slash = strchr(repo, '/');
    hub_cache_root(out);
    str_addf(out, "/models--%.*s--%s", (int)(slash - repo), repo, slash + 1);
}

static bool is_commit(const char *s) { return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40; }

char *hub_cache_find(const HubName *n)
{
    Str path = { 0 }, ref = { 0 };
    Bytes commit = { 0 };
    Err ignored;
    char *found = NULL;
    hub_cache_repo(n->repo, &path);
    str_addf(&ref, "%s/refs/%s", path.s, n->revision);
    if (is_commit(n->revision)) str_addf(&path, "/snapshots/%s", n->revision);
    else if (!file_map(&commit, ref.s, &ignored) && commit.len >= 40)
        str_addf(&path, "/snapshots/%.40s", (const char *)commit.data);
    else str_add(&path, "/refs/none");
    file_unmap(&commit);
    if (n->file) str_addf(&path, "/%s", n->file);
    if (n->file ? file_exists(path.s) : file_is_dir(path.s)) found = mem_strdup(path.s);
    str_release(&path);
    str_release(&ref);
    return found;
}

char *hub_cache_name(const char *path)
{
    const char *at = strstr(path, "/models--"), *mark = at ? strstr(at + 9, "--") : NULL,
               *end = mark ? strchr(mark, '/') : NULL;
    if (!end || !str_starts(end, "/snapshots/") || strspn(end + 11, "0123456789abcdef") != 40) return NULL;
    const char *rest = end + 11 + 40;
    while (*rest == '/') rest++;
    return *rest ? NULL : mem_strndup(mark + 2, (size_t)(end - mark - 2));
}

char *hub_models_find(const char *name)
{
    static const char *const ends[] = { "", ".safetensors", ".gguf", NULL };
    Str path = { 0 };
    char *found = NULL;
    if (!*name || name[0] == '.' || strchr(name, '/')) return NULL;
    for (const char *const *end = ends; *end && !found; end++) {
        hub_models_folder(&path);
        str_addf(&path, "/%s%s", name, *end);
        if (file_exists(path.s)) found = mem_strdup(path.s);
    }
    str_release(&path);
    return found;
}

/* ---- all that is there ---- */

typedef struct {
    HubModel *m;
    size_t count;
} Found;

static void found_add(Found *f, const char *name, const char *path)
{
    f->m = mem_grow(f->m, (f->count + 1) * sizeof *f->m);
    f->m[f->count++] = (HubModel){ mem_strdup(name), mem_strdup(path) };
}

static bool has_file(const char *dir, const char *name)
{
    Str path = { 0 };
    str_addf(&path, "%s/%s", dir, name);
    bool there = file_exists(path.s);
    str_release(&path);
    return there;
}

/* "models--org--name" of the cache, if it is a model that limn can open. */
static void add_cached(Found *f, const char *entry)
{
    const char *org = entry + strlen("models--"), *mark = strstr(org, "--");
    if (!str_starts(entry, "models--") || !mark) return;
    Str name = { 0 };
    HubName n;
    str_addf(&name, "%.*s/%s", (int)(mark - org), org, mark + 2);
    if (hub_name_parse(name.s, &n)) {
        char *path = hub_cache_find(&n);
        if (path && has_file(path, "model_index.json")) found_add(f, name.s, path);
        DIR *d = path && !has_file(path, "model_index.json") ? opendir(path) : NULL;
        for (struct dirent *at; d && (at = readdir(d));) {
            if (!weights_ending(at->d_name)) continue;
            Str whole = { 0 }, file = { 0 };
            str_addf(&whole, "%s:%s", name.s, at->d_name);
            str_addf(&file, "%s/%s", path, at->d_name);
            found_add(f, whole.s, file.s);
            str_release(&whole);
            str_release(&file);
        }
        if (d) closedir(d);
        free(path);
        hub_name_release(&n);
    }
    str_release(&name);
}

static void add_own(Found *f, const char *dir, const char *entry)
{
    Str path = { 0 };
    str_addf(&path, "%s/%s", dir, entry);
    if (entry[0] != '.' && (weights_ending(entry) || has_file(path.s, "model_index.json"))) {
        char *name = mem_strndup(entry, strlen(entry) - weights_ending(entry));
        found_add(f, name, path.s);
        free(name);
    }
    str_release(&path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const HubModel *)a)->name, ((const HubModel *)b)->name);
}

HubModel *hub_models(size_t *count)
{
    Found f = { 0 };
    for (int own = 0; own < 2; own++) {
        Str dir = { 0 };
        if (own) hub_models_folder(&dir);
        else hub_cache_root(&dir);
        DIR *d = opendir(dir.s);
        for (struct dirent *at; d && (at = readdir(d));) {
            if (own) add_own(&f, dir.s, at->d_name);
            else add_cached(&f, at->d_name);
        }
        if (d) closedir(d);
        str_release(&dir);
    }
    if (f.count) qsort(f.m, f.count, sizeof *f.m, by_name);
    *count = f.count;
    return f.m;
}

void hub_models_release(HubModel *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(m[i].name);
        free(m[i].path);
    }
    free(m);
}
