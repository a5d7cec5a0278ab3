/*
 * parts_file.c - a model as one safetensors file in LDM naming: SD 1.x and 2.x as their makers released them, and what
 * people merge and fine-tune from them. There is no config: names and shapes tell.
 * Source: CompVis/stable-diffusion and Stability-AI/stablediffusion (configs, module names); what is done where is in
 * docs/models.md.
 */
#define _GNU_SOURCE /* strcasestr */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "weights/json.h"
#include "weights/kind.h"
#include "weights/names.h"
#include "weights/safetensors.h"
#include "weights/shapes.h"

#define UNET     "model.diffusion_model."
#define VAE      "first_stage_model."
#define CLIP     "cond_stage_model.transformer."
#define OPENCLIP "cond_stage_model.model."

/* In files besides the networks, and not needed to draw. A name ending in '*' stands for all that begin so. */
static const char *const others[] = {
    /* averages of a training */
    "model_ema.*",
    "lvlb_weights",
    "logvar",
    "first_stage_model.loss.*",
    /* what follows from the noise schedule */
    "betas",
    "alphas_cumprod*",
    "sqrt_*",
    "log_one_minus_alphas_cumprod",
    "posterior_*",
    "ddim_*",
    "denoiser.*",
    "scale_factor",
    /* marks (guess_prediction()) */
    "global_step",
    "v_pred",
    "ztsnr",
    /* of the text encoder's training */
    "cond_stage_model.logit_scale",
    "embedding_manager.*",
};

static bool is_other(const char *name)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t len = strlen(others[i]);
        if (others[i][len - 1] == '*' ? strncmp(name, others[i], len - 1) == 0 : strcmp(name, others[i]) == 0)
            return true;
    }
    return false;
}

/* How input_blocks are numbered: each level has `layers` blocks, then, but for the last, a downsampler. */
static int unet_numbering(const Weights *w, NameShape *s, Err *e)
{
    int blocks = 1; /* 0 is conv_in */
    *s = (NameShape){ .levels = 1 };
    for (;; blocks++) {
        bool down = shapes_dim(w, 0, UNET "input_blocks.%d.0.op.weight", blocks) > 0;
        if (!down && !shapes_dim(w, 0, UNET "input_blocks.%d.0.in_layers.2.weight", blocks)) break;
        if (!down) continue;
        if (s->levels++ == 1) s->layers = blocks - 1;
    }
    if (s->levels == 1) s->layers = blocks - 1;
    if (s->layers < 1 || blocks != s->levels * (s->layers + 1))
        return err_set(e, "a UNet of %d input blocks on %d levels, which do not divide evenly: tensors are missing",
                       blocks, s->levels);
    return 0;
}

static int take_unet(Parts *parts, Weights *all, Err *e)
{
    NameShape s;
    Part *p = &parts->part[PART_UNET];
    if (unet_numbering(all, &s, e)) return -1;
    return (p->weights = names_convert(all, UNET, NAMES_LDM_UNET, s, e)) ? 0 : -1;
}

/* prefix: "first_stage_model." or "" */
static int take_vae(Part *p, Weights *all, const char *prefix, Err *e)
{
    char fmt[64] = "";
    strcat(strcat(fmt, prefix), "decoder.up.%d.block.0.conv1.weight");
    NameShape s = { .levels = shapes_count(all, fmt) };
    if (!s.levels) return err_set(e, "no VAE in it (%sdecoder.*): give one with --vae", prefix);
    p->weights = names_convert(all, prefix, NAMES_LDM_VAE, s, e);
    return p->weights ? shapes_vae(p->weights, &p->config, e) : -1;
}

