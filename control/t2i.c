/*
 * t2i.c - see t2i.h.
 *
 *   hint ─ squares of 8x8 pixels become channels ─▶ conv_in ─▶ levels of residual blocks, each a map for the UNet's level
 *
 * Easy to get wrong: channel c * 64 + y * 8 + x holds the pixel (y, x) of a square; halving keeps a last odd row as its own mean; of XL's
 * levels only the third is halved.
 */
#include "control/t2i.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/bind.h"
#include "unet/shape.h"
#include "weights/shapes.h"

enum { MAX_BLOCKS = 16, MAX_WIDTH = 16384 };

typedef enum { FULL, FULL_XL, LIGHT, TYPES } Type;
static const char *const type_names[TYPES] = { "full_adapter", "full_adapter_xl", "light_adapter" };

typedef struct {
    Conv block1, block2;
} Residual;

typedef struct {
    bool halved;
    Conv in_conv, out_conv; /* 1x1; in_conv absent where a full adapter's channels stay, out_conv the light one's */
    Residual residual[MAX_BLOCKS];
} Level;

struct T2iAdapter {
    Type type;
    int hint, factor, levels, residuals, channels[T2I_MAX_MAPS]; /* channels: of each map */
    bool original;                                               /* TencentARC's names */
    Conv conv_in;                                                /* the full ones' */
    Level level[T2I_MAX_MAPS];
    BoundMemory memory;
};

/* ---- what it is ------------------------------------------------------------------------------------------------------- */

static int read_config(T2iAdapter *a, Config *c, Err *e)
{
    static const int usual[] = { 320, 640, 1280, 1280 };
    if (config_check_class(c, "T2IAdapter", e)) return -1;
    const char *type = config_str(c, "adapter_type", "full_adapter");
    int listed = config_has(c, "channels") ? config_list_len(c, "channels") : 4;
    while (a->type < TYPES && strcmp(type, type_names[a->type]) != 0) a->type++;
    if (a->type == TYPES)
        return err_set(
            e, "adapter_type: \"%.40s\" is not supported (supported: full_adapter, full_adapter_xl, light_adapter)",
            type);
    a->levels = listed + (a->type == LIGHT);
    if (listed < 1 || a->levels > T2I_MAX_MAPS)
        return err_set(e, "channels must be a list of 1 to %d numbers", T2I_MAX_MAPS - 1);
    memcpy(a->channels, usual, sizeof usual);
    if (config_has(c, "channels")) config_ints(c, "channels", 0, a->channels, listed, 1, MAX_WIDTH);
    if (a->type == LIGHT) a->channels[listed] = a->channels[listed - 1];
    a->hint = config_int(c, "in_channels", 3, 1, 4);
    a->residuals = config_int(c, "num_res_blocks", 2, 1, MAX_BLOCKS);
    a->factor = config_int(c, "downscale_factor", 8, 1, 64);
    return config_finish(c, e);
}

/* Where no config is: the names of residual blocks, and widths. */
static int read_shapes(T2iAdapter *a, const Weights *w, const char *p, Err *e)
{
    char fmt[96];
    bool full = shapes_dim(w, 0, "%sconv_in.weight", p) > 0;
    int in = full ? shapes_dim(w, 1, "%sconv_in.weight", p) : shapes_dim(w, 1, "%sbody.0.in_conv.weight", p);
    if (!in) return err_set(e, "no conv_in.weight and no body.0.in_conv.weight: not a T2I-Adapter's tensors");
    a->factor = in % 256 == 0 ? 16 : 8;
    a->hint = in / (a->factor * a->factor);
    a->type = !full ? LIGHT : a->factor == 16 ? FULL_XL : FULL;
    snprintf(fmt, sizeof fmt,
             full ? a->original ? "%sbody.%%d.block1.weight" : "%sbody.%%d.resnets.0.block1.weight"
                  : "%sbody.%%d.out_conv.weight",
             p);
    int blocks = shapes_count(w, fmt);
    snprintf(fmt, sizeof fmt, a->original ? "%sbody.0.body.%%d.block1.weight" : "%sbody.0.resnets.%%d.block1.weight",
             p);
    a->residuals = full && a->original ? 2 : shapes_count(w, fmt);
    a->levels = full && a->original ? blocks / 2 : blocks;
    if (a->levels < 1 || a->levels > T2I_MAX_MAPS || a->residuals < 1 || a->residuals > MAX_BLOCKS)
        return err_set(e, "a T2I-Adapter of %d levels of %d residual blocks: tensors are missing", a->levels,
                       a->residuals);
    if (in > MAX_WIDTH) return err_set(e, "its first layer takes %d channels, more than limn does", in);
    for (int i = 0; i < a->levels; i++)
        a->channels[i] = !full         ? shapes_dim(w, 0, "%sbody.%d.out_conv.weight", p, i)
                         : a->original ? shapes_dim(w, 0, "%sbody.%d.block1.weight", p, 2 * i)
                                       : shapes_dim(w, 0, "%sbody.%d.resnets.0.block1.weight", p, i);
    return 0;
}

