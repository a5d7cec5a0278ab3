/* shapes.c - see shapes.h. */
#include "weights/shapes.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LEVELS_MAX = 8, NAME_SIZE = 256 };

int shapes_dim(const Weights *w, int i, const char *fmt, ...)
{
    char name[NAME_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    const Weight *t = weights_find(w, name);
    return t && i < t->ndim && t->shape[i] <= INT_MAX ? (int)t->shape[i] : 0;
}

/* The first of the pieces around "%d" decides the place; a format from a table, never from a file. */
int shapes_count(const Weights *w, const char *fmt)
{
    char name[NAME_SIZE];
    const char *place = strstr(fmt, "%d");
    for (int n = 0;; n++) {
        snprintf(name, sizeof name, "%.*s%d%s", (int)(place - fmt), fmt, n, place + 2);
        if (!weights_find(w, name)) return n;
    }
}

static void add_list(Str *out, const char *key, const int *v, int n)
{
    str_addf(out, ", \"%s\": [", key);
    for (int i = 0; i < n; i++) str_addf(out, "%s%d", i ? ", " : "", v[i]);
    str_add(out, "]");
}

static void add_types(Str *out, const char *key, const char *with, const char *without, const bool *attention, int n)
{
    str_addf(out, ", \"%s\": [", key);
    for (int i = 0; i < n; i++) str_addf(out, "%s\"%s\"", i ? ", " : "", attention[i] ? with : without);
    str_add(out, "]");
}

/* What the levels of a UNet are, from the outside in. */
typedef struct {
    int count, layers;
    int channels[LEVELS_MAX], depth[LEVELS_MAX], heads[LEVELS_MAX];
    bool attention[LEVELS_MAX], upward[LEVELS_MAX];
} Levels;

/*
 * Attention's heads leave no trace in shapes. SD 1.x has 8 on every level and projects by 1x1 convolutions; SD 2.x has
 * heads of 64 channels and projects by linear layers.
 */
static int heads_of(int channels, bool linear, const UNetHints *hints)
{
    int size = hints->head_channels ? hints->head_channels : 64;
    if (hints->heads) return hints->heads;
    return !linear && !hints->head_channels ? 8 : channels % size ? 0 : channels / size;
}

static int read_levels(const Weights *w, bool linear, const UNetHints *hints, Levels *l, Err *e)
{
    char fmt[NAME_SIZE];
    l->count = shapes_count(w, "down_blocks.%d.resnets.0.conv1.weight");
    l->layers = shapes_count(w, "down_blocks.0.resnets.%d.conv1.weight");
    if (l->count < 1 || l->count > LEVELS_MAX)
        return err_set(e, "a UNet of %d levels: expected 1 to %d", l->count, LEVELS_MAX);
    for (int i = 0; i < l->count; i++) {
        l->channels[i] = shapes_dim(w, 0, "down_blocks.%d.resnets.0.conv1.weight", i);
        l->attention[i] = shapes_dim(w, 0, "down_blocks.%d.attentions.0.norm.weight", i) > 0;
        snprintf(fmt, sizeof fmt, "down_blocks.%d.attentions.0.transformer_blocks.%%d.norm1.weight", i);
        l->depth[i] = l->attention[i] ? shapes_count(w, fmt) : 1;
        l->heads[i] = heads_of(l->channels[i], linear, hints);
        if (l->heads[i] == 0)
            return err_set(e, "a UNet level of %d channels with linear projections: limn expects heads of 64 there",
                           l->channels[i]);
        l->upward[l->count - 1 - i] = l->attention[i];
    }
    return 0;
}

int shapes_unet(const Weights *w, const UNetHints *hints, Str *out, Err *e)
{
    Levels l = { 0 };
    const Weight *proj = weights_find(w, "mid_block.attentions.0.proj_in.weight");
    bool linear = proj && proj->ndim == 2;
    int context = shapes_dim(w, 1, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight");

    if (!proj || !context)
        return err_set(e, "a UNet without cross-attention in its middle block: expected SD 1.x or 2.x");
    if (read_levels(w, linear, hints, &l, e)) return -1;
    str_addf(
        out,
        "{\"_class_name\": \"UNet2DConditionModel\", \"sample_size\": %d, \"in_channels\": %d, \"out_channels\": %d",
        hints->sample, shapes_dim(w, 1, "conv_in.weight"), shapes_dim(w, 0, "conv_out.weight"));
    str_addf(out, ", \"layers_per_block\": %d, \"cross_attention_dim\": %d, \"use_linear_projection\": %s", l.layers,
             context, linear ? "true" : "false");
    add_list(out, "block_out_channels", l.channels, l.count);
    add_list(out, "attention_head_dim", l.heads, l.count); /* diffusers' name for the number of heads */
    add_list(out, "transformer_layers_per_block", l.depth, l.count);
    add_types(out, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", l.attention, l.count);
    add_types(out, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", l.upward, l.count);
    str_add(out, "}");
    return 0;
}

int shapes_vae(const Weights *w, double scaling_factor, Str *out, Err *e)
{
    int count = shapes_count(w, "decoder.up_blocks.%d.resnets.0.conv1.weight"), channels[LEVELS_MAX];
    int layers = shapes_count(w, "decoder.up_blocks.0.resnets.%d.conv1.weight") - 1; /* the decoder has one more */
    bool any[LEVELS_MAX] = { false };

    if (count < 1 || count > LEVELS_MAX || layers < 1)
        return err_set(e, "a VAE of %d levels with %d layers: expected 1 to %d levels", count, layers, LEVELS_MAX);
    for (int i = 0; i < count; i++)
        channels[count - 1 - i] = shapes_dim(w, 0, "decoder.up_blocks.%d.resnets.0.conv1.weight", i);
    str_addf(out,
             "{\"_class_name\": \"AutoencoderKL\", \"in_channels\": %d, \"out_channels\": %d, \"latent_channels\": %d",
             weights_find(w, "encoder.conv_in.weight") ? shapes_dim(w, 1, "encoder.conv_in.weight") : 3,
             shapes_dim(w, 0, "decoder.conv_out.weight"), shapes_dim(w, 1, "decoder.conv_in.weight"));
    str_addf(out, ", \"layers_per_block\": %d, \"scaling_factor\": %.9g", layers, scaling_factor);
    if (!weights_find(w, "quant_conv.weight")) str_add(out, ", \"use_quant_conv\": false");
    if (!weights_find(w, "post_quant_conv.weight")) str_add(out, ", \"use_post_quant_conv\": false");
    if (!weights_find(w, "decoder.mid_block.attentions.0.to_q.weight"))
        str_add(out, ", \"mid_block_add_attention\": false");
    add_list(out, "block_out_channels", channels, count);
    add_types(out, "down_block_types", NULL, "DownEncoderBlock2D", any, count);
    add_types(out, "up_block_types", NULL, "UpDecoderBlock2D", any, count);
    str_add(out, "}");
    return 0;
}

int shapes_text(const Weights *w, const char *act, Str *out, Err *e)
{
    int vocab = shapes_dim(w, 0, "text_model.embeddings.token_embedding.weight");
    int width = shapes_dim(w, 1, "text_model.embeddings.token_embedding.weight");
    int layers = shapes_count(w, "text_model.encoder.layers.%d.mlp.fc1.weight");

    if (vocab < 3 || width < 64 || width % 64 || !layers)
        return err_set(e, "a text encoder of width %d with %d ids and %d layers: expected CLIP's, with heads of 64",
                       width, vocab, layers);
    str_addf(out,
             "{\"model_type\": \"clip_text_model\", \"vocab_size\": %d, \"hidden_size\": %d, \"num_hidden_layers\": %d",
             vocab, width, layers);
    str_addf(out, ", \"num_attention_heads\": %d, \"intermediate_size\": %d, \"max_position_embeddings\": %d",
             width / 64, shapes_dim(w, 0, "text_model.encoder.layers.0.mlp.fc1.weight"),
             shapes_dim(w, 0, "text_model.embeddings.position_embedding.weight"));
    str_addf(out, ", \"hidden_act\": \"%s\", \"layer_norm_eps\": 1e-05, \"bos_token_id\": %d, \"eos_token_id\": %d",
             act, vocab - 2, vocab - 1);
    int projection = shapes_dim(w, 0, "text_projection.weight");
    str_addf(out, ", \"projection_dim\": %d}", projection ? projection : width);
    return 0;
}
