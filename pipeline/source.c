/* source.c - see source.h. */
#include "pipeline/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sha.h"
#include "base/str.h"
#include "image/colour_name.h"
#include "image/load.h"

static void warn_of(const char *option, const char *path, const char *note, const Watch *w)
{
    Str line = { 0 };
    str_addf(&line, "%s: %.300s: %s", option, path, note);
    watch_warn(w, str_text(&line));
    str_release(&line);
}

/* A picture of the job's, and what its bytes hash to: the job says what they must, or is told. */
int source_read(const char *option, const char *path, char **sha256, Image *im, const Watch *w, Err *e)
{
    Bytes file;
    char found[65];
    const char *note = NULL;
    if (file_map(&file, path, e)) return err_in(e, option);
    sha_hex(file, found);
    int failed = 0;
    if (*sha256 && strcmp(*sha256, found) != 0)
        failed = err_set(e, "it has SHA-256 %.10s..., the one that is meant %.10s...; name that one with %s", found,
                         *sha256, option);
    if (!failed) failed = image_decode(file, im, &note, e);
    file_unmap(&file);
    if (failed) {
        err_in(e, path);
        return err_in(e, option);
    }
    if (!*sha256) *sha256 = mem_strdup(found);
    if (note) warn_of(option, path, note, w);
    return 0;
}

int source_picture(Job *j, Image *out, const Watch *w, Err *e)
{
    return source_read("--init-image", j->init_image, &j->init_sha256, out, w, e);
}

Samples source_flat(const Image *picture, const Job *j)
{
    uint8_t ground[3] = { 255, 255, 255 }; /* as A1111 has it */
    Err e;
    size_t n = (size_t)picture->w * (size_t)picture->h * 3;
    Samples out = { mem_array(n, 1), picture->w, picture->h, 3 };
    if (j->init_background) colour_parse(j->init_background, ground, &e); /* job_set() has looked at it */
    for (size_t i = 0; i < n; i++)
        out.data[i] = image_over(picture->rgb[i], picture->alpha ? picture->alpha[i / 3] : 255, ground[i % 3]);
    return out;
}

/* ---- the mask --------------------------------------------------------------------------------------------------------- */

/* Rec. 601 luma as Pillow's convert("L") rounds it. */
static void luma(const Image *im, uint8_t *out)
{
    for (size_t i = 0; i < (size_t)im->w * (size_t)im->h; i++) {
        const uint8_t *p = im->rgb + 3 * i;
        out[i] = (uint8_t)((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
    }
}

int source_grey(const char *option, const char *path, char **sha256, Samples *out, const Watch *w, Err *e)
{
    Image im = { 0 };
    if (source_read(option, path, sha256, &im, w, e)) return -1;
    *out = (Samples){ mem_array((size_t)im.w * (size_t)im.h, 1), im.w, im.h, 1 };
    luma(&im, out->data);
    image_release(&im);
    return 0;
}

static bool all_opaque(const Image *im)
{
    for (size_t i = 0; im->alpha && i < (size_t)im->w * (size_t)im->h; i++)
        if (im->alpha[i] != 255) return false;
    return true;
}

/* A folder of masks: the one that is called as the picture is, or as a PNG of that name. */
static int mask_in_folder(Job *j, Err *e)
{
    const char *slash = strrchr(j->init_image, '/'), *name = slash ? slash + 1 : j->init_image,
               *dot = strrchr(name, '.');
    const char *between = str_ends(j->mask, "/") ? "" : "/";
    Str path = { 0 };
    str_addf(&path, "%s%s%s", j->mask, between, name);
    if (!file_exists(str_text(&path))) {
        str_clear(&path);
        str_addf(&path, "%s%s%.*s.png", j->mask, between, dot ? (int)(dot - name) : (int)strlen(name), name);
    }
    if (!file_exists(str_text(&path))) {
        err_set(e, "--mask: %.300s has no mask that is called %.200s", j->mask, name);
        str_release(&path);
        return -1;
    }
    free(j->mask);
    j->mask = path.s;
    return 0;
}

static int mask_of_file(Job *j, const Image *picture, uint8_t *out, const Watch *w, Err *e)
{
    Image im = { 0 };
    if (file_is_dir(j->mask) && mask_in_folder(j, e)) return -1;
    if (source_read("--mask", j->mask, &j->mask_sha256, &im, w, e)) return -1;
    bool a1111 = j->compat && strcmp(j->compat, "a1111") == 0, clear = !all_opaque(&im);
    int failed = 0;
    if (im.w != picture->w || im.h != picture->h)
        failed = err_usage(e, "--mask: %.300s has %d x %d pixels, the picture %d x %d: they must be of one size",
                           j->mask, im.w, im.h, picture->w, picture->h);
    else if (clear && a1111)
        for (size_t i = 0; i < (size_t)im.w * (size_t)im.h; i++) out[i] = im.alpha[i] > 128 ? 255 : 0;
    else luma(&im, out);
    if (!failed && clear && !a1111)
        warn_of("--mask", j->mask, "its alpha is passed over: what is white in it is drawn anew", w);
    image_release(&im);
    return failed;
}

/* What is clear in the picture is drawn anew. */
static int mask_of_alpha(const Image *picture, uint8_t *out, Err *e)
{
    if (!picture->alpha) return err_usage(e, "--mask alpha: the picture has none; give a FILE");
    for (size_t i = 0; i < (size_t)picture->w * (size_t)picture->h; i++) out[i] = (uint8_t)(255 - picture->alpha[i]);
    return 0;
}

int source_mask(Job *j, const Image *picture, Samples *out, const Watch *w, Err *e)
{
    size_t n = (size_t)picture->w * (size_t)picture->h;
    *out = (Samples){ NULL, picture->w, picture->h, 1 };
    if (!j->mask) return 0;
    out->data = mem_array(n, 1);
    bool own = strcmp(j->mask, "alpha") == 0;
    if (own ? mask_of_alpha(picture, out->data, e) : mask_of_file(j, picture, out->data, w, e)) {
        free(out->data);
        return -1;
    }
    for (size_t i = 0; j->mask_invert && i < n; i++) out->data[i] = (uint8_t)(255 - out->data[i]);
    return 0;
}
