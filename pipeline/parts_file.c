/*
 * parts_file.c - a model as one safetensors file in LDM naming: SD 1.x and 2.x as their makers released them, and what
 * people merge and fine-tune from them. There is no config: names and shapes tell.
 * Source: CompVis/stable-diffusion and Stability-AI/stablediffusion (configs, module names); what is done where is in
 * docs/models.md.
 */
#define _GNU_SOURCE /* strcasestr */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "pipeline/parts_name.h"
#include "pipeline/parts_yaml.h"
#include "weights/json.h"
#include "weights/kind.h"
#include "weights/names.h"
#include "weights/safetensors.h"
#include "weights/shapes.h"

/* How a part is named: the tensors under a prefix of which one is called so, and how their names become diffusers'. */
typedef struct {
    PartId part;
    const char *prefix, *probe;
    NameTable table;
} Form;

#define CLIP_PROBE      "text_model.embeddings.token_embedding.weight"
#define BARE_CLIP_PROBE "embeddings.token_embedding.weight"
#define OPENCLIP_PROBE  "transformer.resblocks.0.ln_1.weight"
#define LDM_VAE_PROBE   "decoder.up.0.block.0.conv1.weight"
#define VAE_PROBE       "decoder.up_blocks.0.resnets.0.conv1.weight"

/* As released, as ComfyUI, sgm and converters name them. The first that is there counts. */
static const Form forms[] = {
    { PART_UNET, "model.diffusion_model.", "input_blocks.0.0.weight", NAMES_LDM_UNET },
    { PART_UNET, "diffusion_model.", "input_blocks.0.0.weight", NAMES_LDM_UNET },
    { PART_UNET, "unet.", "input_blocks.0.0.weight", NAMES_LDM_UNET },
    { PART_UNET, "unet.", "conv_in.weight", NAMES_DIFFUSERS_UNET },
    { PART_TEXT, "cond_stage_model.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "cond_stage_model.transformer.", BARE_CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "cond_stage_model.model.", OPENCLIP_PROBE, NAMES_OPENCLIP_TEXT },
    { PART_TEXT, "cond_stage_model.clip_l.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "cond_stage_model.clip_h.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "cond_stage_model.", CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "conditioner.embedders.0.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "conditioner.embedders.0.model.", OPENCLIP_PROBE, NAMES_OPENCLIP_TEXT },
    { PART_TEXT, "text_encoders.clip_l.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "text_encoder.", CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_TEXT, "text_encoder.", BARE_CLIP_PROBE, NAMES_CLIP_TEXT },
    { PART_VAE, "first_stage_model.", LDM_VAE_PROBE, NAMES_LDM_VAE },
    { PART_VAE, "first_stage_model.", VAE_PROBE, NAMES_DIFFUSERS_VAE },
    { PART_VAE, "vae.", LDM_VAE_PROBE, NAMES_LDM_VAE },
    { PART_VAE, "vae.", VAE_PROBE, NAMES_DIFFUSERS_VAE },
    { PART_VAE, "", LDM_VAE_PROBE, NAMES_LDM_VAE },
    { PART_VAE, "", VAE_PROBE, NAMES_DIFFUSERS_VAE },
};

/* In files besides the networks, and not needed to draw. A name ending in '*' stands for all that begin so. */
static const char *const others[] = {
    /* averages of a training */
    "model_ema.*",
    "lvlb_weights",
    "logvar",
    "first_stage_model.loss.*",
    /* what follows from the noise schedule */
    "betas",
    "alphas",
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
    "cond_stage_model.text_projection*",
    "cond_stage_model.clip_l.logit_scale",
    "cond_stage_model.clip_l.text_projection*",
    "conditioner.embedders.0.logit_scale",
    "conditioner.embedders.0.text_projection*",
    "embedding_manager.*",
    /* of pipelines */
    "safety_checker.*",
    "feature_extractor.*",
    "image_encoder.*",
};

bool parts_needless(const char *name)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t len = strlen(others[i]);
        if (others[i][len - 1] == '*' ? strncmp(name, others[i], len - 1) == 0 : strcmp(name, others[i]) == 0)
            return true;
    }
    return false;
}

static bool has_tensor(const Weights *w, const char *prefix, const char *name)
{
    return shapes_dim(w, 0, "%s%s", prefix, name) > 0;
}

/* NULL: the part is not there. */
static const Form *find_form(const Weights *all, PartId part)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].part == part && has_tensor(all, forms[i].prefix, forms[i].probe)) return &forms[i];
    return NULL;
}

/* How many tensors there are of a name behind the prefix with 0, 1, 2, ... in the place of its %d. */
static int count_under(const Weights *w, const char *prefix, const char *fmt)
{
    char full[160];
    snprintf(full, sizeof full, "%s%s", prefix, fmt);
    return shapes_count(w, full);
}

