/*
 * names.c - see names.h.
 *
 * A pattern is matched against the whole name behind the prefix: '#' stands for a number, a final '*' for any rest. In
 * the replacement %b is the block, %l the layer in it, which the numbers give as `how` says, and '*' is the rest, whose
 * beginning may be renamed by a second table.
 */
#include "weights/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "weights/shapes.h"

/* The end of a name inside a block: "in_layers.0" -> "norm1". */
typedef struct {
    const char *from, *to;
} Leaf;

typedef enum {
    NUM_SAME,  /* block and layer as they stand */
    NUM_DOWN,  /* UNet's input_blocks.n, n >= 1: each level has its layers and a downsampler */
    NUM_UP,    /* UNet's output_blocks.n: each level has its layers and one more */
    NUM_RAISE, /* VAE's up.n: counted from the largest resolution, diffusers counts from the smallest */
    NUM_TEXT,  /* a text block, dropped when it is not needed */
    NUM_POOL,  /* the text's projection, dropped when no pooled text is wanted */
    NUM_LESS,  /* TAESD's decoder: its clamp is number 0 */
} Numbering;

typedef enum {
    KEEP,
    DROP,    /* known, and not needed to draw */
    FLATTEN, /* a 1x1 convolution [c, c, 1, 1] that diffusers has as a linear layer [c, c] */
    SPLIT,   /* query, key and value in one tensor; the replacement has %q where "q", "k", "v" go */
    FOLD,    /* a convolution as wide as its stride [out, in, k, k], as a matrix */
    TURN,    /* [in, out], as x @ p multiplies; [out, in] is wanted */
} Action;

typedef struct {
    const char *from, *to;
    Numbering how;
    const Leaf *leaves;
    Action action;
} NameRule;

static const Leaf unet_resnet[] = {
    { "in_layers.0.", "norm1." },
    { "in_layers.2.", "conv1." },
    { "emb_layers.1.", "time_emb_proj." },
    { "out_layers.0.", "norm2." },
    { "out_layers.3.", "conv2." },
    { "skip_connection.", "conv_shortcut." },
    { NULL, NULL },
};

