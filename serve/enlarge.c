/* enlarge.c - see enlarge.h. */
#include "serve/enlarge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "base/mem.h"
#include "image/load.h"
#include "image/png.h"
#include "image/resample.h"
#include "nn/team.h"
#include "pipeline/precision.h"

enum { MAX_SIDE = 8192 /* pixels of what comes of it */ };

void enlarger_release(Enlarger *n)
{
    upscaler_free(n->network);
    free(n->path);
    *n = (Enlarger){ 0 };
}

static int open_network(Enlarger *n, const char *path, Err *e)
{
    if (n->path && strcmp(n->path, path) == 0) return 0;
    enlarger_release(n);
    n->network = upscaler_open(path, e);
    if (n->network) n->path = mem_strdup(path);
    return n->network ? 0 : -1;
}

static bool on_tile(void *ctx, int done, int tiles)
{
    const Watch *w = ctx;
    watch_step(w, done, tiles);
    return !w->cancelled || !w->cancelled(w->ctx);
}

/* By Lanczos, colours and alpha apart. */
static void by_lanczos(const Image *in, int w, int h, Image *out)
{
    *out =
        (Image){ .w = w, .h = h, .rgb = resample((Samples){ in->rgb, in->w, in->h, 3 }, w, h, RESAMPLE_LANCZOS).data };
    if (in->alpha) out->alpha = resample((Samples){ in->alpha, in->w, in->h, 1 }, w, h, RESAMPLE_LANCZOS).data;
}

static int by_network(const Enlarger *n, const Job *j, const Image *in, int size[2], const Watch *w, Image *out, Err *e)
{
    const char *why;
    UpscaleHow how = { .progress = on_tile, .ctx = (void *)(size_t)w };
    how.threads = team_start(j->threads ? j->threads : cores_allowed());
    if (precision_choose(&how.precision, j->precision, kernels_select(&why), 0, e)) return -1;
    how.precision = precision_beside(how.precision);
    return upscaler_enlarge(n->network, in, size[0], size[1], &how, out, e);
}

/* The middle of it. */
static void cut(Image *im, int w, int h)
{
    Image out;
    if (im->w == w && im->h == h) return;
    image_init(&out, w, h);
    if (im->alpha) out.alpha = mem_array((size_t)w * (size_t)h, 1);
    for (int y = 0; y < h; y++) {
        size_t from = (size_t)(y + (im->h - h) / 2) * (size_t)im->w + (size_t)((im->w - w) / 2),
               to = (size_t)y * (size_t)w;
        memcpy(out.rgb + 3 * to, im->rgb + 3 * from, 3 * (size_t)w);
        if (im->alpha) memcpy(out.alpha + to, im->alpha + from, (size_t)w);
    }
    image_release(im);
    *im = out;
}

/* What is made of it before it is cut. */
static void choose_size(const Job *j, const Image *in, int size[2])
{
    double factor = j->factor > 0 ? j->factor : 2;
    if (j->width && j->height) factor = fmax((double)j->width / in->w, (double)j->height / in->h);
    size[0] = (int)lrint(fmax(1, in->w * factor));
    size[1] = (int)lrint(fmax(1, in->h * factor));
}

int enlarge(Enlarger *n, const Job *j, const Watch *w, Bytes *png, int size[2], Err *e)
{
    Image in = { 0 }, out = { 0 };
    const char *note = NULL;
    if (j->with && open_network(n, j->with, e)) return -1;
    if (image_load(j->init_image, &in, &note, e)) return -1;
    choose_size(j, &in, size);
    int failed = size[0] > MAX_SIDE || size[1] > MAX_SIDE
                     ? err_usage(e, "a picture of %dx%d is more than %d on a side", size[0], size[1], MAX_SIDE)
                     : 0;
    if (!failed && j->with) failed = by_network(n, j, &in, size, w, &out, e);
    else if (!failed) by_lanczos(&in, size[0], size[1], &out);
    if (!failed && j->width && j->height && j->width <= out.w && j->height <= out.h) cut(&out, j->width, j->height);
    size[0] = out.w;
    size[1] = out.h;
    if (!failed) failed = png_encode(&out, NULL, 0, png, e);
    image_release(&in);
    image_release(&out);
    return failed ? -1 : 0;
}
