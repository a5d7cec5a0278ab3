/*
 * tiny.c - TAESD: diffusers' AutoencoderTiny, 3x3 convolutions and ReLU only. See vae.h.
 * Source: madebyollin/taesd (taesd.py); diffusers models/autoencoders/autoencoder_tiny.py and vae.py (EncoderTiny, DecoderTiny).
 *
 * Easy to get wrong: it works on the sampler's own latents (scaling 1) and on pixels from 0 to 1; the decoder first bends its
 * latent to -3..3; the encoder gives the latent itself, so nothing is drawn; strided convolutions pad all round, where
 * AutoencoderKL's pad right and below only; what stands between levels has neither bias nor activation.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vae/vae_internal.h"

enum { MAX_LEVELS = 8, MAX_BLOCKS = 8 };

typedef struct {
    Conv conv[3];
} Block;

/* Encoder or decoder: between two levels stands a convolution that halves, or one behind an upsampling. */
typedef struct {
    int levels, channels;
    int blocks[MAX_LEVELS];
    Conv first, last, between[MAX_LEVELS];
    Block block[MAX_LEVELS][MAX_BLOCKS];
} Half;

typedef struct {
    Vae base;
    Half encoder, decoder;
} Tiny;

/* ---- config -------------------------------------------------------------------------------------------------------- */

static int half_read(Half *h, Config *c, bool down, Err *e)
{
    const char *counts = down ? "num_encoder_blocks" : "num_decoder_blocks";
    const char *widths = down ? "encoder_block_out_channels" : "decoder_block_out_channels";
    int channels[MAX_LEVELS];
    h->levels = config_list_len(c, counts);
    if (h->levels < 1 || h->levels > MAX_LEVELS)
        return err_set(e, "%s must be a list of 1 to %d numbers of blocks: an AutoencoderTiny has one", counts,
                       MAX_LEVELS);
    if (config_list_len(c, widths) != h->levels)
        return err_set(e, "%s must be a list of %d channel counts, one for each of %s", widths, h->levels, counts);
    config_ints(c, counts, 1, h->blocks, h->levels, 0, MAX_BLOCKS);
    config_ints(c, widths, 64, channels, h->levels, 1, 4096);
    h->channels = channels[0];
    for (int i = 1; i < h->levels; i++)
        if (channels[i] != channels[0]) return err_set(e, "%s differ from level to level: expected one width", widths);
    return 0;
}

static int shape_read(Tiny *t, Config *c, Err *e)
{
    static const char *const harmless[] = { "latent_magnitude",   "latent_shift", "force_upcast",
                                            "block_out_channels", "sample_size",  NULL };
    if (config_check_class(c, vae_tiny.name, e) || half_read(&t->encoder, c, true, e) ||
        half_read(&t->decoder, c, false, e))
        return -1;
    if (t->encoder.levels != t->decoder.levels)
        return err_set(e, "an encoder of %d levels and a decoder of %d: they do not belong together", t->encoder.levels,
                       t->decoder.levels);
    Vae *v = &t->base;
    v->latent = config_int(c, "latent_channels", 4, 1, 1024);
    v->scaling = (float)config_num(c, "scaling_factor", 1, 1e-6, 1e6);
    v->factor = 1 << (t->decoder.levels - 1);
    config_only_str(c, "act_fn", "relu");
    config_only_str(c, "upsample_fn", "nearest");
    config_only_num(c, "upsampling_scaling_factor", 2);
    config_only_num(c, "shift_factor", 0);
    config_only_num(c, "in_channels", 3);
    config_only_num(c, "out_channels", 3);
    config_only_null(c, "quantization_config");
    config_ignore(c, harmless);
    return config_finish(c, e);
}

