/*
 * unet.c - the U: down blocks that leave skips behind, a middle, up blocks that take them. See unet.h.
 *
 * Easy to get wrong: in a config `attention_head_dim` is the number of heads (diffusers' old misnomer); an up block's first
 * residual block takes the channels of the level below; sizes that cannot be halved come back by the skip's size, not by 2x.
 */
#include "unet/unet.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/bind.h"
#include "nn/resblock.h"
#include "nn/winograd.h"
#include "unet/transformer.h"

enum {
    MAX_LEVELS = 8,
    DEFAULT_LEVELS = 4,
    MAX_LAYERS = 8,
    MAX_TRANSFORMER_LAYERS = 64,
    MAX_CHANNELS = 16384,
    MAX_SKIPS = 1 + MAX_LEVELS * (MAX_LAYERS + 1),
    LEAST_IDS = 5 /* of text_time */
};

/* The config, one entry a level where it says so. */
typedef struct {
    int in, out, sample_size, sample_width;
    int levels;
    int channels[MAX_LEVELS], layers[MAX_LEVELS], heads[MAX_LEVELS], transformer_layers[MAX_LEVELS];
    int up_transformer_layers[MAX_LEVELS]; /* in the order of the up blocks */
    bool down_attention[MAX_LEVELS], up_attention[MAX_LEVELS], only_cross[MAX_LEVELS];
    enum { MID_NONE, MID_PLAIN, MID_ATTENTION } mid;
    int context, groups, time_width;
    float eps, freq_shift;
    bool flip_sin_to_cos;
    int cond_width;                 /* time_cond_proj_dim */
    int added_width, added_ids_dim; /* text_time: width of pooled text and ids, of one id's embedding */
} Shape;

typedef struct {
    ResBlock *resnets;       /* [count] */
    Transformer *attentions; /* [count], or NULL in a plain block */
    int count;
    Conv sampler; /* downsamplers.0.conv or upsamplers.0.conv; absent in the last block */
} Block;

struct UNet {
    Shape s;
    Linear time_in, time_out, time_cond; /* time_embedding.{linear_1, linear_2, cond_proj} */
    Linear added_in, added_out;          /* add_embedding.{linear_1, linear_2} */
    Conv conv_in, conv_out;
    Norm norm_out;
    Block down[MAX_LEVELS], mid, up[MAX_LEVELS]; /* mid: one more resnet than attentions */
    int context_columns;
    BoundMemory memory;
    size_t weights; /* bytes that were bound, borrowed ones among them; the rest of memory is transformed copies */
};

/* ---- config -------------------------------------------------------------------------------------------------------- */

/* Where the config does not list them, they are diffusers' default: four levels, the deepest without attention. */
static int block_types(Config *c, bool down, int levels, bool *attention, Err *e)
{
    const char *key = down ? "down_block_types" : "up_block_types";
    const char *plain = down ? "DownBlock2D" : "UpBlock2D",
               *cross = down ? "CrossAttnDownBlock2D" : "CrossAttnUpBlock2D";
    if (!config_has(c, key) && levels == DEFAULT_LEVELS) {
        for (int i = 0; i < levels; i++) attention[i] = i != (down ? levels - 1 : 0);
        return 0;
    }
    if (config_list_len(c, key) != levels)
        return err_set(e, "%s must be a list of %d names, as block_out_channels has", key, levels);
    for (int i = 0; i < levels; i++) {
        const char *name = config_str_at(c, key, i);
        attention[i] = name && strcmp(name, cross) == 0;
        if (!attention[i] && (!name || strcmp(name, plain) != 0))
            return err_set(e, "%s: \"%s\" is not supported (supported: %s, %s)", key, name ? name : "(not a string)",
                           plain, cross);
    }
    return 0;
}

