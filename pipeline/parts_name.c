/* parts_name.c - see parts_name.h. */
#include "pipeline/parts_name.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/str.h"
#include "hub/cache.h"
#include "weights/read.h"
#include "weights/source.h"

/* ---- paths ----------------------------------------------------------------------------------------------------------- */

/* "a/b/" -> "a/b"; heap */
static char *without_slashes(const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    return mem_strndup(path, len);
}

/* "a/b" -> "a", "b" -> "."; heap */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

static char *joined(const char *dir, const char *name)
{
    Str s = { 0 };
    str_addf(&s, "%s%s%s", dir, str_ends(dir, "/") ? "" : "/", name);
    return s.s;
}

static bool has_file(const char *dir, const char *name)
{
    char *path = joined(dir, name);
    bool there = file_exists(path);
    free(path);
    return there;
}

char *parts_name_whole(const char *file)
{
    char *part = folder_of(file), *whole = folder_of(part);
    if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0 || !has_file(whole, "model_index.json")) {
        free(whole);
        whole = NULL;
    }
    free(part);
    return whole;
}

/* What a folder holds that may be a model. */
typedef struct {
    int safetensors, others; /* checkpoints in other formats */
    char *first, *second;    /* of the safetensors files */
    char *other, *inner;     /* one of the others; a folder in it that is a model */
} Listing;

static bool is_other_checkpoint(const char *name)
{
    static const char *const ends[] = { ".ckpt", ".pt", ".pth", ".bin", ".onnx", ".msgpack" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (str_ends(name, ends[i])) return true;
    return false;
}

static void look_at(Listing *l, const char *dir, const char *name)
{
    char *path = joined(dir, name);
    if (name[0] != '.' && !l->inner && has_file(path, "model_index.json")) l->inner = mem_strdup(name);
    if (weights_ending(name) && !file_is_dir(path)) {
        l->safetensors++;
        char **place = !l->first || strcmp(name, l->first) < 0 ? &l->first : &l->second;
        if (place == &l->first) {
            free(l->second);
            l->second = l->first;
        } else if (l->second && strcmp(l->second, name) <= 0) {
            place = NULL;
        } else {
            free(l->second);
        }
        if (place) *place = mem_strdup(name);
    }
    if (is_other_checkpoint(name) && l->others++ == 0) l->other = mem_strdup(name);
    free(path);
}

static Listing list_folder(const char *dir)
{
    Listing l = { 0 };
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));) look_at(&l, dir, entry->d_name);
    if (d) closedir(d);
    return l;
}

static void listing_release(Listing *l)
{
    free(l->first);
    free(l->second);
    free(l->other);
    free(l->inner);
}

/* ---- what is not there ----------------------------------------------------------------------------------------------- */

/* The length without the ending that all files have: it would make any two names alike. */
static size_t stem_length(const char *name) { return strlen(name) - weights_ending(name); }

/* One more name; the best so far goes to *best, on the heap, behind `dir` where there is one. */
static void try_name(Nearest *n, char **best, const char *dir, const char *name)
{
    char *stem = mem_strndup(name, stem_length(name));
    n->best = NULL;
    nearest_try(n, stem);
    if (n->best && n->distance) n->distance--; /* a later one must be nearer */
    if (n->best) {
        free(*best);
        *best = dir ? joined(dir, name) : mem_strdup(name);
    }
    free(stem);
}

/* The file or built-in model whose name is most like it; heap, NULL: none. */
static char *nearest_name(const char *name)
{
    const bool in_folder = strchr(name, '/') != NULL;
    char *dir = folder_of(name), *best = NULL;
    Nearest n = nearest_to_n(path_last(name), stem_length(path_last(name)));
    DIR *d = opendir(dir);
    for (const char *const *b = source_builtin_names(); !in_folder && *b; b++) try_name(&n, &best, NULL, *b);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (entry->d_name[0] != '.') try_name(&n, &best, in_folder ? dir : NULL, entry->d_name);
    if (d) closedir(d);
    free(dir);
    return best;
}

static bool is_address(const char *name)
{
    static const char *const begins[] = { "http://", "https://", "hf://",        "s3://",    "huggingface.co/",
                                          "hf.co/",  "www.",     "civitai.com/", "urn:air:", "modelscope://" };
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncasecmp(name, begins[i], strlen(begins[i])) == 0) return true;
    return false;
}

/* "org/name", as hubs call models, with "@revision" or ":file" behind it or not, and not where a folder here is called org. */
static bool is_hub_name(const char *name)
{
    HubName n;
    if (!hub_name_parse(name, &n)) return false;
    char *dir = folder_of(name);
    bool local = file_exists(dir) || (!n.file && weights_ending(name));
    free(dir);
    hub_name_release(&n);
    return !local;
}

char *parts_name_fetched(const char *name)
{
    HubName n;
    char *found = hub_models_find(name);
    if (found || !is_hub_name(name) || !hub_name_parse(name, &n)) return found;
    found = hub_cache_find(&n);
    hub_name_release(&n);
    return found;
}