static bool is_halved(const T2iAdapter *a, int i) { return a->type == FULL_XL ? i == 2 : i > 0; }

/* ---- binding ------------------------------------------------------------------------------------------------------------ */

/* 1 or 3, as the file has it. */
static int side_of(const Binder *b, const char *name)
{
    int side = shapes_dim(b->weights, 3, "%s%s.weight", b->prefix, name);
    return side == 3 ? 3 : 1;
}

static int bind_residual(Binder *b, const T2iAdapter *a, Residual *r, int i, int j, int c)
{
    bool flat = a->original && a->type != LIGHT;
    size_t mark = flat          ? bind_enter(b, "body.%d", 2 * i + j)
                  : a->original ? bind_enter(b, "body.%d.body.%d", i, j)
                                : bind_enter(b, "body.%d.resnets.%d", i, j);
    int failed =
        bind_conv(b, &r->block1, "block1", c, c, 3) || bind_conv(b, &r->block2, "block2", c, c, side_of(b, "block2"));
    bind_leave(b, mark);
    return failed ? -1 : 0;
}

static int bind_level(Binder *b, T2iAdapter *a, int i)
{
    Level *l = &a->level[i];
    bool light = a->type == LIGHT;
    int first = light ? a->hint * a->factor * a->factor : a->channels[0];
    int in = i ? a->channels[i - 1] : first, out = a->channels[i], width = light ? out / 4 : out;
    l->halved = is_halved(a, i);
    size_t mark = bind_enter(b, "body.%d", a->original && !light ? 2 * i : i);
    int failed = (light || in != out) && bind_conv(b, &l->in_conv, "in_conv", in, width, 1);
    if (!failed && light) failed = bind_conv(b, &l->out_conv, "out_conv", width, out, 1);
    bind_leave(b, mark);
    for (int j = 0; j < a->residuals && !failed; j++) failed = bind_residual(b, a, &l->residual[j], i, j, width);
    return failed ? -1 : 0;
}

static int bind_all(Binder *b, T2iAdapter *a, bool prefixed)
{
    int in = a->hint * a->factor * a->factor;
    size_t mark = prefixed ? bind_enter(b, "adapter") : 0;
    if (a->type != LIGHT && bind_conv(b, &a->conv_in, "conv_in", in, a->channels[0], 3)) return -1;
    for (int i = 0; i < a->levels; i++)
        if (bind_level(b, a, i)) return -1;
    if (prefixed) bind_leave(b, mark);
    return bind_finish(b, NULL);
}

static int refuse_older(const Weights *w, Err *e)
{
    for (size_t i = 0; i < weights_count(w); i++) {
        const char *name = weights_at((Weights *)(size_t)w, i)->name;
        if (strstr(name, "down_opt.op") || strstr(name, ".skep."))
            return err_set(
                e,
                "%.60s: a T2I-Adapter of the first kind, which halves by a convolution; limn does not run it: "
                "take the later release of it",
                name);
    }
    return 0;
}

T2iAdapter *t2i_new(Config *c, Weights *w, Err *e)
{
    T2iAdapter *a = mem_alloc(sizeof *a);
    bool prefixed =
        shapes_dim(w, 0, "adapter.conv_in.weight") > 0 || shapes_dim(w, 0, "adapter.body.0.in_conv.weight") > 0;
    Binder b;
    binder_init(&b, w, e);
    a->original = shapes_dim(w, 0, "body.0.block1.weight") > 0 || shapes_dim(w, 0, "body.0.body.0.block1.weight") > 0;
    int failed = refuse_older(w, e);
    if (!failed && c && read_config(a, c, e)) failed = config_blame(c, e);
    if (!failed && !c) failed = read_shapes(a, w, prefixed ? "adapter." : "", e);
    if (!failed && a->hint != 1 && a->hint != 3)
        failed = err_set(e, "it takes pictures of %d channels (supported: 3, 1)", a->hint);
    if (!failed) failed = bind_all(&b, a, prefixed);
    a->memory = binder_take(&b);
    if (!failed) return a;
    t2i_free(a);
    return NULL;
}

void t2i_free(T2iAdapter *a)
{
    if (!a) return;
    bound_release(&a->memory);
    free(a);
}