/* How input_blocks are numbered: each level has `layers` blocks, then, but for the last, a downsampler. */
static int unet_numbering(const Weights *w, const char *prefix, NameShape *s, Err *e)
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

static int take_unet(Parts *parts, Weights *all, Err *e)
{
    NameShape s = { 0 };
    Part *p = &parts->part[PART_UNET];
    const Form *f = find_form(all, PART_UNET);
    if (!f) return err_set(e, "no UNet in it (model.diffusion_model.input_blocks.0.0.weight): tensors are missing");
    if (f->table == NAMES_LDM_UNET && unet_numbering(all, f->prefix, &s, e)) return -1;
    return (p->weights = names_convert(all, f->prefix, f->table, s, e)) ? 0 : -1;
}

static int take_vae(Part *p, Weights *all, double scaling_factor, Err *e)
{
    const Form *f = find_form(all, PART_VAE);
    if (!f) return err_set(e, "no VAE in it (first_stage_model.decoder.*): give one with --vae");
    NameShape s = { .levels = count_under(all, f->prefix, "decoder.up.%d.block.0.conv1.weight") };
    p->weights = names_convert(all, f->prefix, f->table, s, e);
    return p->weights ? shapes_vae(p->weights, scaling_factor, &p->config, e) : -1;
}

/* SD 2.x takes the output of the last block but one of ViT-H's 24; some files were saved without the last. */
static int layers_taken(int layers, const FileConfig *c) { return layers == 23 || c->last_layer ? layers : layers - 1; }

static int take_text(Parts *parts, Weights *all, const FileConfig *c, Err *e)
{
    NameShape s = { 0 };
    Part *p = &parts->part[PART_TEXT];
    const Form *f = find_form(all, PART_TEXT);
    if (!f) return err_set(e, "no text encoder in it (cond_stage_model.*): it is not a whole checkpoint");
    bool openclip = f->table == NAMES_OPENCLIP_TEXT || shapes_dim(all, 1, "%s%s", f->prefix, f->probe) == 1024;
    if (f->table == NAMES_OPENCLIP_TEXT)
        s.text_layers = layers_taken(count_under(all, f->prefix, "transformer.resblocks.%d.ln_1.weight"), c);
    else if (openclip)
        s.text_layers = layers_taken(count_under(all, f->prefix, "text_model.encoder.layers.%d.layer_norm1.weight"), c);
    p->weights = names_convert(all, f->prefix, f->table, s, e);
    if (!p->weights) return -1;

    /* wherever the vocabulary comes from, the padding is what this text encoder was trained with */
    parts->tokenizer[0].files.added.pad = openclip ? "!" : "<|endoftext|>";
    parts->tokenizer[0].files.max = shapes_dim(p->weights, 0, "text_model.embeddings.position_embedding.weight");
    return shapes_text(p->weights, openclip ? "gelu" : "quick_gelu", &p->config, e);
}

static bool has_word(const char *text, const char *const *words)
{
    for (; text && *words; words++)
        if (strcasestr(text, *words)) return true;
    return false;
}

/* Where nothing else tells, ComfyUI looks at how far a bias of the last block spreads: in v models further than this. */
static const double V_SPREAD = 0.09;

/* The standard deviation of that bias; NaN: it is not there, or all one value. */
static double spread_of_bias(const Weights *unet)
{
    const Weight *t = weights_find(unet, "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias");
    Err ignored;
    size_t n = t ? weight_count(t) : 0;
    float *v = mem_array(n + 1, sizeof *v);
    double sum = 0, squares = 0;
    bool read = n && !weight_to_f32(t, v, &ignored);
    for (size_t i = 0; read && i < n; i++) {
        sum += v[i];
        squares += (double)v[i] * v[i];
    }
    free(v);
    double variance = n ? squares / (double)n - sum / (double)n * (sum / (double)n) : 0;
    return read && variance > 0 ? sqrt(variance) : NAN;
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
    if (has_word(parts->name, v_sizes)) return PREDICT_V;
    bool v = !(spread_of_bias(parts->part[PART_UNET].weights) <= V_SPREAD);
    Str text = { 0 };
    str_addf(&text, "SD 2.x, taken for %s; if it draws only noise, use --prediction %s",
             v ? "a v-prediction model (768) as most are" : "one that predicts epsilon (512), as its weights look",
             v ? "epsilon" : "v_prediction");
    *note = text.s;
    return v ? PREDICT_V : PREDICT_EPSILON;
}

