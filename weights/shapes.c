/* shapes.c - see shapes.h. */
#include "weights/shapes.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LEVELS_MAX = 8,
    LAYERS_MAX = 8,
    NAME_SIZE = 256,
    ID_WIDTH = 256 /* of one size's embedding, in all that is known */
};

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
    int channels[LEVELS_MAX], heads[LEVELS_MAX];
    int depth[LEVELS_MAX][LAYERS_MAX + 1],
        up_depth[LEVELS_MAX][LAYERS_MAX + 1]; /* of each attention; up blocks in their order */
    bool attention[LEVELS_MAX], upward[LEVELS_MAX];
    const char *mid; /* its class; NULL: there is none */
} Levels;

/*
 * Attention's heads leave no trace in shapes. SD 1.x has 8 on every level and projects by 1x1 convolutions; SD 2.x and XL have
 * heads of 64 channels and project by linear layers.
 */
static int heads_of(int channels, bool linear, const UNetHints *hints)
{
    int size = hints->head_channels ? hints->head_channels : 64;
    if (hints->heads) return hints->heads;
    return !linear && !hints->head_channels ? 8 : channels % size ? 0 : channels / size;
}

/* Transformer layers of one attention; 0: it is not there. */
static int depth_of(const Weights *w, const char *block)
{
    char fmt[2 * NAME_SIZE];
    snprintf(fmt, sizeof fmt, "%s.transformer_blocks.%%d.norm1.weight", block);
    return shapes_count(w, fmt);
}

static void read_depths(const Weights *w, Levels *l)
{
    char block[NAME_SIZE];
    for (int i = 0; i < l->count; i++) {
        for (int k = 0; k <= l->layers; k++) {
            snprintf(block, sizeof block, "down_blocks.%d.attentions.%d", i, k);
            l->depth[i][k] = depth_of(w, block);
            snprintf(block, sizeof block, "up_blocks.%d.attentions.%d", i, k);
            l->up_depth[i][k] = depth_of(w, block);
        }
        l->attention[i] = l->depth[i][0] > 0;
        l->upward[i] = l->up_depth[i][0] > 0;
    }
}

static const char *mid_of(const Weights *w)
{
    if (!weights_find(w, "mid_block.resnets.0.conv1.weight")) return NULL;
    return depth_of(w, "mid_block.attentions.0") ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D";
}

static int read_heads(Levels *l, bool linear, const UNetHints *hints, Err *e)
{
    for (int i = 0; i < l->count; i++) {
        bool last = i == l->count - 1, used = l->attention[i] || l->upward[l->count - 1 - i] || last;
        l->heads[i] = heads_of(l->channels[i], linear, hints);
        if (l->heads[i]) continue;
        if (used)
            return err_set(e, "a UNet level of %d channels with linear projections: limn expects heads of 64 there",
                           l->channels[i]);
        l->heads[i] = 1; /* a level without attention has none */
    }
    return 0;
}

static int read_levels(const Weights *w, bool linear, const UNetHints *hints, Levels *l, Err *e)
{
    l->count = shapes_count(w, "down_blocks.%d.resnets.0.conv1.weight");
    l->layers = shapes_count(w, "down_blocks.0.resnets.%d.conv1.weight");
    if (l->count < 1 || l->count > LEVELS_MAX || l->layers < 1 || l->layers > LAYERS_MAX)
        return err_set(e, "a UNet of %d levels of %d layers: expected 1 to %d of 1 to %d", l->count, l->layers,
                       LEVELS_MAX, LAYERS_MAX);
    for (int i = 0; i < l->count; i++) {
        l->channels[i] = shapes_dim(w, 0, "down_blocks.%d.resnets.0.conv1.weight", i);
    }
    read_depths(w, l);
    l->mid = mid_of(w);
    if (read_heads(l, linear, hints, e)) return -1;
    const int *last = l->depth[l->count - 1], mid = depth_of(w, "mid_block.attentions.0");
    if (mid && last[0] && last[0] != mid)
        return err_set(e, "a UNet whose middle has %d transformer layers and whose last level %d: expected as many",
                       mid, last[0]);
    if (mid) l->depth[l->count - 1][0] = mid; /* where the level has none, its number is the middle's */
    return 0;
}

