/*
 * control_picture.c - see control_picture.h. Source: diffusers' VaeImageProcessor (Lanczos); ComfyUI, comfy/utils.py,
 * common_upscale().
 */
#include "pipeline/control_picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/hint.h"
#include "pipeline/source.h"

/* ComfyUI's "nearest-exact" with "center": what is too much of one side is cut off, then each pixel is the nearest one. */
static Samples fit_nearest(Samples in, int w, int h)
{
    Samples out = { mem_array((size_t)w * (size_t)h, (size_t)in.c), w, h, in.c };
    double old_aspect = (double)in.w / in.h, new_aspect = (double)w / h;
    int left = 0, top = 0, cw = in.w, ch = in.h;
    if (old_aspect > new_aspect) left = (int)lrint((in.w - in.w * (new_aspect / old_aspect)) / 2);
    if (old_aspect < new_aspect) top = (int)lrint((in.h - in.h * (old_aspect / new_aspect)) / 2);
    cw -= 2 * left;
    ch -= 2 * top;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int sx = (int)((x + 0.5) * cw / w), sy = (int)((y + 0.5) * ch / h);
            memcpy(out.data + ((size_t)y * (size_t)w + (size_t)x) * (size_t)in.c,
                   in.data + ((size_t)(top + sy) * (size_t)in.w + (size_t)(left + sx)) * (size_t)in.c, (size_t)in.c);
        }
    return out;
}

static Samples samples_of(const Image *im) { return (Samples){ im->rgb, im->w, im->h, 3 }; }

/* Takes the samples in place of the picture's. */
static void replace(Image *im, Samples s)
{
    image_release(im);
    *im = (Image){ .w = s.w, .h = s.h, .rgb = s.data };
}

static void bring_to(Image *im, const PictureFit *f)
{
    const Fit to = { f->to.w ? f->to.w : im->w, f->to.h ? f->to.h : im->h, f->to.mode };
    if (im->w == to.w && im->h == to.h) return;
    replace(im, f->comfyui ? fit_nearest(samples_of(im), to.w, to.h) : fit_to(samples_of(im), &to));
}

int control_picture_make(const char *text, const PictureFit *fit, char **sha256, const Watch *w, Image *out, Err *e)
{
    HintSpec spec;
    Image im = { 0 };
    if (hint_spec_parse(&spec, text, e) || source_read("image", spec.file, sha256, &im, w, e)) return -1;
    image_flatten(out, &im, 0);
    image_release(&im);
    bring_to(out, fit);
    if (!spec.way) return 0;
    spec.way->make(out, spec.numbers);
    bring_to(out, fit); /* tile's is smaller */
    return 0;
}

static int read_map(ControlLine *l, const Generator *g, Image *out, Err *e)
{
    const Job *j = &g->recipe.said;
    const Init *init = &g->init;
    Region cut = init->at;
    const char *mode = l->resize ? l->resize : j->resize_mode;
    PictureFit fit = { { j->width, j->height, mode }, g->recipe.compat == COMPAT_COMFYUI && !l->resize };
    if (cut.w) fit.to = (Fit){ init->whole.w, init->whole.h, mode };
    if (control_picture_make(l->image[0], &fit, &l->image_sha256[0], &g->watch, out, e)) return -1;
    if (!cut.w) return 0;
    replace(out, fit_window(samples_of(out), cut));
    bring_to(out, &(PictureFit){ { j->width, j->height, "fit" }, false });
    return 0;
}

/* As it is: the image encoder cuts out its middle. */
static int read_shown(ControlLine *l, int i, const Watch *w, Image *out, Err *e)
{
    Image im = { 0 };
    if (source_read("image", l->image[i], &l->image_sha256[i], &im, w, e)) return -1;
    image_flatten(out, &im, 255);
    image_release(&im);
    if (out->w == out->h) return 0;
    Str line = { 0 };
    str_addf(&line, "ip-adapter: %.300s has %d x %d pixels: only the square in its middle is seen", l->image[i], out->w,
             out->h);
    watch_note(w, str_text(&line));
    str_release(&line);
    return 0;
}

int control_picture_read(ControlLine *l, const Generator *g, Image out[CONTROL_PICTURES], Err *e)
{
    int failed = l->kind == CONTROL_IP ? 0 : read_map(l, g, out, e);
    for (int i = 0; l->kind == CONTROL_IP && !failed && i < l->images; i++)
        failed = read_shown(l, i, &g->watch, &out[i], e);
    l->sha256s = failed ? l->sha256s : l->images;
    return failed;
}

void control_picture_pixels(const Image *im, Region at, Tensor pixels)
{
    for (size_t i = 0; pixels.data && i < (size_t)at.w * (size_t)at.h; i++) {
        size_t x = (size_t)at.x + i % (size_t)at.w, y = (size_t)at.y + i / (size_t)at.w;
        const uint8_t *p = im->rgb + 3 * (y * (size_t)im->w + x);
        int grey = (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16;
        if (pixels.c == 1) pixels.data[i] = (float)grey / 255;
        for (size_t k = 0; pixels.c == 3 && k < 3; k++) pixels.data[3 * i + k] = (float)p[k] / 255;
    }
}