static void refuse_other_options(Config *c)
{
    const char *act = config_str(c, "act_fn", NULL);
    if (act && strcmp(act, "swish") != 0) config_only_str(c, "act_fn", "silu"); /* two names of one function */
    config_only_str(c, "time_embedding_type", "positional");
    config_only_str(c, "resnet_time_scale_shift", "default");
    config_only_str(c, "attention_type", "default");
    config_only_bool(c, "center_input_sample", false);
    config_only_bool(c, "dual_cross_attention", false);
    config_only_bool(c, "resnet_skip_time_act", false);
    config_only_bool(c, "class_embeddings_concat", false);
    config_only_num(c, "mid_block_scale_factor", 1);
    config_only_num(c, "resnet_out_scale_factor", 1);
    config_only_num(c, "downsample_padding", 1);
    config_only_num(c, "conv_in_kernel", 3);
    config_only_num(c, "conv_out_kernel", 3);
    static const char *const null_only[] = { "class_embed_type",     "num_class_embeds",      "encoder_hid_dim",
                                             "encoder_hid_dim_type", "time_embedding_act_fn", "timestep_post_act",
                                             "cross_attention_norm", "quantization_config" };
    for (size_t i = 0; i < sizeof null_only / sizeof *null_only; i++) config_only_null(c, null_only[i]);
    static const char *const harmless[] = { "dropout", "upcast_attention", /* everything is f32 here */
                                            "use_linear_projection",       /* the same product as a 1x1 convolution */
                                            "mid_block_only_cross_attention", "addition_embed_type_num_heads",
                                            /* of training, and of diffusers' EMAModel */
                                            "gradient_checkpointing", "decay", "min_decay", "optimization_step",
                                            "update_after_step", "use_ema_warmup", "inv_gamma", "power", NULL };
    config_ignore(c, harmless);
}

/* Transformer layers of the up blocks: the down blocks' reversed, unless the config lists them. */
static void up_layers(Config *c, Shape *s)
{
    for (int i = 0; i < s->levels; i++) s->up_transformer_layers[i] = s->transformer_layers[s->levels - 1 - i];
    if (config_has(c, "reverse_transformer_layers_per_block"))
        config_ints(c, "reverse_transformer_layers_per_block", 1, s->up_transformer_layers, s->levels, 1,
                    MAX_TRANSFORMER_LAYERS);
}

/* diffusers' pipelines take a size below 64 in the configs of before 0.9 for a slip: many said 32 where 64 was meant. */
static int sample_size(Config *c, int size)
{
    int major = 0, minor = 0;
    const char *version = config_str(c, "_diffusers_version", "");
    bool old = sscanf(version, "%d.%d", &major, &minor) == 2 && major == 0 && minor < 9;
    bool one = config_list_len(c, "sample_size") < 0;
    return old && one && size < 64 ? 64 : size;
}