/* Whether the depths are one number a level, and the way up has the way down's. */
static bool is_even(const Levels *l)
{
    for (int i = 0; i < l->count; i++) {
        const int *down = l->depth[i], *up = l->up_depth[l->count - 1 - i];
        for (int k = 0; l->attention[i] && k < l->layers; k++)
            if (down[k] != down[0]) return false;
        for (int k = 0; l->upward[l->count - 1 - i] && k <= l->layers; k++)
            if (up[k] != down[0]) return false;
    }
    return true;
}

/* A level without attention has a 1, which nothing reads. */
static void add_depths(Str *out, const Levels *l, const char *key, const int depth[][LAYERS_MAX + 1], int each)
{
    bool nested = !is_even(l);
    str_addf(out, ", \"%s\": [", key);
    for (int i = 0; i < l->count; i++) {
        str_addf(out, "%s%s", i ? ", " : "", nested ? "[" : "");
        for (int k = 0; k < (nested ? each : 1); k++) {
            int n = depth[i][k] ? depth[i][k] : 1;
            str_addf(out, "%s%d", k ? ", " : "", n);
        }
        str_add(out, nested ? "]" : "");
    }
    str_add(out, "]");
}

int shapes_context(const Weights *w)
{
    static const char end[] = ".attn2.to_k.weight";
    for (size_t i = 0; i < weights_count(w); i++) {
        const Weight *t = weights_at((Weights *)(size_t)w, i);
        if (t->ndim == 2 && t->shape[1] <= INT_MAX && str_ends(t->name, end)) return (int)t->shape[1];
    }
    return 0;
}

/* From this width of the context on (SD 2.x, XL) it is: GGUF files may have a linear layer's matrix as [o, i, 1, 1]. */
static const int CONTEXT_LINEAR = 1024;

/* How attention's input is projected: by the first that there is. */
static bool projects_linearly(const Weights *w)
{
    for (size_t i = 0; i < weights_count(w); i++) {
        const Weight *t = weights_at((Weights *)(size_t)w, i);
        if (str_ends(t->name, ".proj_in.weight")) return t->ndim == 2 || shapes_context(w) >= CONTEXT_LINEAR;
    }
    return false;
}

/* text_time: the embedding added to the timestep's, of which the pooled text is a part. */
static void add_pooled(Str *out, const Weights *w)
{
    int width = shapes_dim(w, 1, "add_embedding.linear_1.weight");
    if (!width) return;
    str_addf(out,
             ", \"addition_embed_type\": \"text_time\", \"addition_time_embed_dim\": %d, "
             "\"projection_class_embeddings_input_dim\": %d",
             ID_WIDTH, width);
}

