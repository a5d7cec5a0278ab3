/* upscale.c - see upscale.h: opening a network, and a picture's way through it tile by tile. */
#include "upscale/upscale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/magic.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha.h"
#include "base/str.h"
#include "image/png.h"
#include "image/resample.h"
#include "upscale/upscale_internal.h"
#include "weights/safetensors.h"

enum { LEAST_TILE = 32, LARGEST_TILE = 1024 };

static const UpscalerClass *const classes[] = { &upscaler_rrdb, &upscaler_compact };

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int read_file(Weights *all, Bytes file, Err *e)
{
    Magic m = magic_of(file);
    if (m.kind != MAGIC_SAFETENSORS)
        return err_set(e, "%s: an upscaler in a safetensors file is expected%s%s", m.what ? m.what : "no such file",
                       m.advice ? "; " : "", m.advice ? m.advice : "");
    return safetensors_read(all, file, e);
}

static Upscaler *bind(Weights *w, Err *e)
{
    const UpscalerClass *class = NULL;
    for (size_t i = 0; i < sizeof classes / sizeof *classes && !class; i++)
        if (classes[i]->is(w)) class = classes[i];
    if (!class) {
        err_set(e, "its tensors are no upscaler's that limn knows: RRDBNet (ESRGAN, Real-ESRGAN) and SRVGGNetCompact");
        return NULL;
    }
    Binder b;
    binder_init(&b, w, e);
    Upscaler *u = class->open(&b);
    if (u && bind_finish(&b, NULL)) {
        class->free(u);
        u = NULL;
    }
    if (!u) {
        binder_release(&b);
        return NULL;
    }
    u->memory = binder_take(&b);
    return u;
}

Upscaler *upscaler_open(const char *path, Err *e)
{
    Bytes file;
    if (file_map(&file, path, e)) return NULL;
    Weights *all = weights_new(), *named = NULL;
    Upscaler *u = NULL;
    if (read_file(all, file, e) == 0) named = upscaler_rename(all, e);
    weights_free(all);
    if (named) u = bind(named, e);
    if (!u) {
        weights_free(named);
        file_unmap(&file);
        err_in(e, path);
        return NULL;
    }
    u->file = file;
    u->weights = named;
    u->name = mem_strndup(path_last(path), path_stem(path_last(path)));
    sha_hex(file, u->sha256);
    return u;
}

void upscaler_free(Upscaler *u)
{
    if (!u) return;
    Bytes file = u->file;
    weights_free(u->weights);
    bound_release(&u->memory);
    free(u->name);
    u->class->free(u);
    file_unmap(&file);
}

int upscaler_factor(const Upscaler *u) { return u->factor; }
const char *upscaler_name(const Upscaler *u) { return u->name; }
const char *upscaler_sha256(const Upscaler *u) { return u->sha256; }
const char *upscaler_what(const Upscaler *u) { return u->what; }

/* ---- tiles --------------------------------------------------------------------------------------------------------- */

/* Along one axis: what counts, and what is read around it. Beyond the picture's end it goes back, as far as `multiple` asks. */
typedef struct {
    int core, core_end, from, end;
} Span;

static int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

static Span span_at(const Upscaler *u, int size, int tile, int i)
{
    int whole = round_up(size, u->multiple);
    Span s = { .core = i * tile };
    s.core_end = s.core + tile < size ? s.core + tile : size;
    s.from = s.core > u->halo ? s.core - u->halo : 0;
    s.end = round_up(s.core_end, u->multiple) + u->halo;
    if (s.end > whole) s.end = whole;
    return s;
}

/* Where a place beyond the end is read, without the last pixel again. */
static int mirrored(int i, int n) { return i < n ? i : 2 * n - 2 - i >= 0 ? 2 * n - 2 - i : 0; }

static void read_tile(Tensor to, const Image *im, Span y, Span x)
{
    for (int i = y.from; i < y.end; i++)
        for (int k = x.from; k < x.end; k++, to.data += 3) {
            const uint8_t *p = im->rgb + ((size_t)mirrored(i, im->h) * (size_t)im->w + (size_t)mirrored(k, im->w)) * 3;
            for (int c = 0; c < 3; c++) to.data[c] = (float)p[c] / 255;
        }
}

static void write_tile(Image *out, Tensor t, Span y, Span x, int f)
{
    for (int i = y.core * f; i < y.core_end * f; i++) {
        const float *p = t.data + ((size_t)(i - y.from * f) * (size_t)t.w + (size_t)(x.core - x.from) * (size_t)f) * 3;
        uint8_t *to = out->rgb + ((size_t)i * (size_t)out->w + (size_t)(x.core * f)) * 3;
        for (int k = 0; k < (x.core_end - x.core) * f * 3; k++) {
            float v = p[k] > 1 ? 1 : p[k] > 0 ? p[k] : 0; /* a NaN is black */
            to[k] = (uint8_t)nearbyintf(v * 255);
        }
    }
}

