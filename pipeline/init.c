/* init.c - see init.h. */
#include "pipeline/init.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sha.h"
#include "base/str.h"
#include "image/colour_name.h"
#include "image/load.h"

/* ---- to the size drawn ------------------------------------------------------------------------------------------------ */

/* How a picture of another shape is brought to w x h. */
typedef struct {
    int w, h;
    const char *mode;
} Fit;

/* A window of w x h; what lies outside of the samples repeats their edge. */
static Samples window(Samples in, int left, int top, int w, int h)
{
    Samples out = { mem_array((size_t)w * (size_t)h, (size_t)in.c), w, h, in.c };
    size_t c = (size_t)in.c;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int sx = x + left, sy = y + top;
            sx = sx < 0 ? 0 : sx >= in.w ? in.w - 1 : sx;
            sy = sy < 0 ? 0 : sy >= in.h ? in.h - 1 : sy;
            memcpy(out.data + ((size_t)y * (size_t)w + (size_t)x) * c,
                   in.data + ((size_t)sy * (size_t)in.w + (size_t)sx) * c, c);
        }
    return out;
}

/* A1111's "crop and resize" covers the size and cuts off, its "resize and fill" fits into it and fills with the edge. */
static Samples fit_to(Samples in, const Fit *f)
{
    if (strcmp(f->mode, "stretch") == 0) return resample(in, f->w, f->h, RESAMPLE_LANCZOS);
    bool crop = strcmp(f->mode, "crop") == 0;
    bool wider = (double)f->w / f->h > (double)in.w / in.h;
    bool by_width = crop ? wider : !wider;
    int w = by_width ? f->w : (int)((int64_t)in.w * f->h / in.h),
        h = by_width ? (int)((int64_t)in.h * f->w / in.w) : f->h;
    Samples scaled = resample(in, w < 1 ? 1 : w, h < 1 ? 1 : h, RESAMPLE_LANCZOS);
    Samples out = window(scaled, scaled.w / 2 - f->w / 2, scaled.h / 2 - f->h / 2, f->w, f->h);
    free(scaled.data);
    return out;
}

/* ---- the mask --------------------------------------------------------------------------------------------------------- */

/* Rec. 601 luma as Pillow's convert("L") rounds it; a picture with alpha that is not grey alone counts by its colours. */
static Samples grey_of(const Image *im)
{
    size_t n = (size_t)im->w * (size_t)im->h;
    Samples g = { mem_array(n, 1), im->w, im->h, 1 };
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = im->rgb + 3 * i;
        g.data[i] = (uint8_t)((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
    }
    return g;
}

/* A box of 2 r + 1 samples along one axis, three times: close to a Gaussian of that radius. */
static void blur_line(uint8_t *x, uint8_t *work, int n, size_t step, int r)
{
    int sum = 0, width = 2 * r + 1;
    for (int i = 0; i < n; i++) work[i] = x[(size_t)i * step];
    for (int i = -r; i <= r; i++) sum += work[i < 0 ? 0 : i >= n ? n - 1 : i];
    for (int i = 0; i < n; i++) {
        x[(size_t)i * step] = (uint8_t)((sum + r) / width);
        int in = i + r + 1, out = i - r;
        sum += work[in >= n ? n - 1 : in] - work[out < 0 ? 0 : out];
    }
}

static void blur(uint8_t *mask, int w, int h, int radius)
{
    if (!radius) return;
    uint8_t *work = mem_array((size_t)(w > h ? w : h), 1);
    for (int pass = 0; pass < 3; pass++) {
        for (int y = 0; y < h; y++) blur_line(mask + (size_t)y * (size_t)w, work, w, 1, (radius + 1) / 2);
        for (int x = 0; x < w; x++) blur_line(mask + x, work, h, (size_t)w, (radius + 1) / 2);
    }
    free(work);
}

/* Counted as diffusers does: from half on it is drawn anew, and a latent goes by the pixel at its upper left. */
static void make_latent_mask(Init *init, const Recipe *r, int factor)
{
    size_t w = (size_t)r->w * (size_t)factor;
    init->mask = mem_array((size_t)r->w * (size_t)r->h, sizeof *init->mask);
    for (size_t y = 0; y < (size_t)r->h; y++)
        for (size_t x = 0; x < (size_t)r->w; x++)
            init->mask[y * (size_t)r->w + x] = init->paint[y * (size_t)factor * w + x * (size_t)factor] >= 128;
}

/* A picture of the job's, and what its bytes hash to: the job says what they must, or is told. */
static int read_source(const char *option, const char *path, char **sha256, Image *im, const Watch *w, Err *e)
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
    if (note) {
        Str line = { 0 };
        str_addf(&line, "%s: %.300s: %s", option, path, note);
        watch_warn(w, str_text(&line));
        str_release(&line);
    }
    return 0;
}