static int take_text(Parts *parts, Weights *all, Err *e)
{
    Part *p = &parts->part[PART_TEXT];
    int blocks = shapes_count(all, OPENCLIP "transformer.resblocks.%d.ln_1.weight");
    if (blocks) {
        /* SD 2.x takes the output of the last block but one of ViT-H's 24; some files were saved without the last */
        NameShape s = { .text_layers = blocks == 23 ? blocks : blocks - 1 };
        p->weights = names_convert(all, OPENCLIP, NAMES_OPENCLIP_TEXT, s, e);
    } else {
        p->weights = names_convert(all, CLIP, NAMES_CLIP_TEXT, (NameShape){ 0 }, e);
    }
    if (!p->weights) return -1;
    if (!weights_count(p->weights))
        return err_set(e, "no text encoder in it (" CLIP "* or " OPENCLIP "*): it is not a whole checkpoint");

    /* wherever the vocabulary comes from, the padding is what this text encoder was trained with */
    parts->tokenizer[0].files.added.pad = blocks ? "!" : "<|endoftext|>";
    parts->tokenizer[0].files.max = shapes_dim(p->weights, 0, "text_model.embeddings.position_embedding.weight");
    return shapes_text(p->weights, blocks ? "gelu" : "quick_gelu", &p->config, e);
}

static bool has_word(const char *text, const char *const *words)
{
    for (; text && *words; words++)
        if (strcasestr(text, *words)) return true;
    return false;
}

/* What a model predicts cannot be seen from shapes: the signs are asked in turn, the surest first. */
static Prediction guess_prediction(const Parts *parts, const Weights *all, int in, int context, char **note)
{
    static const char *const v_words[] = { "v_prediction", "v-pred", "vpred", "v_pred", "768-v", "768v", NULL };
    static const char *const v_sizes[] = { "768", NULL };
    static const char *const eps_words[] = { "epsilon",  "512-base", "2-base", "2-1-base",
                                             "2.1-base", "_512",     "-512",   NULL };
    static const char *const keys[] = { "modelspec.prediction_type", "prediction_type", "modelspec.architecture",
                                        "modelspec.resolution", NULL };
    if (weights_find(all, "v_pred")) return PREDICT_V;

    for (const char *const *k = keys; *k; k++) {
        char *value = safetensors_metadata(parts->file, *k);
        bool v = has_word(value, v_words) || (value && strcmp(value, "v") == 0);
        bool eps = has_word(value, eps_words);
        bool v_size = context == 1024 && has_word(value, v_sizes);
        free(value);
        if (v || v_size) return PREDICT_V;
        if (eps) return PREDICT_EPSILON;
    }
    if (has_word(parts->name, v_words)) return PREDICT_V;
    if (context != 1024 || in != 4) return PREDICT_EPSILON; /* inpainting and depth were made from 2.0 base */

    const Weight *step = weights_find(all, "global_step");
    int64_t value = 0;
    if (step && step->dtype == DT_I64 && step->bytes == sizeof value) memcpy(&value, step->data, sizeof value);
    if (value) return value == 875000 ? PREDICT_EPSILON : PREDICT_V; /* 2.0 base; 110000: 2.1 */
    if (has_word(parts->name, eps_words)) return PREDICT_EPSILON;
    if (!has_word(parts->name, v_sizes))
        *note = mem_strdup("SD 2.x, taken for a v-prediction model (768) as most are; if it draws only noise, use "
                           "--prediction epsilon");
    return PREDICT_V;
}

/* As in the folders of SD 1.5 and 2.1. */
static void describe_noise(Parts *parts, Prediction predict, bool zero_snr)
{
    str_addf(&parts->scheduler,
             "{\"_class_name\": \"%s\", \"num_train_timesteps\": 1000, \"beta_schedule\": \"scaled_linear\", "
             "\"beta_start\": 0.00085, \"beta_end\": 0.012, \"clip_sample\": false, \"set_alpha_to_one\": false, "
             "\"steps_offset\": 1, \"timestep_spacing\": \"%s\", \"prediction_type\": \"%s\", "
             "\"rescale_betas_zero_snr\": %s}",
             predict == PREDICT_V ? "DDIMScheduler" : "PNDMScheduler", zero_snr ? "trailing" : "leading",
             predict == PREDICT_V ? "v_prediction" : "epsilon", zero_snr ? "true" : "false");
    parts->scheduler_where = mem_strdup("scheduler of a single file");
}

