/* extras.c - see extras.h. */
#include "output/extras.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "image/atlas.h"
#include "output/picture.h"

/* A path without "./" before it. */
static const char *plain(const char *path)
{
    while (path[0] == '.' && path[1] == '/')
        for (path += 2; *path == '/';) path++;
    return path;
}

/* Whether the file is in the folder itself. */
static bool is_in(const char *path, const char *folder)
{
    const char *slash = strrchr(path = plain(path), '/');
    size_t len = slash ? (size_t)(slash - path) : 0, most = strlen(folder = plain(folder));
    while (len && path[len - 1] == '/') len--;
    while (most && folder[most - 1] == '/') most--;
    return slash && len == most && memcmp(path, folder, len) == 0;
}

int extras_check(const Job *j, const char *made, Err *e)
{
    if (!j->atlas || (made && !file_named(made) && is_in(j->atlas, made))) return 0;
    return atlas_check(j->atlas, e) ? err_in(e, "--atlas") : 0;
}

/* FILE of --atlas FILE, without its ending. */
static size_t atlas_stem(const Job *j)
{
    const char *f = j->atlas;
    return strlen(f) - (str_ends(f, ".json") ? strlen(".json") : str_ends(f, ".png") ? strlen(".png") : 0);
}

bool extras_is_atlas(const Job *j, const char *path)
{
    if (!j->atlas) return false;
    const char *atlas = plain(j->atlas);
    size_t len = atlas_stem(j) - (size_t)(atlas - j->atlas);
    path = plain(path);
    if (strncmp(path, atlas, len) != 0) return false;
    const char *p = path + len;
    for (const char *mark = "_-"; *mark; mark++) /* a size, then a page */
        if (*p == *mark && strspn(p + 1, "0123456789")) p += 1 + strspn(p + 1, "0123456789");
    return strcmp(p, ".png") == 0 || strcmp(p, ".json") == 0;
}

int extras_sizes(const Job *j, const Model *m, const Image *im, uint64_t seed, const char *path, Str *written, Err *e)
{
    int sizes[JOB_MAX_SIZES], count = job_sizes(j->sizes, sizes, e), failed = count < 0;
    for (int i = 0; i < count && !failed; i++) {
        Bytes png = { 0 };
        Str name = { 0 };
        output_size_name(path, sizes[i], &name);
        failed = output_png(j, m, im, seed, sizes[i], &png, e) || file_write(str_text(&name), png, e);
        if (!failed && written) str_addf(written, "%s\n", str_text(&name));
        free((void *)(size_t)png.data);
        str_release(&name);
    }
    return failed ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(path_last(*(const char *const *)a), path_last(*(const char *const *)b));
}

static bool names_differ(const char *const *paths, size_t count)
{
    const char **sorted = mem_array(count + 1, sizeof *sorted);
    bool differ = true;
    memcpy(sorted, paths, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 1; i < count; i++) differ = differ && by_name(&sorted[i - 1], &sorted[i]) != 0;
    free(sorted);
    return differ;
}

/* The atlas of the pictures' copies of that size, or with side 0 of the pictures. */
static int write_atlas(const Job *j, const Folder *in, const char *const *paths, size_t count, int side, Str *written,
                       Err *e)
{
    bool short_names = names_differ(paths, count);
    const AtlasShape shape = { j->atlas_size, j->atlas_padding, j->atlas_pot };
    AtlasFrame *frames = mem_array(count + 1, sizeof *frames);
    Str *copies = mem_array(count + 1, sizeof *copies), file = { 0 };
    for (size_t i = 0; i < count; i++) {
        if (side) output_size_name(paths[i], side, &copies[i]);
        const char *path = side ? str_text(&copies[i]) : paths[i];
        frames[i] = (AtlasFrame){ in, path, short_names ? path_last(path) : path };
    }
    str_addn(&file, j->atlas, atlas_stem(j));
    if (side) str_addf(&file, "_%d", side);
    int failed = atlas_write(str_text(&file), frames, count, &shape, written, e);
    for (size_t i = 0; i < count; i++) str_release(&copies[i]);
    free(copies);
    free(frames);
    str_release(&file);
    return failed;
}

int extras_atlas(const Job *j, const Folder *in, const char *const *paths, size_t count, Str *written, Err *e)
{
    int sizes[JOB_MAX_SIZES], n = job_sizes(j->sizes, sizes, e);
    if (!j->atlas) return 0;
    int failed = n < 0 || write_atlas(j, in, paths, count, 0, written, e);
    for (int i = 0; i < n && !failed; i++) failed = write_atlas(j, in, paths, count, sizes[i], written, e);
    return failed ? err_in(e, "--atlas") : 0;
}