/* What is clear in the picture is drawn anew. */
static int mask_of_alpha(const Image *picture, Samples *out, Err *e)
{
    size_t n = (size_t)picture->w * (size_t)picture->h;
    if (!picture->alpha) return err_usage(e, "--mask alpha: the picture has none; give a FILE");
    *out = (Samples){ mem_array(n, 1), picture->w, picture->h, 1 };
    for (size_t i = 0; i < n; i++) out->data[i] = (uint8_t)(255 - picture->alpha[i]);
    return 0;
}

static int mask_of_file(Job *j, const Image *picture, Samples *out, const Watch *w, Err *e)
{
    Image im = { 0 };
    if (read_source("--mask", j->mask, &j->mask_sha256, &im, w, e)) return -1;
    if (im.w != picture->w || im.h != picture->h) {
        err_usage(e, "--mask: %.300s has %d x %d pixels, the picture %d x %d: they must be of one size", j->mask, im.w,
                  im.h, picture->w, picture->h);
        image_release(&im);
        return -1;
    }
    if (im.alpha) watch_warn(w, "--mask: it has alpha, which is passed over: white and black count");
    *out = grey_of(&im);
    image_release(&im);
    return 0;
}

static int read_mask(Init *init, Job *j, const Image *picture, const Watch *w, Err *e)
{
    Samples mask;
    bool own = strcmp(j->mask, "alpha") == 0;
    if (own ? mask_of_alpha(picture, &mask, e) : mask_of_file(j, picture, &mask, w, e)) return -1;
    Samples fitted = fit_to(mask, &(Fit){ j->width, j->height, j->resize_mode });
    free(mask.data);
    init->paint = fitted.data;
    for (size_t i = 0; j->mask_invert && i < (size_t)fitted.w * (size_t)fitted.h; i++)
        init->paint[i] = (uint8_t)(255 - init->paint[i]);
    return 0;
}

/* ---- the whole of it ---------------------------------------------------------------------------------------------------- */

/* The picture over a colour, opaque. */
static Samples over_background(const Image *im, const char *colour)
{
    uint8_t ground[3] = { 255, 255, 255 }; /* as A1111 has it */
    Err e;
    size_t n = (size_t)im->w * (size_t)im->h * 3;
    Samples out = { mem_array(n, 1), im->w, im->h, 3 };
    if (colour) colour_parse(colour, ground, &e); /* job_set() has looked at it */
    for (size_t i = 0; i < n; i++)
        out.data[i] = image_over(im->rgb[i], im->alpha ? im->alpha[i / 3] : 255, ground[i % 3]);
    return out;
}

int init_read(Init *init, Recipe *r, int factor, const Watch *w, Err *e)
{
    Job *j = &r->said;
    Image im = { 0 };
    *init = (Init){ 0 };
    if (!j->init_image) return 0;
    if (read_source("--init-image", j->init_image, &j->init_sha256, &im, w, e)) return -1;
    int failed = j->mask ? read_mask(init, j, &im, w, e) : 0;
    if (!failed) {
        Samples flat = over_background(&im, j->init_background);
        Samples fitted = fit_to(flat, &(Fit){ j->width, j->height, j->resize_mode });
        free(flat.data);
        init->picture = (Image){ .w = fitted.w, .h = fitted.h, .rgb = fitted.data };
        if (init->paint) make_latent_mask(init, r, factor);
        if (init->paint) blur(init->paint, j->width, j->height, j->mask_blur);
    }
    image_release(&im);
    return failed;
}

void init_release(Init *init)
{
    image_release(&init->picture);
    free(init->paint);
    free(init->mask);
    free(init->moments);
    free(init->masked_moments);
    *init = (Init){ 0 };
}

void init_pixels(const Init *init, Tensor pixels, bool hidden)
{
    const Image *im = &init->picture;
    for (size_t i = 0; pixels.data && i < (size_t)im->w * (size_t)im->h; i++)
        for (size_t k = 0; k < 3; k++) {
            float v = 2 * ((float)im->rgb[3 * i + k] / 255) - 1;
            pixels.data[3 * i + k] = hidden && init->paint && init->paint[i] >= 128 ? 0 : v;
        }
}

void init_overlay(const Init *init, Image *result)
{
    size_t n = (size_t)result->w * (size_t)result->h;
    for (size_t i = 0; init->paint && i < n; i++)
        for (size_t k = 0; k < 3; k++) {
            uint8_t *to = &result->rgb[3 * i + k];
            *to = image_over(*to, init->paint[i], init->picture.rgb[3 * i + k]);
        }
}
