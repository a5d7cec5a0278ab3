/*
 * parts_forms.c - what networks are called in a single file: a table of forms, and how a network is taken out of the file by each.
 * See parts_internal.h. Source: CompVis/stable-diffusion and Stability-AI/stablediffusion (configs, module names).
 */
#include <stdio.h>
#include <string.h>

#include "pipeline/parts_internal.h"
#include "weights/shapes.h"

static bool has_tensor(const Weights *w, const char *prefix, const char *name)
{
    return shapes_dim(w, 0, "%s%s", prefix, name) > 0;
}

/* How many tensors there are of a name behind the prefix with 0, 1, 2, ... in the place of its %d. */
static int count_under(const Weights *w, const char *prefix, const char *fmt)
{
    char full[160];
    snprintf(full, sizeof full, "%s%s", prefix, fmt);
    return shapes_count(w, full);
}

static int take_unet(Part *p, Weights *all, const Form *f, const FileConfig *c, Err *e)
{
    NameShape s = { 0 };
    (void)c;
    if (f->table == NAMES_LDM_UNET && names_numbering(all, f->prefix, &s, e)) return -1;
    return (p->weights = names_convert(all, f->prefix, f->table, s, e)) ? 0 : -1;
}

static int take_vae(Part *p, Weights *all, const Form *f, const FileConfig *c, Err *e)
{
    NameShape s = { .levels = count_under(all, f->prefix, "decoder.up.%d.block.0.conv1.weight") };
    p->weights = names_convert(all, f->prefix, f->table, s, e);
    return p->weights ? shapes_vae(p->weights, c->scaling_factor, &p->config, e) : -1;
}

/* SD 2.x takes the output of the last block but one of ViT-H's 24; some files were saved without the last. */
static int layers_taken(int layers, const FileConfig *c) { return layers == 23 || c->last_layer ? layers : layers - 1; }

/* wherever the vocabulary comes from, the padding is what the text encoder was trained with */
static void keep_padding(Part *p, bool openclip)
{
    p->tokenizer.files.added.pad = openclip ? "!" : "<|endoftext|>";
    p->tokenizer.files.max = shapes_dim(p->weights, 0, "text_model.embeddings.position_embedding.weight");
}

static int take_text(Part *p, Weights *all, const Form *f, const FileConfig *c, Err *e)
{
    NameShape s = { 0 };
    bool openclip = f->table == NAMES_OPENCLIP_TEXT || shapes_dim(all, 1, "%s%s", f->prefix, f->probe) == 1024;
    if (f->table == NAMES_OPENCLIP_TEXT)
        s.text_layers = layers_taken(count_under(all, f->prefix, "transformer.resblocks.%d.ln_1.weight"), c);
    else if (openclip)
        s.text_layers = layers_taken(count_under(all, f->prefix, "text_model.encoder.layers.%d.layer_norm1.weight"), c);
    p->weights = names_convert(all, f->prefix, f->table, s, e);
    if (!p->weights) return -1;
    keep_padding(p, openclip);
    return shapes_text(p->weights, openclip ? "gelu" : "quick_gelu", false, &p->config, e);
}

/* XL's second one, its refiner's only one: OpenCLIP's bigG, all layers, and the projection of the pooled text. */
static int take_pooling(Part *p, Weights *all, const Form *f, const FileConfig *c, Err *e)
{
    (void)c;
    p->weights = names_convert(all, f->prefix, f->table, (NameShape){ .pooled = true }, e);
    if (!p->weights) return -1;
    keep_padding(p, true);
    return shapes_text(p->weights, "gelu", true, &p->config, e);
}

#define CLIP_PROBE      "text_model.embeddings.token_embedding.weight"
#define BARE_CLIP_PROBE "embeddings.token_embedding.weight"
#define OPENCLIP_PROBE  "transformer.resblocks.0.ln_1.weight"
#define LDM_VAE_PROBE   "decoder.up.0.block.0.conv1.weight"
#define VAE_PROBE       "decoder.up_blocks.0.resnets.0.conv1.weight"