/* As in the folders of SD 1.5 and (ddim) 2.1, but for what the configuration says. */
static void describe_noise(Parts *parts, const FileConfig *c, const char *prediction, bool ddim, bool zero_snr)
{
    str_addf(&parts->scheduler,
             "{\"_class_name\": \"%s\", \"num_train_timesteps\": %d, \"beta_schedule\": \"%s\", \"beta_start\": %.9g, "
             "\"beta_end\": %.9g, \"clip_sample\": false, \"set_alpha_to_one\": false, \"skip_prk_steps\": true, "
             "\"steps_offset\": 1, \"prediction_type\": \"%s\"%s}",
             ddim || zero_snr ? "DDIMScheduler" : "PNDMScheduler", c->steps, c->beta_schedule, c->beta_start,
             c->beta_end, prediction,
             zero_snr ? ", \"timestep_spacing\": \"trailing\", \"rescale_betas_zero_snr\": true" : "");
    parts->scheduler_where = mem_strdup("scheduler of a single file");
}

/* What the UNet predicts: as the configuration says, or else guessed; where they differ, that is told. */
static const char *decide_prediction(Parts *parts, const Weights *all, const FileConfig *c, int in, int context)
{
    static const char *const names[] = {
        [PREDICT_EPSILON] = "epsilon", [PREDICT_V] = "v_prediction", [PREDICT_SAMPLE] = "sample"
    };
    const char *guess = names[guess_prediction(parts, all, in, context, &parts->note)];
    if (!c->prediction) return guess;
    free(parts->note);
    parts->note = NULL;
    if (strcmp(c->prediction, guess) != 0) parts_note(parts, "%s says %s: taken from it", c->path, c->prediction);
    return c->prediction;
}

/* A part that another one replaces. */
static void pass_over(Weights *all, const Form *f)
{
    for (size_t i = 0; f && i < weights_count(all); i++)
        if (str_starts(weights_at(all, i)->name, f->prefix)) weights_at(all, i)->used = true;
}

static int split_checkpoint(Parts *parts, Weights *all, const FileConfig *c, const ModelPaths *p, Err *e)
{
    Part *unet = &parts->part[PART_UNET];
    if (take_unet(parts, all, e) || take_text(parts, all, c, e)) return -1;
    if (p->vae) pass_over(all, find_form(all, PART_VAE));
    else if (take_vae(&parts->part[PART_VAE], all, c->scaling_factor, e)) return -1;
    parts_note_rest(parts, all, parts->path);

    int in = shapes_dim(unet->weights, 1, "conv_in.weight");
    int context = shapes_dim(unet->weights, 1, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight");
    const char *prediction = decide_prediction(parts, all, c, in, context);
    bool sd2_768 = context == 1024 && strcmp(prediction, "v_prediction") == 0;
    describe_noise(parts, c, prediction, sd2_768, weights_find(all, "ztsnr") != NULL);
    const UNetHints hints = { .sample = sd2_768 ? 96 : 64, .heads = c->heads, .head_channels = c->head_channels };
    file_config_note_others(c, parts, parts->path, prediction, p->vae != NULL);
    return shapes_unet(unet->weights, &hints, &unet->config, e);
}

/* With what lies beside it. */
static int read_checkpoint(Parts *parts, Weights *all, const ModelPaths *p, Err *e)
{
    FileConfig c;
    int failed = file_config_read(&c, parts, parts->path, e);
    if (!failed && split_checkpoint(parts, all, &c, p, e)) failed = err_in(e, parts->path);
    if (!failed) failed = file_config_check(&c, parts, e);
    if (c.path) parts->config_from = mem_strdup(c.path);
    file_config_release(&c);
    return failed;
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
        char *whole = parts_name_whole(path);
        if (whole) err_set(e, "%s: this is %s: give the model's folder, -m %s", path, kind->what, whole);
        else err_set(e, "%s: this is %s: %s", path, kind->what, kind->advice);
        free(whole);
        goto done;
    }
    if (read_checkpoint(parts, all, p, e)) goto done;
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
    if (kind->id == KIND_VAE || find_form(all, PART_VAE))
        failed = take_vae(part, all, VAE_SCALING, e) ? err_in(e, path) : 0;
    else err_set(e, "%s: this is %s: --vae wants a VAE", path, kind->what);

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
    if (!file_exists(path)) {
        parts_name_missing(path, e);
        return err_in(e, "--vae");
    }
    if (!file_is_dir(path)) return open_vae_file(parts, path, e) ? err_in(e, "--vae") : 0;

    Source *s = source_open(path, e);
    if (!s) return err_in(e, "--vae");
    parts_keep(parts, s);
    const char *folder = source_has(s, "vae/config.json") && !source_has(s, "config.json") ? "vae" : "";
    return parts_read_component(parts, s, folder, PART_VAE, e) ? err_in(e, "--vae") : 0;
}