static int shape_read(Shape *s, Config *c, Err *e)
{
    static const int default_channels[DEFAULT_LEVELS] = { 320, 640, 1280, 1280 };
    if (config_check_class(c, "UNet2DConditionModel", e)) return -1;
    *s = (Shape){ .levels = config_list_len(c, "block_out_channels") };
    bool listed = config_has(c, "block_out_channels");
    if (!listed) s->levels = DEFAULT_LEVELS;
    if (s->levels < 1 || s->levels > MAX_LEVELS)
        return err_set(e, "block_out_channels must be a list of 1 to %d channel counts", MAX_LEVELS);

    s->in = config_int(c, "in_channels", 4, 1, 1024);
    s->out = config_int(c, "out_channels", 4, 1, 1024);
    if (listed) config_ints(c, "block_out_channels", 0, s->channels, s->levels, 1, MAX_CHANNELS);
    else memcpy(s->channels, default_channels, sizeof default_channels);
    config_ints(c, "layers_per_block", 2, s->layers, s->levels, 1, MAX_LAYERS);
    config_ints(c, "transformer_layers_per_block", 1, s->transformer_layers, s->levels, 1, MAX_TRANSFORMER_LAYERS);
    up_layers(c, s);
    config_ints(c, "attention_head_dim", 8, s->heads, s->levels, 1, 1024);
    if (config_has(c, "num_attention_heads")) config_ints(c, "num_attention_heads", 8, s->heads, s->levels, 1, 1024);
    config_bools(c, "only_cross_attention", false, s->only_cross, s->levels);
    if (block_types(c, true, s->levels, s->down_attention, e) || block_types(c, false, s->levels, s->up_attention, e))
        return -1;

    int context[MAX_LEVELS], size[2] = { 0, 0 };
    config_ints(c, "cross_attention_dim", 1280, context, s->levels, 1, MAX_CHANNELS);
    for (int i = 1; i < s->levels; i++)
        if (context[i] != context[0])
            return err_set(e, "cross_attention_dim: different widths a level are not supported");
    s->context = context[0];
    if (config_has(c, "sample_size")) config_ints(c, "sample_size", 0, size, 2, 1, 4096);
    s->sample_size = sample_size(c, size[0]);
    s->sample_width = sample_size(c, size[1]);

    const char *mid =
        config_has(c, "mid_block_type") ? config_str(c, "mid_block_type", NULL) : "UNetMidBlock2DCrossAttn";
    if (config_is_null(c, "mid_block_type")) s->mid = MID_NONE;
    else if (mid && strcmp(mid, "UNetMidBlock2DCrossAttn") == 0) s->mid = MID_ATTENTION;
    else if (mid && strcmp(mid, "UNetMidBlock2D") == 0) s->mid = MID_PLAIN;
    else
        return err_set(e,
                       "mid_block_type: \"%s\" is not supported (supported: UNetMidBlock2DCrossAttn, UNetMidBlock2D)",
                       mid ? mid : "?");

    if (config_is_null(c, "norm_num_groups"))
        return err_set(e, "norm_num_groups is null: limn does not run a UNet without norms");
    s->groups = config_int(c, "norm_num_groups", 32, 1, MAX_CHANNELS);
    s->eps = (float)config_num(c, "norm_eps", 1e-5, 1e-12, 1);
    s->flip_sin_to_cos = config_bool(c, "flip_sin_to_cos", true);
    s->freq_shift = (float)config_num(c, "freq_shift", 0, 0, 1);
    s->time_width = config_int(c, "time_embedding_dim", 4 * s->channels[0], 1, 4 * MAX_CHANNELS);
    s->cond_width = config_int(c, "time_cond_proj_dim", 0, 0, MAX_CHANNELS);

    const char *added = config_str(c, "addition_embed_type", NULL);
    if (added && strcmp(added, "text_time") != 0)
        return err_set(e, "addition_embed_type: \"%s\" is not supported (supported: text_time)", added);
    s->added_ids_dim = config_int(c, "addition_time_embed_dim", 0, 0, MAX_CHANNELS);
    s->added_width = config_int(c, "projection_class_embeddings_input_dim", 0, 0, MAX_CHANNELS);
    if (!added) s->added_width = s->added_ids_dim = 0;
    else if (s->added_ids_dim < 1 || s->added_width <= LEAST_IDS * s->added_ids_dim)
        return err_set(
            e, "text_time needs addition_time_embed_dim and a projection_class_embeddings_input_dim over %d times it",
            LEAST_IDS);

    refuse_other_options(c);
    return config_finish(c, e);
}