int shapes_unet(const Weights *w, const UNetHints *hints, Str *out, Err *e)
{
    Levels l = { 0 };
    bool linear = projects_linearly(w);
    int context = shapes_context(w);

    if (!context) return err_set(e, "a UNet without cross-attention: expected SD 1.x, 2.x or XL");
    if (read_levels(w, linear, hints, &l, e)) return -1;
    str_addf(
        out,
        "{\"_class_name\": \"UNet2DConditionModel\", \"sample_size\": %d, \"in_channels\": %d, \"out_channels\": %d",
        hints->sample, shapes_dim(w, 1, "conv_in.weight"), shapes_dim(w, 0, "conv_out.weight"));
    str_addf(out, ", \"layers_per_block\": %d, \"cross_attention_dim\": %d, \"use_linear_projection\": %s", l.layers,
             context, linear ? "true" : "false");
    if (l.mid) str_addf(out, ", \"mid_block_type\": \"%s\"", l.mid);
    else str_add(out, ", \"mid_block_type\": null");
    add_list(out, "block_out_channels", l.channels, l.count);
    add_list(out, "attention_head_dim", l.heads, l.count); /* diffusers' name for the number of heads */
    add_depths(out, &l, "transformer_layers_per_block", l.depth, l.layers);
    if (!is_even(&l)) add_depths(out, &l, "reverse_transformer_layers_per_block", l.up_depth, l.layers + 1);
    add_types(out, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", l.attention, l.count);
    add_types(out, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", l.upward, l.count);
    add_pooled(out, w);
    int guidance = shapes_dim(w, 1, "time_embedding.cond_proj.weight"); /* LCM's */
    if (guidance) str_addf(out, ", \"time_cond_proj_dim\": %d", guidance);
    str_add(out, "}");
    return 0;
}

/* The hint's convolutions: each halving is a block of the width before it, then one that widens. */
static int add_hint(Str *out, const Weights *w, Err *e)
{
    int widths[LEVELS_MAX], halvings = shapes_count(w, "controlnet_cond_embedding.blocks.%d.weight") / 2;
    if (halvings >= LEVELS_MAX)
        return err_set(e, "a ControlNet that halves its picture %d times: expected 3", halvings);
    widths[0] = shapes_dim(w, 0, "controlnet_cond_embedding.conv_in.weight");
    for (int i = 0; i < halvings; i++)
        widths[i + 1] = shapes_dim(w, 0, "controlnet_cond_embedding.blocks.%d.weight", 2 * i + 1);
    str_addf(out, ", \"conditioning_channels\": %d", shapes_dim(w, 1, "controlnet_cond_embedding.conv_in.weight"));
    add_list(out, "conditioning_embedding_out_channels", widths, halvings + 1);
    return 0;
}

int shapes_controlnet(const Weights *w, Str *out, Err *e)
{
    static const UNetHints any = { .heads = 1 };
    Levels l = { 0 };
    if (!shapes_context(w))
        return err_set(e, "a ControlNet without cross-attention: expected one for SD 1.x, 2.x or XL");
    if (read_levels(w, true, &any, &l, e)) return -1;
    if (!l.mid) return err_set(e, "a ControlNet without a middle block: tensors are missing");
    str_addf(out,
             "{\"_class_name\": \"ControlNetModel\", \"in_channels\": %d, \"layers_per_block\": %d, "
             "\"cross_attention_dim\": %d, \"mid_block_type\": \"%s\"",
             shapes_dim(w, 1, "conv_in.weight"), l.layers, shapes_context(w), l.mid);
    int groups = 32;
    for (int i = 0; i < l.count; i++)
        while (l.channels[i] % groups) groups /= 2;
    str_addf(out, ", \"norm_num_groups\": %d", groups);
    add_list(out, "block_out_channels", l.channels, l.count);
    add_list(out, "attention_head_dim", l.heads, l.count);
    add_depths(out, &l, "transformer_layers_per_block", l.depth, l.layers);
    add_types(out, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", l.attention, l.count);
    add_pooled(out, w);
    if (add_hint(out, w, e)) return -1;
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

/*
 * The blocks of each level of an AutoencoderTiny's half. Behind a level, or its upsampling (`between`), stands a convolution
 * without bias; behind the last one with.
 */
static int tiny_blocks(const Weights *w, const char *half, int first, int between, int blocks[LEVELS_MAX])
{
    int levels = 0;
    for (int at = first; levels < LEVELS_MAX; at += between + 1) {
        int *count = &blocks[levels++];
        for (*count = 0; shapes_dim(w, 0, "%s.layers.%d.conv.0.weight", half, at); at++) ++*count;
        if (!shapes_dim(w, 0, "%s.layers.%d.weight", half, at + between) ||
            shapes_dim(w, 0, "%s.layers.%d.bias", half, at + between))
            break;
    }
    return levels;
}

static void add_tiny_half(Str *out, const char *half, int width, const int *blocks, int levels)
{
    int widths[LEVELS_MAX];
    char key[64];
    for (int i = 0; i < levels; i++) widths[i] = width;
    snprintf(key, sizeof key, "%s_block_out_channels", half);
    add_list(out, key, widths, levels);
    snprintf(key, sizeof key, "num_%s_blocks", half);
    add_list(out, key, blocks, levels);
}

int shapes_tiny(const Weights *w, Str *out, Err *e)
{
    int down[LEVELS_MAX], up[LEVELS_MAX], width = shapes_dim(w, 0, "decoder.layers.0.weight");
    int levels = tiny_blocks(w, "decoder", 2, 1, up);
    bool encoder = weights_find(w, "encoder.layers.0.weight");
    if (!width) return err_set(e, "a tiny autoencoder without a decoder: give taesd_decoder.safetensors");
    str_addf(out, "{\"_class_name\": \"AutoencoderTiny\", \"latent_channels\": %d",
             shapes_dim(w, 1, "decoder.layers.0.weight"));
    add_tiny_half(out, "decoder", width, up, levels);
    /* the encoder's own shape, or one that nobody looks at */
    if (encoder) {
        int count = tiny_blocks(w, "encoder", 1, 0, down);
        add_tiny_half(out, "encoder", shapes_dim(w, 0, "encoder.layers.0.weight"), down, count);
    } else {
        add_tiny_half(out, "encoder", width, up, levels);
    }
    str_add(out, "}");
    return 0;
}

/* Heads by width: ViT-B, -L, -H, -g, -bigG; of others, heads of 64 or one. 0: no such width. */
static int image_heads(int width)
{
    static const struct {
        int width, heads;
    } known[] = { { 768, 12 }, { 1024, 16 }, { 1280, 16 }, { 1408, 16 }, { 1664, 16 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].width == width) return known[i].heads;
    return width < 64 ? 1 : width % 64 ? 0 : width / 64;
}

int shapes_image(const Weights *w, Str *out, Err *e)
{
    int width = shapes_dim(w, 0, "vision_model.embeddings.class_embedding");
    int pixels = shapes_dim(w, 1, "vision_model.embeddings.patch_embedding.weight") / 3, patch = 1, across = 1;
    int tokens = shapes_dim(w, 0, "vision_model.embeddings.position_embedding.weight");
    int projection = shapes_dim(w, 0, "visual_projection.weight");
    if (pixels > 1 << 20 || tokens > 1 << 16)
        return err_set(e, "an image encoder with patches of %d pixels and %d tokens: expected CLIP's", pixels, tokens);
    while (patch * patch < pixels) patch++;
    while (across * across < tokens - 1) across++;
    if (!width || !image_heads(width) || patch * patch != pixels || across * across != tokens - 1 || !projection)
        return err_set(e, "an image encoder of width %d with patches of %d pixels and %d tokens: expected CLIP's",
                       width, pixels, tokens);
    bool openai = width == 1024 && projection == 768; /* ViT-L/14 */
    str_addf(out,
             "{\"model_type\": \"clip_vision_model\", \"hidden_size\": %d, \"num_hidden_layers\": %d, "
             "\"intermediate_size\": %d, \"num_attention_heads\": %d, \"image_size\": %d, \"patch_size\": %d, "
             "\"projection_dim\": %d, \"hidden_act\": \"%s\", \"layer_norm_eps\": 1e-05}",
             width, shapes_count(w, "vision_model.encoder.layers.%d.mlp.fc1.weight"),
             shapes_dim(w, 0, "vision_model.encoder.layers.0.mlp.fc1.weight"), image_heads(width), across * patch,
             patch, projection, openai ? "quick_gelu" : "gelu");
    return 0;
}

int shapes_text(const Weights *w, const char *act, bool pooled, Str *out, Err *e)
{
    int vocab = shapes_dim(w, 0, "text_model.embeddings.token_embedding.weight");
    int width = shapes_dim(w, 1, "text_model.embeddings.token_embedding.weight");
    int layers = shapes_count(w, "text_model.encoder.layers.%d.mlp.fc1.weight");

    if (vocab < 3 || width < 64 || width % 64 || !layers)
        return err_set(e, "a text encoder of width %d with %d ids and %d layers: expected CLIP's, with heads of 64",
                       width, vocab, layers);
    str_addf(
        out,
        "{\"architectures\": [\"%s\"], \"model_type\": \"clip_text_model\", \"vocab_size\": %d, \"hidden_size\": %d, "
        "\"num_hidden_layers\": %d",
        pooled ? "CLIPTextModelWithProjection" : "CLIPTextModel", vocab, width, layers);
    str_addf(out, ", \"num_attention_heads\": %d, \"intermediate_size\": %d, \"max_position_embeddings\": %d",
             width / 64, shapes_dim(w, 0, "text_model.encoder.layers.0.mlp.fc1.weight"),
             shapes_dim(w, 0, "text_model.embeddings.position_embedding.weight"));
    str_addf(out, ", \"hidden_act\": \"%s\", \"layer_norm_eps\": 1e-05, \"bos_token_id\": %d, \"eos_token_id\": %d",
             act, vocab - 2, vocab - 1);
    int projection = shapes_dim(w, 0, "text_projection.weight");
    str_addf(out, ", \"projection_dim\": %d}", projection ? projection : width);
    return 0;
}
