/*
 * shape.c - see shape.h.
 *
 * Easy to get wrong: in a config `attention_head_dim` is the number of heads (diffusers' old misnomer).
 */
#include "unet/shape.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_LEVELS = 4, MAX_TRANSFORMER_LAYERS = 64, LEAST_IDS = 5 /* of text_time */ };

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

/* Settings that change the arithmetic, at the one value that limn computes; others that change nothing. */
static void refuse_other_options(Config *c)
{
    const char *act = config_str(c, "act_fn", NULL);
    if (act && strcmp(act, "swish") != 0) config_only_str(c, "act_fn", "silu"); /* two names of one function */
    config_only_str(c, "resnet_time_scale_shift", "default");
    config_only_num(c, "mid_block_scale_factor", 1);
    config_only_num(c, "downsample_padding", 1);
    static const char *const null_only[] = { "encoder_hid_dim", "encoder_hid_dim_type", "quantization_config" };
    for (size_t i = 0; i < sizeof null_only / sizeof *null_only; i++) config_only_null(c, null_only[i]);
    static const char *const harmless[] = { "upcast_attention",      /* everything is f32 here */
                                            "use_linear_projection", /* the same product as a 1x1 convolution */
                                            "addition_embed_type_num_heads", NULL };
    config_ignore(c, harmless);
}

/* The same of the keys that only a whole UNet has. */
static void refuse_unet_options(Config *c)
{
    config_only_str(c, "time_embedding_type", "positional");
    config_only_str(c, "attention_type", "default");
    config_only_bool(c, "center_input_sample", false);
    config_only_bool(c, "dual_cross_attention", false);
    config_only_bool(c, "resnet_skip_time_act", false);
    config_only_bool(c, "class_embeddings_concat", false);
    config_only_num(c, "resnet_out_scale_factor", 1);
    config_only_num(c, "conv_in_kernel", 3);
    config_only_num(c, "conv_out_kernel", 3);
    static const char *const null_only[] = { "time_embedding_act_fn", "timestep_post_act", "cross_attention_norm" };
    for (size_t i = 0; i < sizeof null_only / sizeof *null_only; i++) config_only_null(c, null_only[i]);
    static const char *const harmless[] = { "dropout", "mid_block_only_cross_attention",
                                            /* of training, and of diffusers' EMAModel */
                                            "gradient_checkpointing", "decay", "min_decay", "optimization_step",
                                            "update_after_step", "use_ema_warmup", "inv_gamma", "power", NULL };
    config_ignore(c, harmless);
}

/* Transformer layers: a number a level, or one for each of its attentions. reversed: the way up's, one attention more a level. */
static void read_depths(Config *c, const char *key, const UNetShape *s, bool reversed, int extra,
                        int out[][UNET_MAX_LAYERS + 1])
{
    int counts[UNET_MAX_LEVELS];
    for (int i = 0; i < s->levels; i++) counts[i] = s->layers[reversed ? s->levels - 1 - i : i] + extra;
    config_int_rows(c, key, 1, out[0], &(ConfigRows){ counts, s->levels, UNET_MAX_LAYERS + 1, MAX_TRANSFORMER_LAYERS });
}

static void down_depths(Config *c, UNetShape *s)
{
    static const char *const key = "transformer_layers_per_block";
    read_depths(c, key, s, false, config_nested(c, key) ? 0 : 1, s->depth); /* one more, for the way up */
}