/* Heads must divide channels wherever there is attention. */
static int shape_check(const Shape *s, Err *e)
{
    for (int i = 0; i < s->levels; i++) {
        int up = s->levels - 1 - i;
        bool attention = s->down_attention[i] || s->up_attention[up] || (i == s->levels - 1 && s->mid == MID_ATTENTION);
        if (attention && s->heads[i] > 0 && s->channels[i] % s->heads[i])
            return err_set(e, "%d channels cannot be divided into %d heads (attention_head_dim is the number of heads)",
                           s->channels[i], s->heads[i]);
    }
    return 0;
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static void block_alloc(Block *k, int count, bool attention)
{
    k->count = count;
    k->resnets = mem_array((size_t)count, sizeof *k->resnets);
    if (attention) k->attentions = mem_array((size_t)count, sizeof *k->attentions);
}

static int bind_resnet(Binder *b, const Shape *s, Block *k, int j, int in, int out)
{
    size_t mark = bind_enter(b, "resnets.%d", j);
    int failed = resblock_bind(b, &k->resnets[j], in, out, s->time_width, s->groups, s->eps);
    bind_leave(b, mark);
    return failed;
}

static int bind_attention(Binder *b, const Shape *s, Block *k, int j, int level, int layers, bool only_cross)
{
    if (!k->attentions) return 0;
    size_t mark = bind_enter(b, "attentions.%d", j);
    TransformerShape t = { .channels = s->channels[level],
                           .heads = s->heads[level],
                           .layers = layers,
                           .context = s->context,
                           .groups = s->groups,
                           .only_cross = only_cross };
    int failed = transformer_bind(b, &k->attentions[j], &t);
    bind_leave(b, mark);
    return failed;
}

static int bind_down(Binder *b, const Shape *s, Block *k, int i)
{
    int in = s->channels[i ? i - 1 : 0], out = s->channels[i];
    block_alloc(k, s->layers[i], s->down_attention[i]);
    size_t mark = bind_enter(b, "down_blocks.%d", i);
    for (int j = 0; j < k->count; j++)
        if (bind_resnet(b, s, k, j, j ? out : in, out) ||
            bind_attention(b, s, k, j, i, s->transformer_layers[i], s->only_cross[i]))
            return -1;
    if (i < s->levels - 1 && bind_conv(b, &k->sampler, "downsamplers.0.conv", out, out, 3)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int bind_mid(Binder *b, const Shape *s, Block *k)
{
    int last = s->levels - 1, c = s->channels[last];
    if (s->mid == MID_NONE) return 0;
    block_alloc(k, s->mid == MID_ATTENTION ? 2 : 1, s->mid == MID_ATTENTION);
    size_t mark = bind_enter(b, "mid_block");
    for (int j = 0; j < k->count; j++)
        if (bind_resnet(b, s, k, j, c, c)) return -1;
    if (bind_attention(b, s, k, 0, last, s->transformer_layers[last], false)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int bind_up(Binder *b, const Shape *s, Block *k, int i)
{
    int level = s->levels - 1 - i, out = s->channels[level];
    int below = s->channels[level + 1 < s->levels ? level + 1 : level], above = s->channels[level ? level - 1 : 0];
    block_alloc(k, s->layers[level] + 1, s->up_attention[i]);
    size_t mark = bind_enter(b, "up_blocks.%d", i);
    for (int j = 0; j < k->count; j++) {
        int in = j ? out : below, skip = j == k->count - 1 ? above : out;
        if (bind_resnet(b, s, k, j, in + skip, out) ||
            bind_attention(b, s, k, j, level, s->up_transformer_layers[i], s->only_cross[level]))
            return -1;
    }
    if (level > 0 && bind_conv(b, &k->sampler, "upsamplers.0.conv", out, out, 3)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int bind_embeddings(Binder *b, UNet *u)
{
    const Shape *s = &u->s;
    if (bind_linear(b, &u->time_in, "time_embedding.linear_1", s->channels[0], s->time_width, true) ||
        bind_linear(b, &u->time_out, "time_embedding.linear_2", s->time_width, s->time_width, true))
        return -1;
    if (s->cond_width &&
        bind_linear(b, &u->time_cond, "time_embedding.cond_proj", s->cond_width, s->channels[0], false))
        return -1;
    if (!s->added_width) return 0;
    if (bind_linear(b, &u->added_in, "add_embedding.linear_1", s->added_width, s->time_width, true)) return -1;
    return bind_linear(b, &u->added_out, "add_embedding.linear_2", s->time_width, s->time_width, true);
}

static int unet_bind(Binder *b, UNet *u)
{
    const Shape *s = &u->s;
    if (bind_conv(b, &u->conv_in, "conv_in", s->in, s->channels[0], 3) || bind_embeddings(b, u)) return -1;
    for (int i = 0; i < s->levels; i++)
        if (bind_down(b, s, &u->down[i], i)) return -1;
    if (bind_mid(b, s, &u->mid)) return -1;
    for (int i = 0; i < s->levels; i++)
        if (bind_up(b, s, &u->up[i], i)) return -1;
    if (bind_norm(b, &u->norm_out, "conv_norm_out", s->channels[0], s->groups, s->eps) ||
        bind_conv(b, &u->conv_out, "conv_out", s->channels[0], s->out, 3))
        return -1;
    return bind_finish(b, NULL);
}

/* The attentions of block i, in the order of the forward; *count of them. */
static Transformer *attentions_of(const UNet *u, int i, int *count)
{
    int levels = u->s.levels;
    const Block *k = i < levels ? &u->down[i] : i == levels ? &u->mid : &u->up[i - levels - 1];
    *count = !k->attentions ? 0 : k == &u->mid ? 1 : k->count;
    return k->attentions;
}

static int place_context(UNet *u)
{
    int columns = 0, count;
    for (int i = 0; i <= 2 * u->s.levels; i++) {
        Transformer *t = attentions_of(u, i, &count);
        for (int j = 0; j < count; j++) columns = transformer_place(&t[j], columns);
    }
    return columns;
}

UNet *unet_new(Config *c, Weights *w, Err *e)
{
    UNet *u = mem_alloc(sizeof *u);
    Binder b;
    binder_init(&b, w, e);
    int failed = shape_read(&u->s, c, e) || shape_check(&u->s, e) ? config_blame(c, e) : unet_bind(&b, u);
    u->memory = binder_take(&b);
    u->weights = u->memory.bytes + u->memory.borrowed;
    u->context_columns = failed ? 0 : place_context(u);
    if (!failed) return u;
    unet_free(u);
    return NULL;
}

static void block_release(Block *k)
{
    for (int i = 0; k->attentions && i < k->count; i++) transformer_release(&k->attentions[i]);
    free(k->attentions);
    free(k->resnets);
}

void unet_free(UNet *u)
{
    if (!u) return;
    for (int i = 0; i < MAX_LEVELS; i++) {
        block_release(&u->down[i]);
        block_release(&u->up[i]);
    }
    block_release(&u->mid);
    bound_release(&u->memory);
    free(u);
}

int unet_in_channels(const UNet *u) { return u->s.in; }
int unet_out_channels(const UNet *u) { return u->s.out; }
int unet_context_width(const UNet *u) { return u->s.context; }
int unet_sample_size(const UNet *u) { return u->s.sample_size; }
int unet_sample_width(const UNet *u) { return u->s.sample_width; }
int unet_added_width(const UNet *u) { return u->s.added_width; }
int unet_added_id_width(const UNet *u) { return u->s.added_ids_dim; }
int unet_cond_width(const UNet *u) { return u->s.cond_width; }
int unet_factor(const UNet *u) { return 1 << (u->s.levels - 1); }
int unet_context_columns(const UNet *u) { return u->context_columns; }
/* Every 3x3 convolution of stride 1. */
static int each_conv(UNet *u, int (*visit)(void *ctx, Conv *c, Err *e), void *ctx, Err *e)
{
    Block *blocks[2 * MAX_LEVELS + 1];
    int count = 0;
    for (int i = 0; i < u->s.levels; i++) blocks[count++] = &u->down[i];
    blocks[count++] = &u->mid;
    for (int i = 0; i < u->s.levels; i++) blocks[count++] = &u->up[i];
    for (int i = 0; i < count; i++) {
        Block *k = blocks[i];
        for (int j = 0; j < k->count; j++)
            if (visit(ctx, &k->resnets[j].conv1, e) || visit(ctx, &k->resnets[j].conv2, e)) return -1;
        if (i > u->s.levels && conv_present(&k->sampler) && visit(ctx, &k->sampler, e)) return -1;
    }
    return visit(ctx, &u->conv_in, e) || visit(ctx, &u->conv_out, e) ? -1 : 0;
}

typedef struct {
    bool rounded;
    size_t bytes;
    const Kernels *kernels;
    BoundMemory *memory;
} Keeping;

static int add_bytes(void *ctx, Conv *c, Err *e)
{
    Keeping *k = ctx;
    (void)e;
    k->bytes += winograd_bytes(c, k->rounded);
    return 0;
}

size_t unet_transformed_bytes(const UNet *u, bool rounded)
{
    Keeping k = { .rounded = rounded };
    Err e;
    each_conv((UNet *)(size_t)u, add_bytes, &k, &e);
    return k.bytes;
}

static int keep(void *ctx, Conv *c, Err *e)
{
    const Keeping *k = ctx;
    return winograd_keep(c, k->kernels, k->rounded, k->memory, e);
}

int unet_keep_transformed(UNet *u, const Kernels *k, bool rounded, Err *e)
{
    return each_conv(u, keep, &(Keeping){ .rounded = rounded, .kernels = k, .memory = &u->memory }, e);
}

const BoundMatrix *unet_matrices(const UNet *u, size_t *count)
{
    *count = u->memory.matrix_count;
    return u->memory.matrices;
}

int unet_layers(const UNet *u) { return u->down[0].count; }
size_t unet_weight_bytes(const UNet *u) { return u->weights; }
size_t unet_bytes(const UNet *u) { return u->memory.bytes; }
size_t unet_borrowed(const UNet *u) { return u->memory.borrowed; }

/* ---- forward ------------------------------------------------------------------------------------------------------- */

/* text_time: pooled text, then the sinusoidal embedding of each id. [n, 1, 1, added_width] */
static Tensor added_input(Nn *nn, const Shape *s, int n, const UNetInputs *in)
{
    Tensor x = tensor_new(nn->arena, n, 1, 1, s->added_width);
    Tensor ids =
        nn_timestep_embedding(nn, in->ids, n * in->id_count, s->added_ids_dim, s->flip_sin_to_cos, s->freq_shift);
    size_t width = (size_t)s->added_width, tail = (size_t)in->id_count * (size_t)s->added_ids_dim, head = width - tail;
    assert(in->pooled.n == n && (size_t)in->pooled.c == head);
    for (size_t i = 0; x.data && i < (size_t)n; i++) {
        memcpy(x.data + i * width, in->pooled.data + i * head, head * sizeof(float));
        memcpy(x.data + i * width + head, ids.data + i * tail, tail * sizeof(float));
    }
    return x;
}

/* The time embedding, silu applied (every residual block begins with it): [n, 1, 1, time_width]. */
static Tensor embed_time(Nn *nn, const UNet *u, int n, float t, const UNetInputs *in)
{
    const Shape *s = &u->s;
    size_t mark = nn->arena->used;
    float *times = arena_alloc(nn->arena, (size_t)n * sizeof *times);
    for (int i = 0; times && i < n; i++) times[i] = t;

    Tensor h = nn_timestep_embedding(nn, times, n, s->channels[0], s->flip_sin_to_cos, s->freq_shift);
    if (linear_present(&u->time_cond) && in->cond) {
        Tensor cond = { (float *)(size_t)in->cond, n, 1, 1, s->cond_width };
        h = nn_linear_add(nn, &u->time_cond, cond, h);
    }
    h = nn_linear(nn, &u->time_in, h);
    nn_act(nn, ACT_SILU, h);
    Tensor emb = nn_linear(nn, &u->time_out, h);
    if (s->added_width) {
        h = nn_linear(nn, &u->added_in, added_input(nn, s, n, in));
        nn_act(nn, ACT_SILU, h);
        emb = nn_linear_add(nn, &u->added_out, h, emb);
    }
    nn_act(nn, ACT_SILU, emb);
    return tensor_keep(nn->arena, mark, emb);
}

void unet_context(Nn *nn, const UNet *u, Tensor context, Tensor kv)
{
    assert(context.c == u->s.context && kv.n == context.n && kv.h == context.h && kv.c == u->context_columns);
    int count;
    for (int i = 0; i <= 2 * u->s.levels; i++) {
        const Transformer *t = attentions_of(u, i, &count);
        for (int j = 0; j < count; j++) transformer_context(nn, &t[j], context, kv);
    }
}

/* The keys and values that the caller has, or else ours. */
static Tensor context_for(Nn *nn, const UNet *u, const UNetInputs *in)
{
    if (in->kv.n) return in->kv;
    Tensor kv = tensor_new(nn->arena, in->context.n, in->context.h, in->context.w, u->context_columns);
    unet_context(nn, u, in->context, kv);
    return kv;
}

/* What a control network found, onto what was kept for the way up, and onto the middle's result. */
static void add_residuals(Nn *nn, Tensor *skips, int count, Tensor middle, const UNetInputs *in)
{
    if (!in->residual_count) return;
    assert(in->residual_count == count + 1);
    for (int i = 0; i < count; i++) nn_add(nn, skips[i], in->residuals[i]);
    nn_add(nn, middle, in->residuals[count]);
}

Tensor unet_forward(Nn *nn, const UNet *u, Tensor x, float t, const UNetInputs *in)
{
    const Shape *s = &u->s;
    size_t entry = nn->arena->used;
    Tensor skips[MAX_SKIPS], kv = context_for(nn, u, in);
    int skip = 0;
    if (in->beside.c) x = nn_concat(nn, x, in->beside);
    assert(x.c == s->in && kv.c == u->context_columns && kv.n == x.n);

    /* 1. the time, as every block wants it */
    Tensor temb = embed_time(nn, u, x.n, t, in);

    /* 2. down: each result is kept for the way up */
    x = skips[skip++] = nn_conv2d(nn, &u->conv_in, x);
    for (int i = 0; i < s->levels; i++) {
        const Block *k = &u->down[i];
        for (int j = 0; j < k->count; j++) {
            size_t mark = nn->arena->used;
            x = resblock_forward(nn, &k->resnets[j], x, temb);
            if (k->attentions) x = tensor_keep(nn->arena, mark, transformer_forward(nn, &k->attentions[j], x, kv));
            skips[skip++] = x;
        }
        if (conv_present(&k->sampler)) x = skips[skip++] = nn_conv2d_down(nn, &k->sampler, x, 1);
    }

    /* 3. the middle */
    size_t base = nn->arena->used;
    for (int j = 0; j < u->mid.count; j++) {
        x = j ? resblock_replace(nn, &u->mid.resnets[j], base, x, temb)
              : resblock_forward(nn, &u->mid.resnets[j], x, temb);
        if (u->mid.attentions && j == 0)
            x = tensor_keep(nn->arena, base, transformer_forward(nn, &u->mid.attentions[0], x, kv));
    }

    add_residuals(nn, skips, skip, x, in);

    /* 4. up: each block takes the skips of its level */
    for (int i = 0; i < s->levels; i++) {
        const Block *k = &u->up[i];
        for (int j = 0; j < k->count; j++) {
            x = resblock_forward(nn, &k->resnets[j], nn_concat(nn, x, skips[--skip]), temb);
            x = tensor_keep(nn->arena, base, x);
            if (k->attentions) x = tensor_keep(nn->arena, base, transformer_forward(nn, &k->attentions[j], x, kv));
        }
        if (conv_present(&k->sampler)) {
            Tensor next = skips[skip - 1];
            x = tensor_keep(nn->arena, base, nn_conv2d_up(nn, &k->sampler, x, next.h, next.w));
        }
    }
    assert(skip == 0);

    /* 5. out */
    x = nn_conv2d_with(nn, &u->conv_out, x, &(With){ .norm = &u->norm_out, .act = ACT_SILU });
    return tensor_keep(nn->arena, entry, x);
}
