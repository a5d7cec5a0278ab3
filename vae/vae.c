/*
 * vae.c - encoder and decoder, mirror images: levels of residual blocks, a middle with one attention. See vae.h.
 *
 * Easy to get wrong: every norm has eps 1e-6 (the UNet's have 1e-5); the encoder's downsampling pads right and below only;
 * files older than diffusers 0.17 call the attention's layers query, key, value and proj_attn.
 */
#include "vae/vae.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/bind.h"
#include "nn/resblock.h"

enum { MAX_LEVELS = 8, MAX_LAYERS = 8 };
static const float EPS = 1e-6f;

typedef struct {
    int levels, layers, latent, groups;
    int channels[MAX_LEVELS];
    bool attention, quant, post_quant;
    float scaling, shift;
} Shape;

typedef struct {
    Norm norm;
    Linear q, k, v, out;
} Attention; /* one head over all pixels */

typedef struct {
    ResBlock resnets[MAX_LAYERS + 1];
    Conv sampler; /* downsamplers.0.conv, upsamplers.0.conv; absent in the last level */
} Level;

/* Encoder or decoder: the same parts in another order. */
typedef struct {
    Conv conv_in, conv_out;
    Norm norm_out;
    Level levels[MAX_LEVELS];
    ResBlock mid[2];
    Attention attention;
} Half;

struct Vae {
    Shape s;
    Half encoder, decoder;
    bool has_encoder;
    Conv quant, post_quant; /* 1x1 */
    BoundMemory memory;
};

/* ---- config -------------------------------------------------------------------------------------------------------- */

static int only_blocks(Config *c, const char *key, int levels, const char *name, Err *e)
{
    if (config_list_len(c, key) != levels) return err_set(e, "%s must be a list of %d names, as block_out_channels has", key, levels);
    for (int i = 0; i < levels; i++) {
        const char *found = config_str_at(c, key, i);
        if (!found || strcmp(found, name) != 0)
            return err_set(e, "%s: \"%s\" is not supported (supported: %s)", key, found ? found : "(not a string)", name);
    }
    return 0;
}

