/*
 * parts_file.c - a model as one file (safetensors, GGUF) in LDM naming: SD 1.x, 2.x and XL as their makers released them, and
 * what people merge and fine-tune from them. There is no config: names and shapes tell.
 * Source: CompVis/stable-diffusion and Stability-AI/stablediffusion (configs, module names); what is done where is in
 * docs/models.md.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "pipeline/parts_name.h"
#include "weights/averages.h"
#include "weights/kind.h"
#include "weights/read.h"
#include "weights/shapes.h"

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
    "edm_mean",
    "edm_std",
    "edm_vpred.sigma_max",
    "edm_vpred.sigma_min",
    /* of the text encoder's training */
    "cond_stage_model.logit_scale",
    "cond_stage_model.text_projection*",
    "cond_stage_model.clip_l.logit_scale",
    "cond_stage_model.clip_l.text_projection*",
    "conditioner.embedders.0.logit_scale",
    "conditioner.embedders.0.text_projection*",
    "conditioner.embedders.1.logit_scale",
    "text_encoders.clip_l.logit_scale",
    "text_encoders.clip_g.logit_scale",
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

/* A part that another one replaces. */
static void pass_over(Weights *all, const Form *f)
{
    for (size_t i = 0; f && i < weights_count(all); i++)
        if (str_starts(weights_at(all, i)->name, f->prefix)) weights_at(all, i)->used = true;
}

/* All parts that the file has; those that it may lack are components with a stand-in that is there. */
static int take_parts(Parts *parts, Weights *all, const FileConfig *c, const ModelPaths *p, Err *e)
{
    if (parts_pooled(all) && !parts_form(all, parts_named(parts, "text_encoder_2")->is))
        return err_set(e, "its UNet takes pooled text, and no text encoder that gives it is there "
                          "(conditioner.embedders.1.model.*): not a whole SD XL checkpoint");
    for (int i = 0; i < parts->count; i++) {
        Part *part = &parts->part[i];
        const Form *f = parts_form(all, part->is);
        const Part *instead = part->is->instead ? parts_named(parts, part->is->instead) : NULL;
        if (parts_given_alone(part, p)) pass_over(all, f);
        else if (!f && instead && parts_form(all, instead->is)) continue;
        else if (parts_take(part, all, c, e)) return -1;
    }
    return p->unet ? parts_open_alone(parts, parts_named(parts, "unet"), p->unet, "--unet", e) : 0;
}

static int split_checkpoint(Parts *parts, Weights *all, const FileConfig *c, const FileEdm *edm, const ModelPaths *p,
                            Err *e)
{
    if (take_parts(parts, all, c, p, e)) return -1;
    parts_note_rest(parts, all, parts->path);
    if (!p->vae) parts_shift_vae(parts, parts_named(parts, "vae"));

    Part *unet = parts_next(parts, ROLE_NETWORK, NULL);
    int in = shapes_dim(unet->weights, 1, "conv_in.weight"), context = shapes_context(unet->weights);
    const char *prediction = edm->prediction ? edm->prediction : parts_prediction(parts, all, c, in, context);
    bool pooled = shapes_pooled(unet->weights);
    bool sd2_768 = !pooled && context == 1024 && strcmp(prediction, "v_prediction") == 0;
    const FileNoise noise = { prediction,
                              pooled    ? "EulerDiscreteScheduler"
                              : sd2_768 ? "DDIMScheduler"
                                        : "PNDMScheduler",
                              weights_find(all, "ztsnr") != NULL };
    parts->scaled_beside = edm->scaled_beside && in == 2 * shapes_dim(unet->weights, 0, "conv_out.weight");
    if (edm->prediction) {
        str_add(&parts->scheduler, edm->scheduler.s);
        parts->scheduler_where = mem_strdup("scheduler of a single file");
    } else {
        parts_describe_noise(parts, c, &noise);
    }
    parts->zero_negative = pooled && part_present(parts_named(parts, "text_encoder")); /* XL's base; not its refiner */
    const UNetHints hints = { .sample = pooled    ? 128
                                        : sd2_768 ? 96
                                                  : 64,
                              .heads = c->heads,
                              .head_channels = c->head_channels };
    file_config_note_others(c, parts, parts->path, prediction, p->vae != NULL);
    if (!shapes_unet(unet->weights, &hints, &unet->config, e)) return 0;
    return p->unet ? err_in(e, unet->where) : -1;
}

/* With the files next to it. */
static int read_checkpoint(Parts *parts, Weights *all, const ModelPaths *p, Err *e)
{
    FileConfig c;
    FileEdm edm;
    Err ignored;
    int failed = file_config_read(&c, parts, parts->path, e);
    if (failed) parts_edm(&edm, all, &ignored);
    else if (parts_edm(&edm, all, e)) failed = err_in(e, parts->path);
    parts->vae_scaling = edm.scaling;
    str_add(&parts->vae_shift, str_text(&edm.shift));
    if (c.scaling_factor == 0) c.scaling_factor = parts_pooled(all) ? VAE_SCALING_XL : VAE_SCALING;
    if (edm.scaling > 0) c.scaling_factor = edm.scaling;
    if (!failed && split_checkpoint(parts, all, &c, &edm, p, e)) failed = err_in(e, parts->path);
    if (!failed) failed = file_config_check(&c, parts, e);
    parts_edm_release(&edm);
    if (c.path) parts->config_from = mem_strdup(c.path);
    file_config_release(&c);
    return failed;
}

int parts_open_file(Parts *parts, const char *path, const ModelPaths *p, Err *e)
{
    Weights *all = weights_new();
    PartFile *file;
    int failed = -1;

    if (parts_map(parts, path, &file, e)) goto done;
    parts_hash_by(parts, file);
    for (int i = 0; i < parts->count; i++) {
        parts->part[i].where = mem_strdup(path);
        parts->part[i].config_where = mem_strdup(path);
    }
    if (weights_read(all, file->bytes, e)) {
        err_in(e, path);
        goto done;
    }
    const Kind *kind = kind_of(all);
    int averages = kind->id == KIND_CHECKPOINT ? averages_unfold(all, e) : 0;
    if (averages < 0) goto done;
    if (averages)
        parts_note(parts,
                   "%s: the averages of its training (model_ema.*) are taken: it has no other weights of the UNet",
                   path);
    if (kind->id != KIND_CHECKPOINT && !(p->unet && kind->id == KIND_VAE)) {
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