int t2i_hint_channels(const T2iAdapter *a) { return a->hint; }
int t2i_factor(const T2iAdapter *a) { return a->factor; }
size_t t2i_bytes(const T2iAdapter *a) { return a->memory.bytes; }
size_t t2i_borrowed(const T2iAdapter *a) { return a->memory.borrowed; }
const char *t2i_type(const T2iAdapter *a) { return type_names[a->type]; }

int t2i_fits(const T2iAdapter *a, const UNet *u, int factor, int width, int height, Err *e)
{
    const UNetShape *s = unet_shape(u);
    int h = height / a->factor, w = width / a->factor, uh = height / factor, uw = width / factor;
    if (height % a->factor || width % a->factor)
        return err_usage(e, "%d x %d: this adapter takes pictures of sides that are multiples of %d", width, height,
                         a->factor);
    for (int i = 0; i < a->levels && i < s->levels; i++) {
        bool halves = i < s->levels - 1;
        if (a->level[i].halved) h = (h + 1) / 2, w = (w + 1) / 2;
        int at_h = !s->down_attention[i] && halves ? (uh + 1) / 2 : uh,
            at_w = !s->down_attention[i] && halves ? (uw + 1) / 2 : uw;
        if (a->channels[i] != s->channels[i] || h != at_h || w != at_w)
            return err_set(
                e,
                "its map %d is %d x %d of %d channels, the model's UNet has %d x %d of %d there: it is for another "
                "family of models",
                i, w, h, a->channels[i], at_w, at_h, s->channels[i]);
        if (halves) uh = (uh + 1) / 2, uw = (uw + 1) / 2;
    }
    return 0;
}

/* ---- forward ------------------------------------------------------------------------------------------------------------ */

/* Squares of f x f pixels become the channels of one. torch's pixel_unshuffle. */
static Tensor unshuffle(Nn *nn, Tensor x, int f)
{
    Tensor y = tensor_new(nn->arena, 1, x.h / f, x.w / f, x.c * f * f);
    for (size_t i = 0; y.data && i < tensor_len(x); i++) {
        size_t c = i % (size_t)x.c, column = i / (size_t)x.c % (size_t)x.w, row = i / ((size_t)x.c * (size_t)x.w),
               F = (size_t)f;
        size_t pixel = row / F * (size_t)y.w + column / F, channel = c * F * F + row % F * F + column % F;
        y.data[pixel * (size_t)y.c + channel] = x.data[i];
    }
    return y;
}

/* The mean of each 2 x 2; at an odd edge of what is there. */
static Tensor halve(Nn *nn, Tensor x)
{
    Tensor y = tensor_new(nn->arena, 1, (x.h + 1) / 2, (x.w + 1) / 2, x.c);
    size_t c = (size_t)x.c;
    for (int i = 0; y.data && i < y.h * y.w; i++) {
        int row = i / y.w * 2, column = i % y.w * 2, h = row + 1 < x.h ? 2 : 1, w = column + 1 < x.w ? 2 : 1;
        for (size_t k = 0; k < c; k++) {
            float sum = 0;
            for (int j = 0; j < h * w; j++)
                sum += x.data[((size_t)(row + j / w) * (size_t)x.w + (size_t)(column + j % w)) * c + k];
            y.data[(size_t)i * c + k] = sum / (float)(h * w);
        }
    }
    return y;
}

/* x + block2(relu(block1(x))) */
static Tensor residual_forward(Nn *nn, const Residual *r, Tensor x)
{
    Tensor h = nn_conv2d(nn, &r->block1, x);
    for (size_t i = 0; h.data && i < tensor_len(h); i++) h.data[i] = h.data[i] > 0 ? h.data[i] : 0;
    return nn_conv2d_with(nn, &r->block2, h, &(With){ .residual = x });
}

int t2i_forward(Nn *nn, const T2iAdapter *a, Tensor hint, Tensor maps[T2I_MAX_MAPS])
{
    assert(hint.n == 1 && hint.c == a->hint && hint.h % a->factor == 0 && hint.w % a->factor == 0);
    size_t mark = nn->arena->used;
    Tensor x = unshuffle(nn, hint, a->factor);
    if (conv_present(&a->conv_in)) x = tensor_keep(nn->arena, mark, nn_conv2d(nn, &a->conv_in, x));
    for (int i = 0; i < a->levels; i++) {
        const Level *l = &a->level[i];
        mark = nn->arena->used;
        if (l->halved) x = halve(nn, x);
        if (conv_present(&l->in_conv)) x = nn_conv2d(nn, &l->in_conv, x);
        for (int j = 0; j < a->residuals; j++) x = residual_forward(nn, &l->residual[j], x);
        if (conv_present(&l->out_conv)) x = nn_conv2d(nn, &l->out_conv, x);
        maps[i] = x = tensor_keep(nn->arena, mark, x);
    }
    return a->levels;
}