static int shape_read(Shape *s, Config *c, Err *e)
{
    *s = (Shape){ .levels = config_list_len(c, "block_out_channels") };
    if (s->levels < 1 || s->levels > MAX_LEVELS)
        return err_set(e, "block_out_channels must be a list of 1 to %d channel counts", MAX_LEVELS);
    config_ints(c, "block_out_channels", 64, s->channels, s->levels, 1, 16384);
    if (only_blocks(c, "down_block_types", s->levels, "DownEncoderBlock2D", e) ||
        only_blocks(c, "up_block_types", s->levels, "UpDecoderBlock2D", e))
        return -1;
    s->layers = config_int(c, "layers_per_block", 1, 1, MAX_LAYERS);
    s->latent = config_int(c, "latent_channels", 4, 1, 1024);
    s->groups = config_int(c, "norm_num_groups", 32, 1, 16384);
    s->attention = config_bool(c, "mid_block_add_attention", true);
    s->quant = config_bool(c, "use_quant_conv", true);
    s->post_quant = config_bool(c, "use_post_quant_conv", true);
    s->scaling = (float)config_num(c, "scaling_factor", 0.18215, 1e-6, 1e6);
    s->shift = (float)config_num(c, "shift_factor", 0, -1e6, 1e6);
    config_only_num(c, "in_channels", 3);
    config_only_num(c, "out_channels", 3);
    config_only_str(c, "act_fn", "silu");
    config_only_null(c, "latents_mean");
    config_only_null(c, "latents_std");
    static const char *const harmless[] = { "sample_size", "force_upcast", NULL };
    config_ignore(c, harmless);
    return config_finish(c, e);
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static int bind_attention(Binder *b, Attention *a, int c, int groups)
{
    bool old = bind_has(b, "query.weight");
    if (bind_norm(b, &a->norm, "group_norm", c, groups, EPS) || bind_linear(b, &a->q, old ? "query" : "to_q", c, c, true) ||
        bind_linear(b, &a->k, old ? "key" : "to_k", c, c, true) || bind_linear(b, &a->v, old ? "value" : "to_v", c, c, true))
        return -1;
    return bind_linear(b, &a->out, old ? "proj_attn" : "to_out.0", c, c, true);
}

static int bind_resnet(Binder *b, ResBlock *r, int j, int in, int out, int groups)
{
    size_t mark = bind_enter(b, "resnets.%d", j);
    int failed = resblock_bind(b, r, in, out, 0, groups, EPS);
    bind_leave(b, mark);
    return failed;
}

static int bind_mid(Binder *b, const Shape *s, Half *h)
{
    int c = s->channels[s->levels - 1];
    size_t mark = bind_enter(b, "mid_block");
    if (bind_resnet(b, &h->mid[0], 0, c, c, s->groups) || bind_resnet(b, &h->mid[1], 1, c, c, s->groups)) return -1;
    if (s->attention) {
        size_t inner = bind_enter(b, "attentions.0");
        if (bind_attention(b, &h->attention, c, s->groups)) return -1;
        bind_leave(b, inner);
    }
    bind_leave(b, mark);
    return 0;
}

/* Levels in the order they are worked in: `channels` the i-th has, starting from `first`. */
static int bind_levels(Binder *b, const Shape *s, Half *h, bool down)
{
    int in = s->channels[down ? 0 : s->levels - 1];
    for (int i = 0; i < s->levels; i++) {
        int out = s->channels[down ? i : s->levels - 1 - i];
        size_t mark = bind_enter(b, down ? "down_blocks.%d" : "up_blocks.%d", i);
        for (int j = 0; j < s->layers + !down; j++)
            if (bind_resnet(b, &h->levels[i].resnets[j], j, j ? out : in, out, s->groups)) return -1;
        const char *sampler = down ? "downsamplers.0.conv" : "upsamplers.0.conv";
        if (i < s->levels - 1 && bind_conv(b, &h->levels[i].sampler, sampler, out, out, 3)) return -1;
        bind_leave(b, mark);
        in = out;
    }
    return 0;
}

static int bind_half(Binder *b, const Shape *s, Half *h, bool down)
{
    int top = s->channels[0], deep = s->channels[s->levels - 1];
    size_t mark = bind_enter(b, down ? "encoder" : "decoder");
    if (bind_conv(b, &h->conv_in, "conv_in", down ? 3 : s->latent, down ? top : deep, 3) || bind_levels(b, s, h, down) ||
        bind_mid(b, s, h) || bind_norm(b, &h->norm_out, "conv_norm_out", down ? deep : top, s->groups, EPS) ||
        bind_conv(b, &h->conv_out, "conv_out", down ? deep : top, down ? 2 * s->latent : 3, 3))
        return -1;
    bind_leave(b, mark);
    return 0;
}

static int vae_bind(Binder *b, Vae *v)
{
    int z = v->s.latent;
    if (bind_half(b, &v->s, &v->decoder, false)) return -1;
    if (v->s.post_quant && bind_conv(b, &v->post_quant, "post_quant_conv", z, z, 1)) return -1;
    b->check_only = !v->has_encoder;
    if (bind_half(b, &v->s, &v->encoder, true)) return -1;
    if (v->s.quant && bind_conv(b, &v->quant, "quant_conv", 2 * z, 2 * z, 1)) return -1;
    return bind_finish(b, NULL);
}

Vae *vae_new(Config *c, Weights *w, bool encoder, Err *e)
{
    Vae *v = mem_alloc(sizeof *v);
    Binder b;
    binder_init(&b, w, e);
    v->has_encoder = encoder;
    int failed = shape_read(&v->s, c, e) || vae_bind(&b, v);
    v->memory = binder_take(&b);
    if (!failed) return v;
    vae_free(v);
    return NULL;
}

void vae_free(Vae *v)
{
    if (!v) return;
    bound_release(&v->memory);
    free(v);
}

int vae_factor(const Vae *v) { return 1 << (v->s.levels - 1); }
int vae_latent_channels(const Vae *v) { return v->s.latent; }
float vae_scaling_factor(const Vae *v) { return v->s.scaling; }
float vae_shift_factor(const Vae *v) { return v->s.shift; }
size_t vae_bytes(const Vae *v) { return v->memory.bytes; }

/* ---- forward ------------------------------------------------------------------------------------------------------- */

static const Tensor NO_TIME = { NULL, 0, 0, 0, 0 };

static Tensor attend(Nn *nn, const Attention *a, Tensor x)
{
    size_t mark = nn->arena->used;
    Tensor h = nn_group_norm(nn, &a->norm, x, ACT_NONE);
    Tensor q = nn_linear(nn, &a->q, h), k = nn_linear(nn, &a->k, h), v = nn_linear(nn, &a->v, h);
    h = nn_attention(nn, q, k, v, 1, false);
    return tensor_keep(nn->arena, mark, nn_linear_add(nn, &a->out, h, x));
}

/* x lies at mark and is replaced there. */
static Tensor middle(Nn *nn, const Half *h, size_t mark, Tensor x)
{
    x = tensor_keep(nn->arena, mark, resblock_forward(nn, &h->mid[0], x, NO_TIME));
    if (linear_present(&h->attention.q)) x = tensor_keep(nn->arena, mark, attend(nn, &h->attention, x));
    return tensor_keep(nn->arena, mark, resblock_forward(nn, &h->mid[1], x, NO_TIME));
}

static Tensor resnets(Nn *nn, const Level *l, int count, size_t mark, Tensor x)
{
    for (int j = 0; j < count; j++) x = tensor_keep(nn->arena, mark, resblock_forward(nn, &l->resnets[j], x, NO_TIME));
    return x;
}

static Tensor finish(Nn *nn, const Half *h, size_t mark, Tensor x)
{
    return tensor_keep(nn->arena, mark, nn_conv2d(nn, &h->conv_out, nn_group_norm(nn, &h->norm_out, x, ACT_SILU)));
}

/* The decoder's layers at the latent's own resolution. [n, h, w, latent] -> [n, h, w, channels] */
static Tensor decode_coarse(Nn *nn, const Vae *v, Tensor z)
{
    size_t mark = nn->arena->used;
    if (conv_present(&v->post_quant)) z = nn_conv2d(nn, &v->post_quant, z);
    Tensor x = tensor_keep(nn->arena, mark, nn_conv2d(nn, &v->decoder.conv_in, z));
    x = middle(nn, &v->decoder, mark, x);
    return resnets(nn, &v->decoder.levels[0], v->s.layers + 1, mark, x);
}

/* The rest, up to pixels: convolutions and group norms only. */
static Tensor decode_fine(Nn *nn, const Vae *v, Tensor x)
{
    size_t mark = nn->arena->used;
    for (int i = 1; i < v->s.levels; i++) {
        x = tensor_keep(nn->arena, mark, nn_conv2d_up(nn, &v->decoder.levels[i - 1].sampler, x, 2 * x.h, 2 * x.w));
        x = resnets(nn, &v->decoder.levels[i], v->s.layers + 1, mark, x);
    }
    return finish(nn, &v->decoder, mark, x);
}

Tensor vae_decode(Nn *nn, const Vae *v, Tensor z)
{
    size_t mark = nn->arena->used;
    return tensor_keep(nn->arena, mark, decode_fine(nn, v, decode_coarse(nn, v, z)));
}

Tensor vae_encode(Nn *nn, const Vae *v, Tensor image)
{
    assert(v->has_encoder && image.c == 3);
    size_t mark = nn->arena->used;
    Tensor x = nn_conv2d(nn, &v->encoder.conv_in, image);
    for (int i = 0; i < v->s.levels; i++) {
        const Level *l = &v->encoder.levels[i];
        x = resnets(nn, l, v->s.layers, mark, x);
        if (conv_present(&l->sampler)) x = tensor_keep(nn->arena, mark, nn_conv2d_down(nn, &l->sampler, x, 0));
    }
    x = finish(nn, &v->encoder, mark, middle(nn, &v->encoder, mark, x));
    if (conv_present(&v->quant)) x = tensor_keep(nn->arena, mark, nn_conv2d(nn, &v->quant, x));

    size_t z = (size_t)v->s.latent;
    for (size_t i = 0; x.data && i < tensor_len(x); i++)
        if (i % (2 * z) >= z) x.data[i] = x.data[i] < -30 ? -30 : x.data[i] > 20 ? 20 : x.data[i];
    return x;
}

void vae_sample(Tensor out, Tensor moments, const float *noise)
{
    size_t z = (size_t)out.c;
    assert(moments.c == 2 * out.c && tensor_rows(moments) == tensor_rows(out));
    for (size_t r = 0; r < tensor_rows(out); r++)
        for (size_t k = 0; k < z; k++)
            out.data[r * z + k] = moments.data[r * 2 * z + k] + expf(0.5f * moments.data[(r * 2 + 1) * z + k]) * noise[r * z + k];
}

/* ---- tiles --------------------------------------------------------------------------------------------------------- */

/* One tile along one axis: it reads from..to, and what it draws counts from core_from to core_to. */
typedef struct {
    int from, to, core_from, core_to;
} Span;

/*
 * The i-th of the tiles that cover `size` latents. A core has HALO more latents on each side that is not the picture's edge:
 * as far as the fine levels see (7 convolutions at 2x, 7 at 4x, 7 at 8x and one: 6.3 latents).
 */
enum { HALO = 7 };

static int span_count(int size, int tile)
{
    int core = tile - 2 * HALO;
    return size <= tile ? 1 : (size + core - 1) / core;
}

static Span span_at(int size, int tile, int i)
{
    int count = span_count(size, tile);
    Span s = { .core_from = (int)((long long)size * i / count), .core_to = (int)((long long)size * (i + 1) / count) };
    s.from = s.core_from - HALO > 0 ? s.core_from - HALO : 0;
    s.to = s.core_to + HALO < size ? s.core_to + HALO : size;
    return s;
}

static Tensor crop(Nn *nn, Tensor x, Span y, Span w)
{
    Tensor t = tensor_new(nn->arena, 1, y.to - y.from, w.to - w.from, x.c);
    size_t row = (size_t)t.w * (size_t)x.c;
    for (int i = 0; t.data && i < t.h; i++)
        memcpy(t.data + (size_t)i * row, x.data + ((size_t)(y.from + i) * (size_t)x.w + (size_t)w.from) * (size_t)x.c, row * sizeof(float));
    return t;
}

static void paste_core(Tensor image, Tensor tile, Span y, Span x, int factor)
{
    size_t row = (size_t)((x.core_to - x.core_from) * factor) * 3;
    for (int i = (y.core_from - y.from) * factor; tile.data && i < (y.core_to - y.from) * factor; i++)
        memcpy(image.data + ((size_t)(y.from * factor + i) * (size_t)image.w + (size_t)(x.core_from * factor)) * 3,
               tile.data + ((size_t)i * (size_t)tile.w + (size_t)((x.core_from - x.from) * factor)) * 3, row * sizeof(float));
}

/* All tiles once: to collect the statistics, or to draw. */
static void pass(Nn *nn, const Vae *v, Tensor coarse, Tensor image, int tile)
{
    int down = span_count(coarse.h, tile), across = span_count(coarse.w, tile);
    for (int t = 0; t < down * across; t++) {
        Span y = span_at(coarse.h, tile, t / across), x = span_at(coarse.w, tile, t % across);
        size_t mark = nn->arena->used;
        GroupStats *s = nn->stats;
        s->tile_h = y.to - y.from;
        s->tile_w = x.to - x.from;
        s->top = y.core_from - y.from;
        s->bottom = y.core_to - y.from;
        s->left = x.core_from - x.from;
        s->right = x.core_to - x.from;
        s->layer = 0;
        Tensor pixels = decode_fine(nn, v, crop(nn, coarse, y, x));
        if (!s->collect) paste_core(image, pixels, y, x, vae_factor(v));
        arena_reset(nn->arena, mark);
    }
}

Tensor vae_decode_tiled(Nn *nn, const Vae *v, Tensor z, int tile)
{
    assert(tile >= VAE_MIN_TILE);
    int factor = vae_factor(v);
    Tensor image = tensor_new(nn->arena, z.n, z.h * factor, z.w * factor, 3);
    size_t mark = nn->arena->used;
    GroupStats stats = { .layers = 2 * (v->s.layers + 1) * v->s.levels + 1, .groups = v->s.groups };
    size_t room = (size_t)(stats.layers * stats.groups * 2 + stats.layers) * sizeof(double);
    stats.sums = arena_alloc(nn->arena, room);
    stats.counts = stats.sums ? stats.sums + stats.layers * stats.groups * 2 : NULL;

    for (int i = 0; i < z.n; i++) {
        size_t inner = nn->arena->used;
        Tensor coarse = decode_coarse(nn, v, tensor_slice(z, i, 1)), one = tensor_slice(image, i, 1);
        if (stats.sums) memset(stats.sums, 0, room);
        nn->stats = &stats;
        stats.collect = true;
        pass(nn, v, coarse, one, tile);
        stats.collect = false;
        pass(nn, v, coarse, one, tile);
        nn->stats = NULL;
        arena_reset(nn->arena, inner);
    }
    arena_reset(nn->arena, mark);
    return image;
}