/* As far as a pixel sees, in latents: the first convolution, three a block, and one between two levels. */
static int halo_of(const Half *h)
{
    double sees = 1 + 1.0 / (1 << (h->levels - 1));
    for (int i = 0; i < h->levels; i++) sees += (3.0 * h->blocks[i] + (i > 0)) / (1 << i);
    return (int)ceil(sees);
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static int bind_block(Binder *b, Block *block, int number, int c)
{
    static const char *const inner[] = { "conv.0", "conv.2", "conv.4" };
    size_t mark = bind_enter(b, "%d", number);
    for (int i = 0; i < 3; i++)
        if (bind_conv(b, &block->conv[i], inner[i], c, c, 3)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int bind_plain(Binder *b, Conv *conv, int number, int in, int out, bool bias)
{
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    return bias ? bind_conv(b, conv, name, in, out, 3) : bind_conv_unbiased(b, conv, name, in, out, 3);
}

/* Layers have numbers: those with weights, and in the decoder the first activation and the upsamplings. */
static int bind_half(Binder *b, Half *h, int latent, bool down)
{
    int at = 0, c = h->channels;
    size_t mark = bind_enter(b, down ? "encoder.layers" : "decoder.layers");
    if (bind_plain(b, &h->first, at++, down ? 3 : latent, c, true)) return -1;
    if (!down) at++; /* its activation */
    for (int level = 0; level < h->levels; level++) {
        if (level && !down) at++; /* the upsampling */
        if (level && bind_plain(b, &h->between[level], at++, c, c, false)) return -1;
        for (int i = 0; i < h->blocks[level]; i++)
            if (bind_block(b, &h->block[level][i], at++, c)) return -1;
    }
    if (bind_plain(b, &h->last, at, c, down ? latent : 3, true)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int tiny_bind(Binder *b, Tiny *t)
{
    if (bind_half(b, &t->decoder, t->base.latent, false)) return -1;
    bool there = bind_has(b, "encoder.layers.0.weight");
    if (!there && !t->base.has_encoder) return bind_finish(b, NULL);
    if (!there)
        return err_set(b->e, "it has no encoder, which --init-image needs; taesd_encoder.safetensors next to "
                             "taesd_decoder.safetensors is taken by itself");
    b->check_only = !t->base.has_encoder;
    return bind_half(b, &t->encoder, t->base.latent, true) ? -1 : bind_finish(b, NULL);
}

static Vae *tiny_open(Config *c, Weights *w, bool encoder, Err *e)
{
    Tiny *t = mem_alloc(sizeof *t);
    Binder b;
    t->base = (Vae){ .class = &vae_tiny, .has_encoder = encoder };
    binder_init(&b, w, e);
    int failed = shape_read(t, c, e) ? config_blame(c, e) : tiny_bind(&b, t);
    t->base.halo = halo_of(&t->decoder);
    t->base.memory = binder_take(&b);
    if (!failed) return &t->base;
    vae_free(&t->base);
    return NULL;
}

static void tiny_free(Vae *v)
{
    bound_release(&v->memory);
    free(v);
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

/* In place. */
static void block_forward(Nn *nn, const Block *b, Tensor x)
{
    size_t mark = nn->arena->used;
    Tensor h = nn_conv2d_with(nn, &b->conv[0], x, &(With){ .relu = true });
    h = nn_conv2d_with(nn, &b->conv[1], h, &(With){ .relu = true });
    nn_conv2d_with(nn, &b->conv[2], h, &(With){ .residual = x, .into = x, .relu = true });
    arena_reset(nn->arena, mark);
}

static void blocks_forward(Nn *nn, const Half *h, int level, Tensor x)
{
    for (int i = 0; i < h->blocks[level]; i++) block_forward(nn, &h->block[level][i], x);
}

static Tensor decode(Nn *nn, const Vae *v, Tensor z)
{
    const Half *h = &((const Tiny *)v)->decoder;
    size_t mark = nn->arena->used;
    Tensor bent = tensor_like(nn->arena, z);
    for (size_t i = 0; bent.data && i < tensor_len(z); i++) bent.data[i] = 3 * tanhf(z.data[i] / 3);
    Tensor x = tensor_keep(nn->arena, mark, nn_conv2d_with(nn, &h->first, bent, &(With){ .relu = true }));
    for (int level = 0; level < h->levels; level++) {
        if (level) x = tensor_keep(nn->arena, mark, nn_conv2d_up(nn, &h->between[level], x, 2 * x.h, 2 * x.w));
        blocks_forward(nn, h, level, x);
    }
    x = tensor_keep(nn->arena, mark, nn_conv2d(nn, &h->last, x));
    for (size_t i = 0; x.data && i < tensor_len(x); i++) x.data[i] = 2 * x.data[i] - 1;
    return x;
}

/* A tile sees as far as its core's pixels do, so that they are what they are in the whole picture. */
static Tensor decode_tiled(Nn *nn, const Vae *v, Tensor z, int tile)
{
    Tensor image = tensor_new(nn->arena, z.n, z.h * v->factor, z.w * v->factor, 3);
    int down = span_count(v, z.h, tile), across = span_count(v, z.w, tile);
    Nn inner = *nn;
    inner.wrap_x = nn->wrap_x && across == 1; /* else a tile's own ends are no neighbours */
    inner.wrap_y = nn->wrap_y && down == 1;
    for (int i = 0; i < z.n * down * across; i++) {
        size_t mark = nn->arena->used;
        int n = i / (down * across), at = i % (down * across);
        Span y = span_at(v, z.h, tile, nn->wrap_y, at / across), x = span_at(v, z.w, tile, nn->wrap_x, at % across);
        Tensor pixels = decode(&inner, v, tile_crop(nn, tensor_slice(z, n, 1), y, x));
        tile_paste(tensor_slice(image, n, 1), pixels, y, x, v->factor);
        arena_reset(nn->arena, mark);
    }
    return image;
}

static Tensor encode(Nn *nn, const Vae *v, Tensor image)
{
    const Half *h = &((const Tiny *)v)->encoder;
    size_t mark = nn->arena->used;
    Tensor light = tensor_like(nn->arena, image);
    for (size_t i = 0; light.data && i < tensor_len(image); i++) light.data[i] = (image.data[i] + 1) / 2;
    Tensor x = tensor_keep(nn->arena, mark, nn_conv2d(nn, &h->first, light));
    for (int level = 0; level < h->levels; level++) {
        if (level) x = tensor_keep(nn->arena, mark, nn_conv2d_down(nn, &h->between[level], x, 1));
        blocks_forward(nn, h, level, x);
    }
    return tensor_keep(nn->arena, mark, nn_conv2d(nn, &h->last, x));
}

const VaeClass vae_tiny = {
    .name = "AutoencoderTiny",
    .open = tiny_open,
    .free = tiny_free,
    .decode = decode,
    .decode_tiled = decode_tiled,
    .encode = encode,
};