int parts_name_missing(const char *name, Err *e)
{
    char *bare = without_slashes(name), *near = NULL;
    const char *home = getenv("HOME");
    errno = ENOENT;
    if (file_named(name)) { /* a link that leads nowhere */
        file_unopened(name, e);
    } else if (is_address(name)) {
        err_set(e,
                "%.300s: an address: limn downloads nothing by itself; limn pull ADDRESS gets it, and says what to "
                "give as -m",
                name);
    } else if (strcmp(bare, name) != 0 && file_exists(bare) && !file_is_dir(bare)) {
        err_set(e, "%s: a file, not a folder: give it without the last \"/\"", name);
    } else if (name[0] == '~') {
        bool ours = name[1] == '/' && home && has_file(home, name + 2);
        err_set(e, "%s: no such file or folder: a shell replaces \"~\" only at the beginning of a word%s%s%s", name,
                ours ? ": give " : "", ours ? home : "", ours ? name + 1 : "");
    } else if (is_hub_name(name)) {
        err_set(e,
                "%s: no such file or folder here, and limn downloads nothing by itself. If it is a model's name on the "
                "hub, "
                "this gets it: limn pull %s",
                name, name);
    } else {
        near = nearest_name(bare);
        err_set(e, "%s: No such file or directory%s%s%s", name, near ? "; did you mean " : "", near ? near : "",
                near ? "?" : "");
    }
    free(near);
    free(bare);
    return -1;
}

/* ---- folders --------------------------------------------------------------------------------------------------------- */

static int not_a_model(const char *dir, const Listing *l, Err *e)
{
    char *above = folder_of(dir);
    bool part = has_file(dir, "config.json"), snapshots = has_file(dir, "snapshots");
    if (strcmp(above, dir) != 0 && has_file(above, "model_index.json"))
        err_set(e, "%s: only one part of a diffusers folder: give the folder above, -m %s", dir, above);
    else if (part)
        err_set(e, "%s: no model_index.json in it: not a diffusers folder, only one part of one: give the folder above",
                dir);
    else if (snapshots) err_set(e, "%s: a hub library's cache: give one of the folders in %s/snapshots", dir, dir);
    else if (has_file(dir, "unet") && has_file(dir, "vae"))
        err_set(e,
                "%s: a diffusers folder without its model_index.json, which makes it a model: get that file too; where "
                "limn pull was stopped, the same command goes on",
                dir);
    else if (l->inner) err_set(e, "%s: not a model, but %s/%s in it is one: give such a one", dir, dir, l->inner);
    else if (l->safetensors > 1)
        err_set(e, "%s: no model_index.json in it, and %d safetensors files: give one of them, such as %s/%s or %s/%s",
                dir, l->safetensors, dir, l->first, dir, l->second);
    else if (l->other)
        err_set(e, "%s: no model_index.json and no safetensors file in it; of %s limn can say more: limn info %s/%s",
                dir, l->other, dir, l->other);
    else err_set(e, "%s: no model_index.json in it: not a diffusers folder, and no safetensors file either", dir);
    free(above);
    return -1;
}

/* A link that leads nowhere is a name, and no file. */
static bool names_file(const char *dir, const char *name)
{
    char *path = joined(dir, name);
    bool named = file_named(path);
    free(path);
    return named;
}

static int unopened_in(const char *dir, const char *name, Err *e)
{
    char *path = joined(dir, name);
    errno = ENOENT;
    int failed = file_unopened(path, e);
    free(path);
    return failed;
}

static int find_in_folder(const char *dir, NameKind *kind, char **path, Err *e)
{
    *kind = NAME_FOLDER;
    *path = mem_strdup(dir);
    if (has_file(dir, "model_index.json")) return 0;
    if (names_file(dir, "model_index.json")) return unopened_in(dir, "model_index.json", e);
    Listing l = list_folder(dir);
    int failed = 0;
    if (l.safetensors == 1 && !has_file(dir, "config.json") && !l.inner) {
        free(*path);
        *kind = NAME_FILE;
        *path = joined(dir, l.first);
    } else {
        failed = not_a_model(dir, &l, e);
    }
    listing_release(&l);
    return failed;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

static bool is_builtin(const char *name)
{
    for (const char *const *n = source_builtin_names(); *n; n++)
        if (strcmp(*n, name) == 0) return true;
    return false;
}

static int not_builtin(const char *name, Err *e)
{
    char *near = nearest_name(name);
    Str known = { 0 };
    for (const char *const *n = source_builtin_names(); *n; n++) str_addf(&known, "%s%s", known.len ? ", " : "", *n);
    err_set(e, "%s: neither a file, a folder nor a built-in model; built in: %s%s%s%s", name,
            known.len ? known.s : "none", near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    str_release(&known);
    free(near);
    return -1;
}

int parts_name_find(const char *name, NameKind *kind, char **path, Err *e)
{
    *path = NULL;
    if (is_builtin(name)) {
        *kind = NAME_BUILTIN;
        *path = mem_strdup(name);
        return 0;
    }
    if (file_is_dir(name)) return find_in_folder(name, kind, path, e);
    char *fetched = file_exists(name) ? NULL : parts_name_fetched(name);
    if (fetched) {
        int failed = parts_name_find(fetched, kind, path, e);
        free(fetched);
        return failed;
    }
    if (!file_named(name) && !strchr(name, '/') && !is_address(name) && name[0] != '~') return not_builtin(name, e);
    if (!file_exists(name)) return parts_name_missing(name, e);
    bool index = strcmp(path_last(name), "model_index.json") == 0;
    char *whole = !index && str_ends(name, ".json") ? parts_name_whole(name) : NULL;
    if (whole) {
        err_set(e, "%s: only a part's settings: give the model's folder, -m %s", name, whole);
        free(whole);
        return -1;
    }
    *kind = index ? NAME_FOLDER : NAME_FILE;
    *path = index ? folder_of(name) : mem_strdup(name);
    return 0;
}
