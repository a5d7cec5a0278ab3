/* init.c - see init.h. */
#include "pipeline/init.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/blur.h"
#include "image/fill.h"
#include "pipeline/extend.h"
#include "pipeline/source.h"
#include "pipeline/ways.h"

static Samples copy_of(Samples s)
{
    size_t n = (size_t)s.w * (size_t)s.h * (size_t)s.c;
    return (Samples){ memcpy(mem_array(n, 1), s.data, n), s.w, s.h, s.c };
}

static Image image_of(Samples s) { return (Image){ .w = s.w, .h = s.h, .rgb = s.data }; }

/* ---- the mask for the latent ------------------------------------------------------------------------------------------ */

/* What the upper left pixel of a latent says, as torch's nearest does; any: its most. */
static uint8_t at_pixel(const Init *init, const Recipe *r, int factor, int x, int y, bool any)
{
    size_t w = (size_t)r->w * (size_t)factor;
    const uint8_t *p = init->area + (size_t)y * (size_t)factor * w + (size_t)x * (size_t)factor;
    uint8_t most = *p;
    for (int i = 0; any && i < factor * factor; i++) {
        uint8_t v = p[(size_t)(i / factor) * w + (size_t)(i % factor)];
        if (v > most) most = v;
    }
    return most;
}

/* Half way between four pixels, as torch's bilinear interpolation to a factor-th does without antialias. */
static float between_pixels(const Init *init, const Recipe *r, int factor, int x, int y)
{
    size_t w = (size_t)r->w * (size_t)factor;
    size_t px = (size_t)(x * factor + factor / 2 - 1), py = (size_t)(y * factor + factor / 2 - 1);
    const uint8_t *p = init->area + py * w + px;
    return ((float)p[0] + (float)p[1] + (float)p[w] + (float)p[w + 1]) / (4 * 255.0F);
}

/* diffusers: half or more is drawn anew. ComfyUI, and whoever takes a soft mask: shares. A1111: bicubic, then rounded. */
static void make_latent_mask(Init *init, const Recipe *r, int factor)
{
    bool a1111 = r->compat == COMPAT_A1111, shares = r->compat == COMPAT_COMFYUI || r->said.soft_mask;
    size_t n = (size_t)r->w * (size_t)r->h;
    Samples small = { 0 };
    init->mask = mem_array(n, sizeof *init->mask);
    init->told = mem_array(n, sizeof *init->told);
    if (a1111) small = resample((Samples){ init->area, r->w * factor, r->h * factor, 1 }, r->w, r->h, RESAMPLE_BICUBIC);
    for (int y = 0; y < r->h; y++)
        for (int x = 0; x < r->w; x++) {
            size_t i = (size_t)y * (size_t)r->w + (size_t)x;
            uint8_t pixel = at_pixel(init, r, factor, x, y, r->said.extend && !shares);
            float share = factor > 1 ? between_pixels(init, r, factor, x, y) : (float)pixel / 255;
            if (shares) init->mask[i] = share;
            else init->mask[i] = (a1111 ? small.data[i] : pixel) >= 128;
            init->told[i] = r->compat == COMPAT_COMFYUI ? nearbyintf(share) : (float)(pixel >= 128);
        }
    free(small.data);
}

static void warn_of_nothing(const Init *init, const Recipe *r, const Watch *w)
{
    bool pixels = false, latents = false;
    for (size_t i = 0; i < (size_t)init->whole.w * (size_t)init->whole.h; i++) pixels = pixels || init->paint[i];
    for (size_t i = 0; i < (size_t)r->w * (size_t)r->h; i++) latents = latents || init->mask[i] > 0;
    if (!pixels) watch_warn(w, "--mask: nothing of it is drawn anew; the picture stays as it is");
    else if (!latents)
        watch_warn(w, "--mask: what is white is smaller than the model sees; --only-masked draws it larger");
}

/* ---- the whole of it ---------------------------------------------------------------------------------------------------- */

/* What of the result is seen at its edges. A1111 doubles a soft mask, so that the seam lies outside of it. */
static void soften_paint(Init *init, const Recipe *r)
{
    Samples paint = { init->paint, init->whole.w, init->whole.h, 1 };
    bool a1111 = r->compat == COMPAT_A1111;
    if (!paint.data) return;
    if (!a1111 && !r->said.soft_mask) blur_pillow(paint, (float)r->said.mask_blur);
    for (size_t i = 0; i < (size_t)paint.w * (size_t)paint.h; i++) {
        if (r->said.soft_mask) paint.data[i] = paint.data[i] ? 255 : 0;
        else if (a1111 && !init->at.w) paint.data[i] = paint.data[i] > 127 ? 255 : (uint8_t)(2 * paint.data[i]);
    }
}

/* Both at the size of their file, perhaps extended; the picture alone where there is no mask. Both are taken. */
static void arrange(Init *init, const Recipe *r, Samples picture, Samples mask)
{
    const Job *j = &r->said;
    Fit fit = { j->width, j->height, j->resize_mode };
    Samples drawn;
    if (mask.data && r->compat == COMPAT_A1111) blur_opencv(mask, j->mask_blur);
    if (mask.data && j->only_masked >= 0) init->at = fit_region(mask, (int)j->only_masked, j->width, j->height);
    if (init->at.w) {
        Samples part = fit_window(picture, init->at), part_mask = fit_window(mask, init->at);
        fit.mode = "fit";
        drawn = fit_to(part, &fit);
        init->area = fit_to(part_mask, &fit).data;
        init->whole = image_of(picture);
        init->paint = mask.data;
        free(part.data);
        free(part_mask.data);
    } else {
        drawn = fit_to(picture, &fit);
        if (mask.data) {
            Samples area = fit_to(mask, &fit);
            init->area = area.data;
            init->whole = image_of(copy_of(drawn));
            init->paint = copy_of(area).data;
        }
        free(picture.data);
        free(mask.data);
    }
    init->picture = image_of(drawn);
}

