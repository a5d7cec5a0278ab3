/*
 * kl.c - AutoencoderKL's encoder and decoder, mirror images: levels of residual blocks, a middle with one attention. See vae.h.
 *
 * Easy to get wrong: every norm has eps 1e-6 (the UNet's have 1e-5); the encoder's downsampling pads right and below only;
 * files older than diffusers 0.17 call the attention's layers query, key, value and proj_attn.
 */
#include "vae/vae_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/resblock.h"

enum { MAX_LEVELS = 8, MAX_LAYERS = 8 };
static const float EPS = 1e-6f;

typedef struct {
    int levels, layers, latent, groups;
    int channels[MAX_LEVELS];
    bool attention, quant, post_quant;
    float scaling;
} Shape;

typedef struct {
    Norm norm;
    Linear qkv, out;
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

typedef struct {
    Vae base;
    Shape s;
    Half encoder, decoder;
    Conv quant, post_quant; /* 1x1 */
} Kl;

/* ---- config -------------------------------------------------------------------------------------------------------- */

static int only_blocks(Config *c, const char *key, int levels, const char *name, Err *e)
{
    if (config_list_len(c, key) != levels)
        return err_set(e, "%s must be a list of %d names, as block_out_channels has", key, levels);
    for (int i = 0; i < levels; i++) {
        const char *found = config_str_at(c, key, i);
        if (!found || strcmp(found, name) != 0)
            return err_set(e, "%s: \"%s\" is not supported (supported: %s)", key, found ? found : "(not a string)",
                           name);
    }
    return 0;
}

/* A list of a number for each channel; diffusers heeds them only together. */
static int read_numbers(Config *c, const char *key, int count, float *out, Err *e)
{
    if (config_list_len(c, key) != count || count > VAE_SHIFTED)
        return err_set(e, "%s must be a list of %d numbers, one for each latent channel (%d at most)", key, count,
                       VAE_SHIFTED);
    for (int i = 0; i < count; i++) out[i] = (float)config_num_at(c, key, i);
    return 0;
}

static int shift_read(Vae *v, int latent, Config *c, Err *e)
{
    static const char *const keys[] = { "latents_mean", "latents_std", NULL };
    v->shifted = config_has(c, keys[0]) && config_has(c, keys[1]);
    if (v->shifted && (read_numbers(c, keys[0], latent, v->mean, e) || read_numbers(c, keys[1], latent, v->std, e)))
        return -1;
    for (int i = 0; v->shifted && i < latent; i++)
        if (!(v->std[i] > 0)) return err_set(e, "latents_std has %g: numbers above 0 were expected", (double)v->std[i]);
    config_ignore(c, keys);
    return 0;
}

static int shape_read(Vae *v, Shape *s, Config *c, Err *e)
{
    if (config_check_class(c, vae_kl.name, e)) return -1;
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
    config_only_num(c, "shift_factor", 0);
    config_only_num(c, "in_channels", 3);
    config_only_num(c, "out_channels", 3);
    const char *act = config_str(c, "act_fn", NULL);
    if (act && strcmp(act, "swish") != 0) config_only_str(c, "act_fn", "silu"); /* two names of one function */
    config_only_null(c, "quantization_config");
    static const char *const harmless[] = { "sample_size", "force_upcast", "gradient_checkpointing", NULL };
    config_ignore(c, harmless);
    return shift_read(v, s->latent, c, e) ? -1 : config_finish(c, e);
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static int bind_attention(Binder *b, Attention *a, int c, int groups)
{
    static const char *const names[] = { "to_q", "to_k", "to_v", NULL };
    static const char *const old_names[] = { "query", "key", "value", NULL };
    bool old = bind_has(b, "query.weight");
    if (bind_norm(b, &a->norm, "group_norm", c, groups, EPS) ||
        bind_linear_joined(b, &a->qkv, old ? old_names : names, c, c, true))
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
    if (bind_conv(b, &h->conv_in, "conv_in", down ? 3 : s->latent, down ? top : deep, 3) ||
        bind_levels(b, s, h, down) || bind_mid(b, s, h) ||
        bind_norm(b, &h->norm_out, "conv_norm_out", down ? deep : top, s->groups, EPS) ||
        bind_conv(b, &h->conv_out, "conv_out", down ? deep : top, down ? 2 * s->latent : 3, 3))
        return -1;
    bind_leave(b, mark);
    return 0;
}

static int kl_bind(Binder *b, Kl *v)
{
    int z = v->s.latent;
    if (bind_half(b, &v->s, &v->decoder, false)) return -1;
    if (v->s.post_quant && bind_conv(b, &v->post_quant, "post_quant_conv", z, z, 1)) return -1;
    /* a file without an encoder can draw; remains of one are ignored */
    static const char *const left_over[] = { "quant_conv.weight", "quant_conv.bias", NULL };
    if (!v->base.has_encoder && !bind_has(b, "encoder.conv_in.weight")) return bind_finish(b, left_over);
    if (!bind_has(b, "encoder.conv_in.weight"))
        return err_set(b->e, "it has no encoder, which a run from a picture needs: give another VAE with --vae");
    b->check_only = !v->base.has_encoder;
    if (bind_half(b, &v->s, &v->encoder, true)) return -1;
    if (v->s.quant && bind_conv(b, &v->quant, "quant_conv", 2 * z, 2 * z, 1)) return -1;
    return bind_finish(b, NULL);
}

/* As far as a pixel of the fine levels sees, in latents: an upsampling's convolution and 2 of each residual block a level. */
static int halo_of(const Shape *s)
{
    double sees = 1.0 / (1 << (s->levels - 1)); /* conv_out */
    for (int i = 1; i < s->levels; i++) sees += (1.0 + 2 * (s->layers + 1)) / (1 << i);
    return (int)ceil(sees);
}

static Vae *kl_open(Config *c, Weights *w, bool encoder, Err *e)
{
    Kl *v = mem_alloc(sizeof *v);
    Binder b;
    v->base = (Vae){ .class = &vae_kl, .has_encoder = encoder, .draws = true };
    binder_init(&b, w, e);
    int failed = shape_read(&v->base, &v->s, c, e) ? config_blame(c, e) : kl_bind(&b, v);
    v->base.memory = binder_take(&b);
    v->base.latent = v->s.latent;
    v->base.scaling = v->s.scaling;
    if (!failed) {
        v->base.factor = 1 << (v->s.levels - 1);
        v->base.halo = halo_of(&v->s);
        return &v->base;
    }
    vae_free(&v->base);
    return NULL;
}

static void kl_free(Vae *v)
{
    bound_release(&v->memory);
    free(v);
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

static const Tensor NO_TIME = { NULL, 0, 0, 0, 0 };

/* In place. */
static void attend(Nn *nn, const Attention *a, Tensor x)
{
    size_t mark = nn->arena->used;
    Tensor h = nn_attention_joined(nn, nn_linear_with(nn, &a->qkv, x, &(With){ .norm = &a->norm }), 1, false);
    nn_linear_with(nn, &a->out, h, &(With){ .residual = x, .into = x });
    arena_reset(nn->arena, mark);
}

/* x lies at mark and is replaced there. */
static Tensor middle(Nn *nn, const Half *h, size_t mark, Tensor x)
{
    x = resblock_replace(nn, &h->mid[0], mark, x, NO_TIME);
    if (linear_present(&h->attention.qkv)) attend(nn, &h->attention, x);
    return resblock_replace(nn, &h->mid[1], mark, x, NO_TIME);
}

static Tensor resnets(Nn *nn, const Level *l, int count, size_t mark, Tensor x)
{
    for (int j = 0; j < count; j++) x = resblock_replace(nn, &l->resnets[j], mark, x, NO_TIME);
    return x;
}

static Tensor finish(Nn *nn, const Half *h, size_t mark, Tensor x)
{
    return tensor_keep(nn->arena, mark,
                       nn_conv2d_with(nn, &h->conv_out, x, &(With){ .norm = &h->norm_out, .act = ACT_SILU }));
}

/* The decoder's layers at the latent's own resolution. [n, h, w, latent] -> [n, h, w, channels] */
static Tensor decode_coarse(Nn *nn, const Kl *v, Tensor z)
{
    size_t mark = nn->arena->used;
    if (conv_present(&v->post_quant)) z = nn_conv2d(nn, &v->post_quant, z);
    Tensor x = tensor_keep(nn->arena, mark, nn_conv2d(nn, &v->decoder.conv_in, z));
    x = middle(nn, &v->decoder, mark, x);
    return resnets(nn, &v->decoder.levels[0], v->s.layers + 1, mark, x);
}

/* The rest, up to pixels: convolutions and group norms only. */
static Tensor decode_fine(Nn *nn, const Kl *v, Tensor x)
{
    size_t mark = nn->arena->used;
    for (int i = 1; i < v->s.levels; i++) {
        x = tensor_keep(nn->arena, mark, nn_conv2d_up(nn, &v->decoder.levels[i - 1].sampler, x, 2 * x.h, 2 * x.w));
        x = resnets(nn, &v->decoder.levels[i], v->s.layers + 1, mark, x);
    }
    return finish(nn, &v->decoder, mark, x);
}

static Tensor decode(Nn *nn, const Vae *base, Tensor z)
{
    const Kl *v = (const Kl *)base;
    size_t mark = nn->arena->used;
    return tensor_keep(nn->arena, mark, decode_fine(nn, v, decode_coarse(nn, v, z)));
}

static Tensor encode(Nn *nn, const Vae *base, Tensor image)
{
    const Kl *v = (const Kl *)base;
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

/* ---- tiles --------------------------------------------------------------------------------------------------------- */

/* All tiles once. Without an image (c 0) only the statistics are wanted. */
static void pass(Nn *nn, const Kl *v, Tensor coarse, Tensor image, int tile)
{
    int down = span_count(&v->base, coarse.h, tile), across = span_count(&v->base, coarse.w, tile);
    bool wrap_x = nn->wrap_x, wrap_y = nn->wrap_y;
    nn->wrap_x = wrap_x && across == 1; /* else a tile's own ends are no neighbours */
    nn->wrap_y = wrap_y && down == 1;
    for (int t = 0; t < down * across; t++) {
        Span y = span_at(&v->base, coarse.h, tile, wrap_y, t / across),
             x = span_at(&v->base, coarse.w, tile, wrap_x, t % across);
        size_t mark = nn->arena->used;
        GroupStats *s = nn->stats;
        s->tile_h = y.to - y.from;
        s->tile_w = x.to - x.from;
        s->top = y.core_from - y.from;
        s->bottom = y.core_to - y.from;
        s->left = x.core_from - x.from;
        s->right = x.core_to - x.from;
        s->layer = 0;
        Tensor pixels = decode_fine(nn, v, tile_crop(nn, coarse, y, x));
        if (image.c) tile_paste(image, pixels, y, x, v->base.factor);
        arena_reset(nn->arena, mark);
    }
    nn->wrap_x = wrap_x;
    nn->wrap_y = wrap_y;
}

/* The largest change of a group's mean or deviation from one pass to the next, in deviations. */
static double change(const GroupStats *s, const double *before)
{
    double most = 0;
    for (int i = 0; i < s->layers * s->groups; i++) {
        const double *a = before + i * 3, *b = s->collect + i * 3;
        if (a[0] == 0 || b[0] == 0) continue;
        double mean[2] = { a[1] / a[0], b[1] / b[0] };
        double deviation[2] = { sqrt(fmax(a[2] / a[0] - mean[0] * mean[0], 1e-12)),
                                sqrt(fmax(b[2] / b[0] - mean[1] * mean[1], 1e-12)) };
        most = fmax(most, fabs(mean[1] - mean[0]) / deviation[1]);
        most = fmax(most, fabs(deviation[1] - deviation[0]) / deviation[1]);
    }
    return most;
}

/*
 * The statistics of the whole picture. A norm's are exact once those of all norms before it are: the first's after one pass
 * over the tiles, the others' nearer with every pass. They count as found when they move by less than 2 % of a deviation,
 * which leaves 50 dB and more to the untiled picture (tests/test_vae.c), and at the latest when all are exact.
 */
static void collect(Nn *nn, const Kl *v, Tensor coarse, int tile, double *sums[2], size_t room)
{
    GroupStats *s = nn->stats;
    const Tensor none = { NULL, 0, 0, 0, 0 };
    s->given = NULL;
    for (int p = 0; p <= s->layers; p++) {
        s->collect = sums[p % 2];
        if (s->collect) memset(s->collect, 0, room);
        pass(nn, v, coarse, none, tile);
        bool found = !s->collect || (s->given && change(s, s->given) < 0.02);
        s->given = s->collect;
        if (found) break;
    }
    s->collect = NULL;
}

static Tensor decode_tiled(Nn *nn, const Vae *base, Tensor z, int tile)
{
    const Kl *v = (const Kl *)base;
    int factor = base->factor;
    Tensor image = tensor_new(nn->arena, z.n, z.h * factor, z.w * factor, 3);
    size_t mark = nn->arena->used;
    GroupStats stats = { .layers = 2 * (v->s.layers + 1) * (v->s.levels - 1) + 1, .groups = v->s.groups };
    size_t room = (size_t)(stats.layers * stats.groups * 3) * sizeof(double);
    double *sums[2] = { arena_alloc(nn->arena, room), arena_alloc(nn->arena, room) };

    for (int i = 0; i < z.n; i++) {
        size_t inner = nn->arena->used;
        Tensor coarse = decode_coarse(nn, v, tensor_slice(z, i, 1));
        nn->stats = &stats;
        collect(nn, v, coarse, tile, sums, room);
        pass(nn, v, coarse, tensor_slice(image, i, 1), tile);
        nn->stats = NULL;
        arena_reset(nn->arena, inner);
    }
    arena_reset(nn->arena, mark);
    return image;
}

const VaeClass vae_kl = {
    .name = "AutoencoderKL",
    .open = kl_open,
    .free = kl_free,
    .decode = decode,
    .decode_tiled = decode_tiled,
    .encode = encode,
};