static const NameRule ldm_unet[] = {
    { "time_embed.0.*", "time_embedding.linear_1.*", NUM_SAME, NULL, KEEP },
    { "time_embed.2.*", "time_embedding.linear_2.*", NUM_SAME, NULL, KEEP },
    { "time_embed.cond_proj.*", "time_embedding.cond_proj.*", NUM_SAME, NULL, KEEP },
    { "label_emb.0.0.*", "add_embedding.linear_1.*", NUM_SAME, NULL, KEEP },
    { "label_emb.0.2.*", "add_embedding.linear_2.*", NUM_SAME, NULL, KEEP },
    { "input_blocks.0.0.*", "conv_in.*", NUM_SAME, NULL, KEEP },
    { "input_blocks.#.0.op.*", "down_blocks.%b.downsamplers.0.conv.*", NUM_DOWN, NULL, KEEP },
    { "input_blocks.#.0.*", "down_blocks.%b.resnets.%l.*", NUM_DOWN, unet_resnet, KEEP },
    { "input_blocks.#.1.*", "down_blocks.%b.attentions.%l.*", NUM_DOWN, NULL, KEEP },
    { "middle_block.0.*", "mid_block.resnets.0.*", NUM_SAME, unet_resnet, KEEP },
    { "middle_block.1.*", "mid_block.attentions.0.*", NUM_SAME, NULL, KEEP },
    { "middle_block.2.*", "mid_block.resnets.1.*", NUM_SAME, unet_resnet, KEEP },
    { "output_blocks.#.0.*", "up_blocks.%b.resnets.%l.*", NUM_UP, unet_resnet, KEEP },
    { "output_blocks.#.1.conv.*", "up_blocks.%b.upsamplers.0.conv.*", NUM_UP, NULL, KEEP },
    { "output_blocks.#.2.conv.*", "up_blocks.%b.upsamplers.0.conv.*", NUM_UP, NULL, KEEP },
    { "output_blocks.#.1.*", "up_blocks.%b.attentions.%l.*", NUM_UP, NULL, KEEP },
    { "out.0.*", "conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "out.2.*", "conv_out.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

/* lllyasviel/ControlNet, cldm.py. What is not named here is as in the UNet. */
static const NameRule ldm_control[] = {
    { "input_hint_block.0.*", "controlnet_cond_embedding.conv_in.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.2.*", "controlnet_cond_embedding.blocks.0.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.4.*", "controlnet_cond_embedding.blocks.1.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.6.*", "controlnet_cond_embedding.blocks.2.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.8.*", "controlnet_cond_embedding.blocks.3.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.10.*", "controlnet_cond_embedding.blocks.4.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.12.*", "controlnet_cond_embedding.blocks.5.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.14.*", "controlnet_cond_embedding.conv_out.*", NUM_SAME, NULL, KEEP },
    { "zero_convs.#.0.*", "controlnet_down_blocks.%b.*", NUM_SAME, NULL, KEEP },
    { "middle_block_out.0.*", "controlnet_mid_block.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const Leaf vae_resnet[] = { { "nin_shortcut.", "conv_shortcut." }, { NULL, NULL } };
static const Leaf vae_attention[] = {
    { "norm.", "group_norm." },   { "q.", "to_q." }, { "k.", "to_k." }, { "v.", "to_v." },
    { "proj_out.", "to_out.0." }, { NULL, NULL },
};

static const NameRule ldm_vae[] = {
    { "encoder.conv_in.*", "encoder.conv_in.*", NUM_SAME, NULL, KEEP },
    { "encoder.down.#.block.#.*", "encoder.down_blocks.%b.resnets.%l.*", NUM_SAME, vae_resnet, KEEP },
    { "encoder.down.#.downsample.conv.*", "encoder.down_blocks.%b.downsamplers.0.conv.*", NUM_SAME, NULL, KEEP },
    { "encoder.mid.block_1.*", "encoder.mid_block.resnets.0.*", NUM_SAME, NULL, KEEP },
    { "encoder.mid.attn_1.*", "encoder.mid_block.attentions.0.*", NUM_SAME, vae_attention, FLATTEN },
    { "encoder.mid.block_2.*", "encoder.mid_block.resnets.1.*", NUM_SAME, NULL, KEEP },
    { "encoder.norm_out.*", "encoder.conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "encoder.conv_out.*", "encoder.conv_out.*", NUM_SAME, NULL, KEEP },
    { "quant_conv.*", "quant_conv.*", NUM_SAME, NULL, KEEP },
    { "post_quant_conv.*", "post_quant_conv.*", NUM_SAME, NULL, KEEP },
    { "decoder.conv_in.*", "decoder.conv_in.*", NUM_SAME, NULL, KEEP },
    { "decoder.mid.block_1.*", "decoder.mid_block.resnets.0.*", NUM_SAME, NULL, KEEP },
    { "decoder.mid.attn_1.*", "decoder.mid_block.attentions.0.*", NUM_SAME, vae_attention, FLATTEN },
    { "decoder.mid.block_2.*", "decoder.mid_block.resnets.1.*", NUM_SAME, NULL, KEEP },
    { "decoder.up.#.block.#.*", "decoder.up_blocks.%b.resnets.%l.*", NUM_RAISE, vae_resnet, KEEP },
    { "decoder.up.#.upsample.conv.*", "decoder.up_blocks.%b.upsamplers.0.conv.*", NUM_RAISE, NULL, KEEP },
    { "decoder.norm_out.*", "decoder.conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "decoder.conv_out.*", "decoder.conv_out.*", NUM_SAME, NULL, KEEP },
    { "loss.*", NULL, NUM_SAME, NULL, DROP },      /* the discriminator of a VAE's training */
    { "model_ema.*", NULL, NUM_SAME, NULL, DROP }, /* averages kept by its training */
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const Leaf old_attention[] = {
    { "query.", "to_q." }, { "key.", "to_k." }, { "value.", "to_v." }, { "proj_attn.", "to_out.0." }, { NULL, NULL },
};

static const NameRule diffusers_vae[] = {
    { "encoder.mid_block.attentions.#.*", "encoder.mid_block.attentions.%b.*", NUM_SAME, old_attention, FLATTEN },
    { "decoder.mid_block.attentions.#.*", "decoder.mid_block.attentions.%b.*", NUM_SAME, old_attention, FLATTEN },
    { "encoder.*", "encoder.*", NUM_SAME, NULL, KEEP },
    { "decoder.*", "decoder.*", NUM_SAME, NULL, KEEP },
    { "quant_conv.*", "quant_conv.*", NUM_SAME, NULL, KEEP },
    { "post_quant_conv.*", "post_quant_conv.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule taesd[] = {
    { "#.*", "layers.%b.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule taesd_raised[] = {
    { "#.*", "layers.%b.*", NUM_LESS, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule diffusers_unet[] = {
    { "conv_in.*", "conv_in.*", NUM_SAME, NULL, KEEP },
    { "time_embedding.*", "time_embedding.*", NUM_SAME, NULL, KEEP },
    { "add_embedding.*", "add_embedding.*", NUM_SAME, NULL, KEEP },
    { "class_embedding.*", "class_embedding.*", NUM_SAME, NULL, KEEP },
    { "down_blocks.*", "down_blocks.*", NUM_SAME, NULL, KEEP },
    { "mid_block.*", "mid_block.*", NUM_SAME, NULL, KEEP },
    { "up_blocks.*", "up_blocks.*", NUM_SAME, NULL, KEEP },
    { "conv_norm_out.*", "conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "conv_out.*", "conv_out.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const Leaf openclip_block[] = {
    { "ln_1.", "layer_norm1." },
    { "ln_2.", "layer_norm2." },
    { "mlp.c_fc.", "mlp.fc1." },
    { "mlp.c_proj.", "mlp.fc2." },
    { "attn.out_proj.", "self_attn.out_proj." },
    { NULL, NULL },
};

static const NameRule openclip_text[] = {
    { "token_embedding.weight", "text_model.embeddings.token_embedding.weight", NUM_SAME, NULL, KEEP },
    { "positional_embedding", "text_model.embeddings.position_embedding.weight", NUM_SAME, NULL, KEEP },
    { "transformer.resblocks.#.attn.in_proj_weight", "text_model.encoder.layers.%b.self_attn.%q_proj.weight", NUM_TEXT,
      NULL, SPLIT },
    { "transformer.resblocks.#.attn.in_proj_bias", "text_model.encoder.layers.%b.self_attn.%q_proj.bias", NUM_TEXT,
      NULL, SPLIT },
    { "transformer.resblocks.#.*", "text_model.encoder.layers.%b.*", NUM_TEXT, openclip_block, KEEP },
    { "ln_final.*", "text_model.final_layer_norm.*", NUM_SAME, NULL, KEEP },
    { "text_projection", "text_projection.weight", NUM_POOL, NULL, TURN },
    { "text_projection.weight", "text_projection.weight", NUM_POOL, NULL,
      KEEP }, /* a file that was converted by halves */
    { "logit_scale", NULL, NUM_SAME, NULL, DROP },
    { "logit_bias", NULL, NUM_SAME, NULL, DROP },
    { "visual.*", NULL, NUM_SAME, NULL, DROP },  /* the half for pictures */
    { "attn_mask", NULL, NUM_SAME, NULL, DROP }, /* the causal mask, stored as a buffer */
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule clip_text[] = {
    { "text_model.embeddings.position_ids", NULL, NUM_SAME, NULL, DROP }, /* 0, 1, 2, ... */
    { "text_model.encoder.layers.#.self_attn.in_proj.weight", "text_model.encoder.layers.%b.self_attn.%q_proj.weight",
      NUM_TEXT, NULL, SPLIT }, /* as stable-diffusion.cpp writes OpenCLIP's */
    { "text_model.encoder.layers.#.self_attn.in_proj.bias", "text_model.encoder.layers.%b.self_attn.%q_proj.bias",
      NUM_TEXT, NULL, SPLIT },
    { "text_model.encoder.layers.#.*", "text_model.encoder.layers.%b.*", NUM_TEXT, NULL, KEEP },
    { "text_model.text_projection", "text_projection.weight", NUM_POOL, NULL, TURN },
    { "text_model.*", "text_model.*", NUM_SAME, NULL, KEEP },
    { "embeddings.position_ids", NULL, NUM_SAME, NULL, DROP },
    { "embeddings.*", "text_model.embeddings.*", NUM_SAME, NULL, KEEP }, /* as transformers 5.6 and later save it */
    { "encoder.*", "text_model.encoder.*", NUM_SAME, NULL, KEEP },
    { "final_layer_norm.*", "text_model.final_layer_norm.*", NUM_SAME, NULL, KEEP },
    { "text_projection.*", "text_projection.*", NUM_SAME, NULL, KEEP },
    { "logit_scale", NULL, NUM_SAME, NULL, DROP },
    { "vision_model.*", NULL, NUM_SAME, NULL, DROP }, /* the half for pictures */
    { "visual_projection.*", NULL, NUM_SAME, NULL, DROP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

/* CLIP's half for pictures. */
static const NameRule clip_image[] = {
    { "vision_model.embeddings.position_ids", NULL, NUM_SAME, NULL, DROP },
    { "vision_model.embeddings.patch_embedding.weight", "vision_model.embeddings.patch_embedding.weight", NUM_SAME,
      NULL, FOLD },
    { "vision_model.*", "vision_model.*", NUM_SAME, NULL, KEEP },
    { "visual_projection.*", "visual_projection.*", NUM_SAME, NULL, KEEP },
    { "embeddings.position_ids", NULL, NUM_SAME, NULL, DROP },
    { "embeddings.patch_embedding.weight", "vision_model.embeddings.patch_embedding.weight", NUM_SAME, NULL, FOLD },
    { "embeddings.*", "vision_model.embeddings.*", NUM_SAME, NULL, KEEP },
    { "encoder.*", "vision_model.encoder.*", NUM_SAME, NULL, KEEP },
    { "pre_layrnorm.*", "vision_model.pre_layrnorm.*", NUM_SAME, NULL, KEEP },
    { "post_layernorm.*", "vision_model.post_layernorm.*", NUM_SAME, NULL, KEEP },
    { "text_model.*", NULL, NUM_SAME, NULL, DROP }, /* the other half */
    { "text_projection.*", NULL, NUM_SAME, NULL, DROP },
    { "logit_scale", NULL, NUM_SAME, NULL, DROP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule openclip_image[] = {
    { "class_embedding", "vision_model.embeddings.class_embedding", NUM_SAME, NULL, KEEP },
    { "positional_embedding", "vision_model.embeddings.position_embedding.weight", NUM_SAME, NULL, KEEP },
    { "conv1.weight", "vision_model.embeddings.patch_embedding.weight", NUM_SAME, NULL, FOLD },
    { "ln_pre.*", "vision_model.pre_layrnorm.*", NUM_SAME, NULL, KEEP },
    { "ln_post.*", "vision_model.post_layernorm.*", NUM_SAME, NULL, KEEP },
    { "proj", "visual_projection.weight", NUM_SAME, NULL, TURN },
    { "transformer.resblocks.#.attn.in_proj_weight", "vision_model.encoder.layers.%b.self_attn.%q_proj.weight",
      NUM_SAME, NULL, SPLIT },
    { "transformer.resblocks.#.attn.in_proj_bias", "vision_model.encoder.layers.%b.self_attn.%q_proj.bias", NUM_SAME,
      NULL, SPLIT },
    { "transformer.resblocks.#.*", "vision_model.encoder.layers.%b.*", NUM_SAME, openclip_block, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule *const tables[NAMES_COUNT] = {
    [NAMES_LDM_UNET] = ldm_unet,
    [NAMES_LDM_VAE] = ldm_vae,
    [NAMES_OPENCLIP_TEXT] = openclip_text,
    [NAMES_CLIP_TEXT] = clip_text,
    [NAMES_DIFFUSERS_UNET] = diffusers_unet,
    [NAMES_DIFFUSERS_VAE] = diffusers_vae,
    [NAMES_TAESD] = taesd,
    [NAMES_TAESD_RAISED] = taesd_raised,
    [NAMES_LDM_CONTROL] = ldm_control,
    [NAMES_CLIP_IMAGE] = clip_image,
    [NAMES_OPENCLIP_IMAGE] = openclip_image,
};

/* Where a table has no rule, that of another one. */
static const NameRule *const behind[NAMES_COUNT] = { [NAMES_LDM_CONTROL] = ldm_unet };

/* What a pattern found in a name. */
typedef struct {
    int numbers[2];
    const char *rest; /* "" without a '*' */
} Match;

static bool match(const char *pattern, const char *name, Match *m)
{
    int count = 0;
    *m = (Match){ .rest = "" };
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            m->rest = name;
            return true;
        }
        if (*pattern != '#') {
            if (*name++ != *pattern) return false;
            continue;
        }
        size_t digits = strspn(name, "0123456789");
        if (!digits || digits > 4) return false;
        m->numbers[count++] = atoi(name);
        name += digits;
    }
    return !*name;
}

/* From the file's numbers to diffusers' block and layer; false when there is no such block. */
static bool renumber(Numbering how, NameShape s, Match *m)
{
    int n = m->numbers[0];
    switch (how) {
    case NUM_SAME: return true;
    case NUM_DOWN:
        n--; /* block 0 is conv_in */
        break;
    case NUM_UP: break;
    case NUM_RAISE: m->numbers[0] = s.levels - 1 - n; return n < s.levels;
    case NUM_TEXT:
    case NUM_POOL: return true;
    case NUM_LESS: return m->numbers[0]-- > 0;
    }
    if (n < 0) return false;
    m->numbers[0] = n / (s.layers + 1);
    m->numbers[1] = n % (s.layers + 1);
    return m->numbers[0] < s.levels;
}

static void write_name(Str *out, const NameRule *r, const Match *m, char projection)
{
    str_clear(out);
    for (const char *p = r->to; *p; p++) {
        if (*p == '%') {
            p++;
            if (*p == 'q') str_addn(out, &projection, 1);
            else str_addf(out, "%d", m->numbers[*p == 'l']);
        } else if (*p == '*') {
            const char *rest = m->rest;
            for (const Leaf *l = r->leaves; l && l->from; l++) {
                if (!str_starts(rest, l->from)) continue;
                str_add(out, l->to);
                rest += strlen(l->from);
                break;
            }
            str_add(out, rest);
        } else {
            str_addn(out, p, 1);
        }
    }
}

/* A third of a tensor along its first dimension. */
static int add_third(Weights *out, const char *name, const Weight *t, int third, Err *e)
{
    Weight part = *t;
    if (!t->ndim || t->shape[0] % 3) {
        char shape[SHOWN_MAX];
        return err_set(e, "shape %s: the first dimension should be 3 times the width (query, key, value)",
                       weight_shape_text(t, shape, sizeof shape));
    }
    if (weight_count(t) / 3 % dtype_block(t->dtype))
        return err_set(e, "its blocks of %zu numbers do not end where query, key and value do", dtype_block(t->dtype));
    part.shape[0] /= 3;
    part.bytes /= 3;
    part.data += (size_t)third * part.bytes;
    if (part.scales > 1) {
        part.scales /= 3;
        part.scale += (size_t)third * part.scales * dtype_size(part.scale_type);
    }
    return weights_add(out, name, &part, e);
}

/* Rows become columns, in memory of the tensor's own; as f32 where they lie in blocks or have scales. */
static int turn(Weight *t, Err *e)
{
    char shape[SHOWN_MAX];
    if (t->ndim != 2) return err_set(e, "shape %s: a matrix is expected", weight_shape_text(t, shape, sizeof shape));
    const bool unpacked = dtype_computes(t->dtype) && (dtype_block(t->dtype) > 1 || t->scale);
    const size_t rows = (size_t)t->shape[0], columns = (size_t)t->shape[1];
    const size_t size = unpacked ? sizeof(float) : dtype_size(t->dtype), bytes = rows * columns * size;
    t->own = mem_try(bytes);
    if (!t->own) return err_set(e, "out of memory for its %zu bytes", bytes);
    float *line = mem_array(columns + 1, sizeof *line);
    for (size_t i = 0; i < rows; i++) {
        const unsigned char *row = unpacked ? (const unsigned char *)line : t->data + i * columns * size;
        if (unpacked) weight_values(t, i * columns, columns, line);
        for (size_t k = 0; k < columns; k++) memcpy(t->own + (k * rows + i) * size, row + k * size, size);
    }
    free(line);
    if (unpacked) t->dtype = DT_F32, t->scale = NULL;
    t->data = t->own;
    t->bytes = bytes;
    t->shape[0] = (int64_t)columns;
    t->shape[1] = (int64_t)rows;
    return 0;
}

static int add_converted(Weights *out, const NameRule *r, const Match *m, const Weight *t, Err *e)
{
    Str name = { 0 };
    Weight view = *t;
    int failed = 0;

    view.used = false;
    if (r->action == FLATTEN)
        while (view.ndim > 2 && view.shape[view.ndim - 1] == 1) view.ndim--;
    if (r->action == FOLD)
        for (; view.ndim > 2; view.ndim--) view.shape[1] *= view.shape[view.ndim - 1];
    if (r->action == TURN && turn(&view, e)) return -1;
    if (r->action == SPLIT) {
        for (int i = 0; i < 3 && !failed; i++) {
            write_name(&name, r, m, "qkv"[i]);
            failed = add_third(out, name.s, &view, i, e);
        }
    } else {
        write_name(&name, r, m, 0);
        failed = weights_add(out, name.s, &view, e);
    }
    str_release(&name);
    return failed;
}

/* The first rule that fits; NULL when none does. */
static const NameRule *find_rule(NameTable table, const char *name, NameShape shape, Match *m)
{
    for (const NameRule *r = behind[table] ? tables[table] : NULL; r && r->from; r++)
        if (match(r->from, name, m)) return renumber(r->how, shape, m) ? r : NULL;
    const NameRule *rules = behind[table] ? behind[table] : tables[table];
    for (const NameRule *r = rules; r->from; r++)
        if (match(r->from, name, m)) return renumber(r->how, shape, m) ? r : NULL;
    return NULL;
}

/* Whether a name begins with a word that a name of the table begins with, up to its first '.'. */
static bool is_related(const NameRule *rules, const char *name)
{
    size_t len = strcspn(name, ".");
    if (!rules) return false;
    for (const NameRule *r = rules; r->from; r++)
        if (strcspn(r->from, ".") == len && strncmp(r->from, name, len) == 0) return true;
    return false;
}

int names_numbering(const Weights *w, const char *prefix, NameShape *s, Err *e)
{
    int blocks = 1; /* 0 is conv_in */
    *s = (NameShape){ .levels = 1 };
    for (;; blocks++) {
        bool down = shapes_dim(w, 0, "%sinput_blocks.%d.0.op.weight", prefix, blocks) > 0;
        if (!down && !shapes_dim(w, 0, "%sinput_blocks.%d.0.in_layers.2.weight", prefix, blocks)) break;
        if (!down) continue;
        if (s->levels++ == 1) s->layers = blocks - 1;
    }
    if (s->levels == 1) s->layers = blocks - 1;
    if (s->layers < 1 || blocks != s->levels * (s->layers + 1))
        return err_set(e, "a UNet of %d input blocks on %d levels, which do not divide evenly: tensors are missing",
                       blocks, s->levels);
    return 0;
}

Weights *names_convert(Weights *all, const char *prefix, NameTable table, NameShape shape, Err *e)
{
    char buf[SHOWN_MAX];
    Weights *out = weights_new();
    size_t len = strlen(prefix);

    for (size_t i = 0; i < weights_count(all); i++) {
        Match m;
        Weight *t = weights_at(all, i);
        if (t->folded || strncmp(t->name, prefix, len) != 0) continue;
        const NameRule *r = find_rule(table, t->name + len, shape, &m);
        if (!r && !len && !is_related(tables[table], t->name) && !is_related(behind[table], t->name)) continue;
        if (!r) {
            err_set(e, "limn does not know the tensor \"%s\"", shown(t->name, buf));
            goto fail;
        }
        t->used = true;
        bool unused_block = r->how == NUM_TEXT && shape.text_layers && m.numbers[0] >= shape.text_layers;
        if (r->action == DROP || unused_block || (r->how == NUM_POOL && !shape.pooled)) continue;
        if (add_converted(out, r, &m, t, e)) {
            err_in(e, shown(t->name, buf));
            goto fail;
        }
    }
    return out;

fail:
    weights_free(out);
    return NULL;
}

/* ---- the way back ---------------------------------------------------------------------------------------------------- */

/* Against the pattern of diffusers' names: %b and %l are numbers (-1: it has none), %q a letter. */
static bool match_back(const char *pattern, const char *name, Match *m, char *projection)
{
    *m = (Match){ .numbers = { -1, -1 }, .rest = "" };
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            m->rest = name;
            return true;
        }
        if (*pattern != '%') {
            if (*name++ != *pattern) return false;
            continue;
        }
        if (*++pattern == 'q') {
            *projection = *name++;
            if (!strchr("qkv", *projection) || !*projection) return false;
            continue;
        }
        size_t digits = strspn(name, "0123456789");
        if (!digits || digits > 4) return false;
        m->numbers[*pattern == 'l'] = atoi(name);
        name += digits;
    }
    return !*name;
}

/* The reverse of renumber(). A sampler stands behind the level's layers. */
static bool number_back(Numbering how, NameShape s, Match *m)
{
    int *n = m->numbers, layer = n[1] < 0 ? s.layers : n[1];
    switch (how) {
    case NUM_DOWN: n[0] = n[0] * (s.layers + 1) + layer + 1; return true;
    case NUM_UP: n[0] = n[0] * (s.layers + 1) + layer; return true;
    case NUM_RAISE: n[0] = s.levels - 1 - n[0]; return n[0] >= 0;
    case NUM_LESS: n[0]++; return true;
    case NUM_SAME:
    case NUM_TEXT:
    case NUM_POOL: return true;
    }
    return false;
}

static void write_back(Str *out, const NameRule *r, const Match *m)
{
    int number = 0;
    str_clear(out);
    for (const char *p = r->from; *p; p++) {
        if (*p == '#') str_addf(out, "%d", m->numbers[number++]);
        else if (*p != '*') str_addn(out, p, 1);
    }
    const char *rest = m->rest;
    for (const Leaf *l = r->leaves; l && l->from; l++) {
        if (!str_starts(rest, l->to)) continue;
        str_add(out, l->from);
        rest += strlen(l->to);
        break;
    }
    str_add(out, rest);
}

/* An upsampler stands behind the transformer where its level has one. */
static bool is_elsewhere(const NameRule *r, NameShape s, const Match *m)
{
    bool attention = r->how == NUM_UP && m->numbers[0] >= 0 && (s.up_attention >> m->numbers[0] & 1);
    if (strstr(r->from, "#.1.conv.")) return attention;
    return strstr(r->from, "#.2.conv.") && !attention;
}

bool names_back(const char *name, NameTable table, NameShape shape, Str *out, NameBack *how, int *third)
{
    static const NameBack of[] = {
        [KEEP] = BACK_SAME, [FLATTEN] = BACK_CONV, [SPLIT] = BACK_THIRD, [TURN] = BACK_TURNED
    };
    for (const NameRule *r = tables[table]; r && r->from; r++) {
        Match m;
        char projection = 'q';
        if (!r->to || (r->action == SPLIT && table == NAMES_CLIP_TEXT)) continue; /* transformers has no joined ones */
        if (!match_back(r->to, name, &m, &projection) || is_elsewhere(r, shape, &m)) continue;
        if (!number_back(r->how, shape, &m)) return false;
        write_back(out, r, &m);
        *how = of[r->action];
        *third = projection == 'q' ? 0 : projection == 'k' ? 1 : 2;
        return true;
    }
    return false;
}