/* --fill: A1111 fills before noise is laid there, or nothing, too. */
static void fill(Init *init, const Recipe *r)
{
    const char *how = r->said.fill;
    bool filled = strcmp(how, "fill") == 0 || (r->compat == COMPAT_A1111 && strcmp(how, "original") != 0);
    Image *im = &init->picture;
    if (init->area && filled)
        fill_masked_part((Samples){ im->rgb, im->w, im->h, 3 }, (Samples){ init->area, im->w, im->h, 1 });
}

/* Brought to the latent's size by torch's bicubic, then stretched to -1..1: diffusers' prepare_depth_map(). */
static int read_depth(Init *init, Recipe *r, const Watch *w, Err *e)
{
    static const Way bicubic = { .latent = true, .kind = SCALE_BICUBIC };
    Samples grey;
    if (source_grey("--depth", r->said.depth, &r->said.depth_sha256, &grey, w, e)) return -1;
    size_t n = (size_t)grey.w * (size_t)grey.h, count = (size_t)r->w * (size_t)r->h;
    float *map = mem_array(n, sizeof *map), low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) map[i] = (float)grey.data[i] / 255;
    init->depth = mem_array(count, sizeof *init->depth);
    way_scale(&bicubic, (Tensor){ init->depth, 1, r->h, r->w, 1 }, (Tensor){ map, 1, grey.h, grey.w, 1 });
    for (size_t i = 0; i < count; i++) low = fminf(low, init->depth[i]), high = fmaxf(high, init->depth[i]);
    for (size_t i = 0; i < count; i++) init->depth[i] = high > low ? 2 * (init->depth[i] - low) / (high - low) - 1 : 0;
    free(map);
    free(grey.data);
    return 0;
}

/* unCLIP is shown it as it is; a picture that is drawn larger has the latent's size, by Pillow's bicubic as diffusers makes it. */
static int read_seen(Init *init, Recipe *r, const Watch *w, Err *e)
{
    Image im = { 0 };
    if (source_picture(&r->said, &im, w, e)) return -1;
    Samples flat = source_flat(&im, &r->said);
    image_release(&im);
    init->seen = true;
    if (r->beside == BESIDE_SMALL && (flat.w != r->w || flat.h != r->h)) {
        bool plain = strcmp(r->said.resize_mode, "stretch") == 0;
        Samples small = plain ? resample(flat, r->w, r->h, RESAMPLE_BICUBIC)
                              : fit_to(flat, &(Fit){ r->w, r->h, r->said.resize_mode });
        free(flat.data);
        flat = small;
    }
    init->picture = image_of(flat);
    return 0;
}

int init_read(Init *init, Recipe *r, int factor, const Watch *w, Err *e)
{
    Job *j = &r->said;
    Image im = { 0 };
    Samples mask = { 0 };
    Extend more;
    *init = (Init){ 0 };
    if (!j->init_image) return 0;
    if (r->shown || r->beside == BESIDE_SMALL) return read_seen(init, r, w, e);
    if (source_picture(j, &im, w, e) || source_mask(j, &im, &mask, w, e) || extend_parse(j->extend, &more, e)) {
        image_release(&im);
        return -1;
    }
    Samples picture = source_flat(&im, j);
    image_release(&im);
    if (j->extend) {
        Samples old = picture, old_mask = mask;
        picture = extend_picture(old, &more);
        mask = extend_mask(old_mask, &more, 2 * j->mask_blur); /* the seam lies inside the old picture */
        free(old.data);
        free(old_mask.data);
    }
    arrange(init, r, picture, mask);
    if (j->depth && read_depth(init, r, w, e)) return -1;
    if (init->area) {
        make_latent_mask(init, r, factor);
        soften_paint(init, r);
        warn_of_nothing(init, r, w);
    }
    fill(init, r);
    return 0;
}

void init_release(Init *init)
{
    image_release(&init->picture);
    image_release(&init->whole);
    free(init->area);
    free(init->paint);
    free(init->mask);
    free(init->told);
    free(init->depth);
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
            pixels.data[3 * i + k] = hidden && init->area && init->area[i] >= 128 ? 0 : v;
        }
}

/* What was drawn, brought to where it belongs in the whole. */
static void put_back(const Init *init, Image *drawn)
{
    Region at = init->at;
    Samples small = fit_to((Samples){ drawn->rgb, drawn->w, drawn->h, 3 }, &(Fit){ at.w, at.h, "crop" });
    Image out;
    image_copy(&out, &init->whole);
    for (int y = 0; y < at.h; y++)
        memcpy(out.rgb + ((size_t)(at.y + y) * (size_t)out.w + (size_t)at.x) * 3,
               small.data + (size_t)y * (size_t)at.w * 3, (size_t)at.w * 3);
    free(small.data);
    image_release(drawn);
    *drawn = out;
}

void init_overlay(const Init *init, Image *drawn)
{
    if (!init->area) return;
    if (init->at.w) put_back(init, drawn);
    size_t n = (size_t)drawn->w * (size_t)drawn->h;
    for (size_t i = 0; i < n * 3; i++)
        drawn->rgb[i] = image_over(drawn->rgb[i], init->paint[i / 3], init->whole.rgb[i]);
}