/* The way down's reversed, unless the config lists them. */
static int up_depths(Config *c, UNetShape *s, Err *e)
{
    static const char *const down = "transformer_layers_per_block", *const up = "reverse_transformer_layers_per_block";
    if (config_nested(c, down) && !config_has(c, up))
        return err_set(e, "%s has lists in it, and %s is missing: diffusers asks for both", down, up);
    for (int i = 0; i < s->levels; i++) memcpy(s->up_depth[i], s->depth[s->levels - 1 - i], sizeof s->up_depth[i]);
    if (config_has(c, up)) read_depths(c, up, s, true, 1, s->up_depth);
    return 0;
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

static int levels_read(UNetShape *s, Config *c, Err *e)
{
    static const int default_channels[DEFAULT_LEVELS] = { 320, 640, 1280, 1280 };
    bool listed = config_has(c, "block_out_channels");
    *s = (UNetShape){ .levels = listed ? config_list_len(c, "block_out_channels") : DEFAULT_LEVELS };
    if (s->levels < 1 || s->levels > UNET_MAX_LEVELS)
        return err_set(e, "block_out_channels must be a list of 1 to %d channel counts", UNET_MAX_LEVELS);
    if (listed) config_ints(c, "block_out_channels", 0, s->channels, s->levels, 1, UNET_MAX_CHANNELS);
    else memcpy(s->channels, default_channels, sizeof default_channels);
    config_ints(c, "layers_per_block", 2, s->layers, s->levels, 1, UNET_MAX_LAYERS);
    down_depths(c, s);
    config_ints(c, "attention_head_dim", 8, s->heads, s->levels, 1, 1024);
    if (config_has(c, "num_attention_heads")) config_ints(c, "num_attention_heads", 8, s->heads, s->levels, 1, 1024);
    config_bools(c, "only_cross_attention", false, s->only_cross, s->levels);
    return block_types(c, true, s->levels, s->down_attention, e);
}

static int mid_read(UNetShape *s, Config *c, Err *e)
{
    const char *mid =
        config_has(c, "mid_block_type") ? config_str(c, "mid_block_type", NULL) : "UNetMidBlock2DCrossAttn";
    if (config_is_null(c, "mid_block_type")) s->mid = MID_NONE;
    else if (mid && strcmp(mid, "UNetMidBlock2DCrossAttn") == 0) s->mid = MID_ATTENTION;
    else if (mid && strcmp(mid, "UNetMidBlock2D") == 0) s->mid = MID_PLAIN;
    else
        return err_set(e,
                       "mid_block_type: \"%s\" is not supported (supported: UNetMidBlock2DCrossAttn, UNetMidBlock2D)",
                       mid ? mid : "?");
    return 0;
}

static int embeddings_read(UNetShape *s, Config *c, Err *e)
{
    s->flip_sin_to_cos = config_bool(c, "flip_sin_to_cos", true);
    s->freq_shift = (float)config_num(c, "freq_shift", 0, 0, 1);
    s->time_width = config_int(c, "time_embedding_dim", 4 * s->channels[0], 1, 4 * UNET_MAX_CHANNELS);
    s->cond_width = config_int(c, "time_cond_proj_dim", 0, 0, UNET_MAX_CHANNELS);
    const char *added = config_str(c, "addition_embed_type", NULL);
    if (added && strcmp(added, "text_time") != 0)
        return err_set(e, "addition_embed_type: \"%s\" is not supported (supported: text_time)", added);
    s->added_ids_dim = config_int(c, "addition_time_embed_dim", 0, 0, UNET_MAX_CHANNELS);
    s->added_width = config_int(c, "projection_class_embeddings_input_dim", 0, 0, UNET_MAX_CHANNELS);
    if (!added) s->added_width = s->added_ids_dim = 0;
    else if (s->added_ids_dim < 1 || s->added_width <= LEAST_IDS * s->added_ids_dim)
        return err_set(
            e, "text_time needs addition_time_embed_dim and a projection_class_embeddings_input_dim over %d times it",
            LEAST_IDS);
    return 0;
}

int unet_shape_read_down(UNetShape *s, Config *c, Err *e)
{
    int context[UNET_MAX_LEVELS];
    if (levels_read(s, c, e)) return -1;
    s->in = config_int(c, "in_channels", 4, 1, 1024);
    config_ints(c, "cross_attention_dim", 1280, context, s->levels, 1, UNET_MAX_CHANNELS);
    for (int i = 1; i < s->levels; i++)
        if (context[i] != context[0])
            return err_set(e, "cross_attention_dim: different widths a level are not supported");
    s->context = context[0];
    if (mid_read(s, c, e)) return -1;
    if (config_is_null(c, "norm_num_groups"))
        return err_set(e, "norm_num_groups is null: limn does not run a UNet without norms");
    s->groups = config_int(c, "norm_num_groups", 32, 1, UNET_MAX_CHANNELS);
    s->eps = (float)config_num(c, "norm_eps", 1e-5, 1e-12, 1);
    if (embeddings_read(s, c, e)) return -1;
    refuse_other_options(c);
    return 0;
}

void unet_shape_refuse_labels(Config *c)
{
    config_only_null(c, "class_embed_type");
    config_only_null(c, "num_class_embeds");
}

/* A row of a table for each label, or what is projected in its place. */
static int labels_read(UNetShape *s, Config *c, Err *e)
{
    const char *type = config_str(c, "class_embed_type", NULL);
    if (type && strcmp(type, "projection") != 0)
        return err_set(e, "class_embed_type: \"%.40s\" is not supported (supported: projection)", type);
    s->labels = config_int(c, "num_class_embeds", 0, 0, UNET_MAX_CHANNELS);
    if (!type) return 0;
    s->labels = 0;
    s->label_width = config_int(c, "projection_class_embeddings_input_dim", 0, 0, UNET_MAX_CHANNELS);
    if (s->label_width && !s->added_width) return 0;
    return err_set(e, "class_embed_type \"projection\" needs a projection_class_embeddings_input_dim, and no "
                      "addition_embed_type with it");
}

int unet_shape_read(UNetShape *s, Config *c, Err *e)
{
    int size[2] = { 0, 0 };
    if (config_check_class(c, "UNet2DConditionModel", e) || unet_shape_read_down(s, c, e) || labels_read(s, c, e))
        return -1;
    s->out = config_int(c, "out_channels", 4, 1, 1024);
    if (up_depths(c, s, e) || block_types(c, false, s->levels, s->up_attention, e)) return -1;
    if (config_has(c, "sample_size")) config_ints(c, "sample_size", 0, size, 2, 1, 4096);
    s->sample_size = sample_size(c, size[0]);
    s->sample_width = sample_size(c, size[1]);
    refuse_unet_options(c);
    return config_finish(c, e);
}

int unet_shape_check(const UNetShape *s, Err *e)
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

int unet_shape_skips(const UNetShape *s)
{
    int count = s->levels; /* conv_in, and a downsampler on each level but the last */
    for (int i = 0; i < s->levels; i++) count += s->layers[i];
    return count;
}

static bool level_alike(const UNetShape *a, const UNetShape *b, int i)
{
    const int up = a->levels - 1 - i;
    bool attention = a->down_attention[i] || a->up_attention[up] || (i == a->levels - 1 && a->mid == MID_ATTENTION);
    if (a->channels[i] != b->channels[i] || a->layers[i] != b->layers[i] || (attention && a->heads[i] != b->heads[i]) ||
        a->down_attention[i] != b->down_attention[i] || a->up_attention[i] != b->up_attention[i] ||
        a->only_cross[i] != b->only_cross[i])
        return false;
    for (int k = 0; a->down_attention[i] && k < a->layers[i]; k++)
        if (a->depth[i][k] != b->depth[i][k]) return false;
    for (int k = 0; a->up_attention[i] && k <= a->layers[up]; k++)
        if (a->up_depth[i][k] != b->up_depth[i][k]) return false;
    return true;
}

bool unet_shape_alike(const UNetShape *a, const UNetShape *b)
{
    bool same = a->in == b->in && a->out == b->out && a->levels == b->levels && a->mid == b->mid &&
                a->context == b->context && a->groups == b->groups && a->time_width == b->time_width &&
                a->eps == b->eps && a->freq_shift == b->freq_shift && a->flip_sin_to_cos == b->flip_sin_to_cos &&
                a->cond_width == b->cond_width && a->added_width == b->added_width &&
                a->added_ids_dim == b->added_ids_dim && a->labels == b->labels && a->label_width == b->label_width;
    for (int i = 0; same && i < a->levels; i++) same = level_alike(a, b, i);
    return same;
}