static Nn nn_of(Arena *a, const UpscaleHow *how)
{
    const char *why;
    return (Nn){ .arena = a, .k = kernels_select(&why), .threads = how->threads, .precision = how->precision };
}

/* Bytes of a tile's activations. */
static size_t measure(const Upscaler *u, int w, int h, const UpscaleHow *how)
{
    Arena dry;
    arena_init_dry(&dry);
    Nn nn = nn_of(&dry, how);
    u->class->forward(&nn, u, tensor_new(&dry, 1, h, w, 3));
    return dry.peak;
}

static int least(int a, int b) { return a < b ? a : b; }

/* A tile with its surroundings, no larger than the picture. */
static int extent(const Upscaler *u, int size, int tile)
{
    return least(round_up(size, u->multiple), tile + 2 * u->halo);
}

static int choose_tile(const Upscaler *u, const Image *in, const UpscaleHow *how)
{
    size_t limit = how->memory ? how->memory : UPSCALE_MEMORY;
    if (how->tile) return round_up(how->tile, u->multiple);
    for (int tile = LARGEST_TILE; tile > LEAST_TILE; tile = tile * 3 / 4 / 8 * 8)
        if (measure(u, extent(u, in->w, tile), extent(u, in->h, tile), how) <= limit) return tile;
    return LEAST_TILE;
}

static int run_tiles(const Upscaler *u, const Image *in, const UpscaleHow *how, int tile, Arena *a, Image *out, Err *e)
{
    int across = (in->w + tile - 1) / tile, down = (in->h + tile - 1) / tile;
    Nn nn = nn_of(a, how);
    for (int i = 0; i < across * down; i++) {
        if (how->progress && !how->progress(how->ctx, i, across * down)) {
            err_set(e, "interrupted");
            e->code = ERR_INTERRUPTED;
            return -1;
        }
        Span y = span_at(u, in->h, tile, i / across), x = span_at(u, in->w, tile, i % across);
        Tensor pixels = tensor_new(a, 1, y.end - y.from, x.end - x.from, 3);
        read_tile(pixels, in, y, x);
        Tensor made = u->class->forward(&nn, u, pixels);
        if (nn.k->find_bad(made.data, tensor_len(made)) < tensor_len(made))
            return err_set(e, "%s gave NaN or infinity: its weights are damaged", u->name);
        write_tile(out, made, y, x, u->factor);
        arena_reset(a, 0);
    }
    if (how->progress) how->progress(how->ctx, across * down, across * down);
    return 0;
}

int upscaler_run(const Upscaler *u, const Image *in, const UpscaleHow *how, Image *out, Err *e)
{
    int64_t w = (int64_t)in->w * u->factor, h = (int64_t)in->h * u->factor;
    *out = (Image){ 0 };
    if (w > PNG_MAX_SIDE || h > PNG_MAX_SIDE || w * h > PNG_MAX_PIXELS)
        return err_set(e, "x%d of %dx%d is %lldx%lld: at most %d on a side and %d pixels can be written", u->factor,
                       in->w, in->h, (long long)w, (long long)h, PNG_MAX_SIDE, PNG_MAX_PIXELS);
    int tile = choose_tile(u, in, how);
    Arena a;
    if (arena_init(&a, measure(u, extent(u, in->w, tile), extent(u, in->h, tile), how), e)) return -1;
    image_init(out, (int)w, (int)h);
    int failed = run_tiles(u, in, how, tile, &a, out, e);
    arena_release(&a);
    if (!failed && in->alpha)
        out->alpha = resample((Samples){ in->alpha, in->w, in->h, 1 }, out->w, out->h, RESAMPLE_LANCZOS).data;
    if (failed) image_release(out);
    return failed;
}

static void to_size(Image *im, int w, int h)
{
    Samples rgb = resample((Samples){ im->rgb, im->w, im->h, 3 }, w, h, RESAMPLE_LANCZOS), alpha = { 0 };
    if (im->alpha) alpha = resample((Samples){ im->alpha, im->w, im->h, 1 }, w, h, RESAMPLE_LANCZOS);
    image_release(im);
    *im = (Image){ w, h, rgb.data, alpha.data };
}

int upscaler_enlarge(const Upscaler *u, const Image *in, int w, int h, const UpscaleHow *how, Image *out, Err *e)
{
    enum { AT_MOST = 3 };
    if (upscaler_run(u, in, how, out, e)) return -1;
    for (int i = 1; i < AT_MOST && u->factor > 1 && (out->w < w || out->h < h); i++) {
        Image smaller = *out;
        int failed = upscaler_run(u, &smaller, how, out, e);
        image_release(&smaller);
        if (failed) return -1;
    }
    if (out->w != w || out->h != h) to_size(out, w, h);
    return 0;
}