/* Every tensor is in a network or known not to matter. */
static int check_rest(Weights *all, bool own_vae, Err *e)
{
    char buf[SHOWN_MAX], shape[SHOWN_MAX];
    for (size_t i = 0; i < weights_count(all); i++) {
        const Weight *t = weights_at(all, i);
        if (t->used || is_other(t->name) || (own_vae && str_starts(t->name, VAE))) continue;
        return err_set(e, "limn does not know the tensor \"%s\" of shape %s: not a plain SD 1.x or 2.x checkpoint",
                       shown(t->name, buf), weight_shape_text(t, shape, sizeof shape));
    }
    return 0;
}

static int split_checkpoint(Parts *parts, Weights *all, const ModelPaths *p, Err *e)
{
    Part *unet = &parts->part[PART_UNET];
    if (take_unet(parts, all, e) || take_text(parts, all, e)) return -1;
    if (!p->vae && take_vae(&parts->part[PART_VAE], all, VAE, e)) return -1;
    if (check_rest(all, p->vae != NULL, e)) return -1;

    int in = shapes_dim(unet->weights, 1, "conv_in.weight");
    int context = shapes_dim(unet->weights, 1, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight");
    Prediction predict = guess_prediction(parts, all, in, context, &parts->note);
    describe_noise(parts, predict, weights_find(all, "ztsnr") != NULL);
    return shapes_unet(unet->weights, context == 1024 && predict == PREDICT_V ? 96 : 64, &unet->config, e);
}

int parts_open_file(Parts *parts, const char *path, const ModelPaths *p, Err *e)
{
    Weights *all = weights_new();
    int failed = -1;

    if (file_map_as(&parts->file, &parts->file_id, path, e)) goto done;
    parts->hashed = parts->file;
    parts->hashed_id = parts->file_id;
    parts->hashed_path = mem_strdup(path);
    for (int i = 0; i < PART_COUNT; i++) {
        parts->part[i].where = mem_strdup(path);
        parts->part[i].config_where = mem_strdup(path);
    }
    if (safetensors_read(all, parts->file, e)) {
        err_in(e, path);
        goto done;
    }
    const Kind *kind = kind_of(all);
    if (kind->id != KIND_CHECKPOINT) {
        err_set(e, "%s: this is %s: %s", path, kind->what, kind->advice);
        goto done;
    }
    if (split_checkpoint(parts, all, p, e)) {
        err_in(e, path);
        goto done;
    }
    failed = p->tokenizer ? 0 : parts_find_tokenizer(parts, path, p->no_weights, e);

done:
    weights_free(all);
    return failed;
}

static int open_vae_file(Parts *parts, const char *path, Err *e)
{
    Part *part = &parts->part[PART_VAE];
    Weights *all = weights_new();
    int failed = -1;

    part->where = mem_strdup(path);
    part->config_where = mem_strdup(path);
    if (file_map_as(&parts->vae_file, &parts->vae_file_id, path, e)) goto done;
    if (safetensors_read(all, parts->vae_file, e)) {
        err_in(e, path);
        goto done;
    }
    const Kind *kind = kind_of(all);
    if (kind->id == KIND_VAE) {
        part->weights = all;
        all = NULL;
        failed = parts_rename(part, PART_VAE, e);
        if (!failed && shapes_vae(part->weights, &part->config, e)) failed = err_in(e, path);
    } else if (kind->id == KIND_LDM_VAE || kind->id == KIND_CHECKPOINT) {
        failed = take_vae(part, all, weights_find(all, VAE "decoder.conv_in.weight") ? VAE : "", e);
        if (failed) err_in(e, path);
    } else {
        err_set(e, "%s: this is %s: --vae wants a VAE", path, kind->what);
    }

done:
    weights_free(all);
    return failed;
}

int parts_open_vae(Parts *parts, const char *path, Err *e)
{
    Part *part = &parts->part[PART_VAE];
    free(part->where);
    free(part->config_where);
    part->where = part->config_where = NULL;
    if (!file_is_dir(path)) return open_vae_file(parts, path, e) ? err_in(e, "--vae") : 0;

    Source *s = source_open(path, e);
    if (!s) return err_in(e, "--vae");
    parts_keep(parts, s);
    const char *folder = source_has(s, "vae/config.json") && !source_has(s, "config.json") ? "vae" : "";
    return parts_read_component(parts, s, folder, PART_VAE, e) ? err_in(e, "--vae") : 0;
}
