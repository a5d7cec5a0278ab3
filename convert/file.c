/* file.c - a model as one safetensors file in LDM's names. See layouts.h. Sources: CompVis/stable-diffusion, Stability-AI/stablediffusion,
 * Stability-AI/generative-models (module names); ComfyUI's supported_models.py (the marks v_pred and ztsnr). */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "convert/layouts.h"
#include "pipeline/parts_internal.h"
#include "weights/names.h"
#include "weights/shapes.h"

static NameShape numbering_of(const Weights *w)
{
    NameShape s = { .levels = shapes_count(w, "down_blocks.%d.resnets.0.conv1.weight"),
                    .layers = shapes_count(w, "down_blocks.0.resnets.%d.conv1.weight") };
    for (int i = 0; i < s.levels; i++)
        if (shapes_dim(w, 0, "up_blocks.%d.attentions.0.norm.weight", i)) s.up_attention |= 1u << i;
    return s;
}

/* OpenCLIP's encoders have the exact GELU. */
static bool is_openclip(const Part *p) { return strstr(str_text(&p->config), "\"quick_gelu\"") == NULL; }

/* As the releases call the networks. */
static int add_part(Plan *p, const Parts *parts, const Part *part, Err *e)
{
    const Weights *w = part->weights;
    const bool pooled = shapes_pooled(parts_next(parts, ROLE_NETWORK, NULL)->weights);
    if (strcmp(part->is->name, "unet") == 0)
        return plan_back(p, "model.diffusion_model.", w, NAMES_LDM_UNET, numbering_of(w), e);
    if (strcmp(part->is->name, "vae") == 0) {
        if (!weights_find(w, "decoder.conv_in.weight"))
            return err_set(e, "a tiny autoencoder has no place in a single file: give another VAE with --vae");
        NameShape s = { .levels = shapes_count(w, "decoder.up_blocks.%d.resnets.0.conv1.weight") };
        return plan_back(p, "first_stage_model.", w, NAMES_LDM_VAE, s, e);
    }
    if (strcmp(part->is->name, "text_encoder_2") == 0) {
        bool first = part_present(parts_named(parts, "text_encoder"));
        const char *prefix = first ? "conditioner.embedders.1.model." : "conditioner.embedders.0.model.";
        return plan_back(p, prefix, w, NAMES_OPENCLIP_TEXT, (NameShape){ .pooled = true }, e);
    }
    if (strcmp(part->is->name, "text_encoder") != 0)
        return err_set(e, "limn does not know where a single file has the %s", part->is->name);
    if (pooled) return plan_back(p, "conditioner.embedders.0.transformer.", w, NAMES_CLIP_TEXT, (NameShape){ 0 }, e);
    bool open = is_openclip(part);
    return plan_back(p, open ? "cond_stage_model.model." : "cond_stage_model.transformer.", w,
                     open ? NAMES_OPENCLIP_TEXT : NAMES_CLIP_TEXT, (NameShape){ 0 }, e);
}

int layout_file(Plan *p, const Parts *parts, Err *e)
{
    for (int i = 0; i < parts->count; i++)
        if (part_present(&parts->part[i]) && add_part(p, parts, &parts->part[i], e))
            return err_in(e, parts->part[i].where);
    return 0;
}

/* Whether a network of the file has the tensor. */
static bool is_networks(const Weights *all, const char *name)
{
    for (const Component *c = components; c->name; c++) {
        const Form *f = parts_form(all, c);
        if (f && *f->prefix && str_starts(name, f->prefix)) return true;
    }
    return strcmp(name, "v_pred") == 0 || strcmp(name, "ztsnr") == 0;
}

int layout_same(Plan *p, Weights *all, bool prune, size_t *dropped, Err *e)
{
    *dropped = 0;
    for (size_t i = 0; i < weights_count(all); i++) {
        const Weight *t = weights_at(all, i);
        if (t->folded) continue;
        if (prune && !is_networks(all, t->name)) *dropped += t->bytes;
        else if (plan_add(p, t->name, t, e)) return -1;
    }
    return 0;
}