/* As released, as ComfyUI, sgm and converters name them. The first that is there counts. */
static const Form forms[] = {
    { "unet", "model.diffusion_model.", "input_blocks.0.0.weight", NAMES_LDM_UNET, IN_ANY, take_unet },
    { "unet", "diffusion_model.", "input_blocks.0.0.weight", NAMES_LDM_UNET, IN_ANY, take_unet },
    { "unet", "unet.", "input_blocks.0.0.weight", NAMES_LDM_UNET, IN_ANY, take_unet },
    { "unet", "unet.", "conv_in.weight", NAMES_DIFFUSERS_UNET, IN_ANY, take_unet },
    { "unet", "", "input_blocks.0.0.weight", NAMES_LDM_UNET, IN_ANY, take_unet },
    { "unet", "", "conv_in.weight", NAMES_DIFFUSERS_UNET, IN_ANY, take_unet },
    { "text_encoder", "cond_stage_model.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "cond_stage_model.transformer.", BARE_CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "cond_stage_model.model.", OPENCLIP_PROBE, NAMES_OPENCLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "cond_stage_model.clip_l.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "cond_stage_model.clip_h.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "cond_stage_model.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "conditioner.embedders.0.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "conditioner.embedders.0.model.", OPENCLIP_PROBE, NAMES_OPENCLIP_TEXT, IN_PLAIN, take_text },
    { "text_encoder", "text_encoders.clip_l.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "text_encoder.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "text_encoder.", BARE_CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "te.text_model.", BARE_CLIP_PROBE, NAMES_CLIP_TEXT, IN_ANY, take_text },
    { "text_encoder", "te.", BARE_CLIP_PROBE, NAMES_CLIP_TEXT, IN_PLAIN, take_text },
    { "text_encoder_2", "te.1.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_POOLED, take_pooling },
    { "text_encoder_2", "conditioner.embedders.1.model.", OPENCLIP_PROBE, NAMES_OPENCLIP_TEXT, IN_POOLED,
      take_pooling },
    { "text_encoder_2", "conditioner.embedders.0.model.", OPENCLIP_PROBE, NAMES_OPENCLIP_TEXT, IN_POOLED,
      take_pooling },
    { "text_encoder_2", "cond_stage_model.1.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_POOLED, take_pooling },
    { "text_encoder_2", "cond_stage_model.1.model.", OPENCLIP_PROBE, NAMES_OPENCLIP_TEXT, IN_POOLED, take_pooling },
    { "text_encoder_2", "text_encoders.clip_g.transformer.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_POOLED, take_pooling },
    { "text_encoder_2", "text_encoder_2.", CLIP_PROBE, NAMES_CLIP_TEXT, IN_POOLED, take_pooling },
    { "text_encoder_2", "text_encoder_2.", BARE_CLIP_PROBE, NAMES_CLIP_TEXT, IN_POOLED, take_pooling },
    { "vae", "first_stage_model.", LDM_VAE_PROBE, NAMES_LDM_VAE, IN_ANY, take_vae },
    { "vae", "first_stage_model.", VAE_PROBE, NAMES_DIFFUSERS_VAE, IN_ANY, take_vae },
    { "vae", "vae.", LDM_VAE_PROBE, NAMES_LDM_VAE, IN_ANY, take_vae },
    { "vae", "vae.", VAE_PROBE, NAMES_DIFFUSERS_VAE, IN_ANY, take_vae },
    { "vae", "", LDM_VAE_PROBE, NAMES_LDM_VAE, IN_ANY, take_vae },
    { "vae", "", VAE_PROBE, NAMES_DIFFUSERS_VAE, IN_ANY, take_vae },
};

static const Form *find_form(const Weights *all, const char *part, bool pooled)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const Form *f = &forms[i];
        bool fits = strcmp(f->part, part) == 0 && f->in != (pooled ? IN_PLAIN : IN_POOLED);
        if (fits && has_tensor(all, f->prefix, f->probe)) return f;
    }
    return NULL;
}

bool parts_pooled(const Weights *all)
{
    const Form *unet = find_form(all, "unet", false);
    return unet && (has_tensor(all, unet->prefix, "label_emb.0.0.weight") ||
                    has_tensor(all, unet->prefix, "add_embedding.linear_1.weight"));
}

const Form *parts_form(const Weights *all, const Component *is) { return find_form(all, is->name, parts_pooled(all)); }

int parts_take(Part *p, Weights *all, const FileConfig *c, Err *e)
{
    static const struct {
        PartRole role;
        const char *lacking;
    } said[] = {
        { ROLE_NETWORK, "no UNet in it (model.diffusion_model.input_blocks.0.0.weight): tensors are missing" },
        { ROLE_TEXT, "no text encoder in it (cond_stage_model.*): it is not a whole checkpoint" },
        { ROLE_CODEC, "no VAE in it (first_stage_model.decoder.*): give one with --vae" },
    };
    const Form *f = parts_form(all, p->is);
    if (f) {
        p->class = part_class_find(NULL, p->is->role);
        return f->take(p, all, f, c, e);
    }
    if (p->is->role == ROLE_CODEC && parts_is_tiny(all)) return parts_take_tiny(NULL, p, all, NULL, e);
    int i = 0;
    while (said[i].role != p->is->role) i++;
    return err_set(e, "%s", said[i].lacking);
}
