/*
 * kind.c - see kind.h. Each tensor votes for the first sign that its name has; what most vote for is the file's family; then a
 * mark inside the family may tell more: a checkpoint of SD XL, a ControlNet among UNets.
 *
 * Sources of names: CompVis/stable-diffusion, Stability-AI/generative-models, diffusers, kohya-ss/sd-scripts, ComfyUI's
 * model_detection.py.
 */
#include "weights/kind.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

typedef enum {
    LDM_UNET, /* the parts of a checkpoint */
    LDM_TEXT,
    LDM_VAE,
    AVERAGES,
    UNET, /* parts alone */
    TEXT,
    VAE,
    LORA,
    CONTROL,
    TRANSFORMER,
    T5,
    VISION,
    TINY,
    EMBEDDING,
    IP_ADAPTER,
    T2I_ADAPTER,
    MOTION,
    UPSCALER,
    SAFETY,
    TRACE,
    LLLITE,
    LANGUAGE,
    FAMILIES
} Family;

static const Kind families[FAMILIES] = {
    [LDM_UNET] = { KIND_CHECKPOINT, "a Stable Diffusion checkpoint", NULL },
    [LDM_TEXT] = { KIND_TEXT_ENCODER, "a text encoder alone", "give the whole checkpoint" },
    [LDM_VAE] = { KIND_VAE, "a VAE alone", "give it as --vae, and a model with it" },
    [AVERAGES] = { KIND_CHECKPOINT, "a Stable Diffusion checkpoint with the averages of its training alone", NULL },
    [UNET] = { KIND_UNET, "a UNet alone",
               "the text encoder and the VAE are missing: give this file as --unet, and the model that it is of with "
               "-m" },
    [TEXT] = { KIND_TEXT_ENCODER, "a text encoder alone", "give the diffusers folder that it is from" },
    [VAE] = { KIND_VAE, "a VAE alone", "give it as --vae, and a model with it" },
    [LORA] = { KIND_OTHER, "a LoRA", "give it as --lora, and the model that it was made for" },
    [CONTROL] = { KIND_CONTROL, "a ControlNet", "give it as --control model=FILE,image=MAP, and a model with it" },
    [TRANSFORMER] = { KIND_OTHER, "a diffusion transformer (SD 3, Flux, PixArt or their like)",
                      "limn does not run it; use SD 1.x, 2.x or XL" },
    [T5] = { KIND_OTHER, "a T5 text encoder", "limn does not run it; give a Stable Diffusion model" },
    [VISION] = { KIND_OTHER, "an image encoder (CLIP's other half)",
                 "give it as encoder=FILE of --ip-adapter, and a model with it" },
    [TINY] = { KIND_TINY, "a tiny autoencoder (TAESD)", "give it as --vae or --preview-vae, and a model with it" },
    [EMBEDDING] = { KIND_OTHER, "a textual inversion", "give it as --embedding, and a model with it" },
    [IP_ADAPTER] = { KIND_CONTROL, "an IP-Adapter",
                     "give it as --ip-adapter model=FILE,image=FILE, and a model with it" },
    [T2I_ADAPTER] = { KIND_CONTROL, "a T2I-Adapter", "give it as --adapter model=FILE,image=MAP, and a model with it" },
    [MOTION] = { KIND_OTHER, "an AnimateDiff motion module", "give a Stable Diffusion model" },
    [UPSCALER] = { KIND_OTHER, "an upscaler (ESRGAN or its like)",
                   "limn upscale PICTURE --with it; in a second pass --hires-with" },
    [SAFETY] = { KIND_OTHER, "a safety checker", "give the folder above it" },
    [LLLITE] = { KIND_OTHER, "a ControlNet-LLLite (kohya's)", "limn does not run it; a ControlNet is --control" },
    [LANGUAGE] = { KIND_OTHER, "a language model", "limn draws; give a Stable Diffusion model" },
    [TRACE] = { KIND_OTHER, "the numbers of a run (limn's --trace)",
                "give its noise with --latents, or compare its tensors with another's" },
};

static const Kind unknown = { KIND_UNKNOWN, "none of the kinds of weights that limn knows",
                              "give a Stable Diffusion 1.x, 2.x or XL checkpoint, or a diffusers folder" };

/* '^': the name begins so; '=': it is that; else it stands anywhere. The special before the general. */
static const struct {
    const char *mark;
    Family family;
} signs[] = {
    { "^lora_unet_", LORA },
    { "^lora_te", LORA },
    { "^lora_prior_", LORA },
    { "^lycoris_", LORA },
    { ".lora_down.", LORA },
    { ".lora_up.", LORA },
    { ".lora_A.", LORA },
    { ".lora_B.", LORA },
    { ".lora.down.", LORA },
    { ".lora.up.", LORA },
    { "_lora1.", LORA }, /* XLabs' of Flux */
    { "_lora2.", LORA },
    { "^lllite_", LLLITE },
    { "_lora.down.", LORA },
    { "_lora.up.", LORA },
    { ".lora_linear_layer.", LORA },
    { ".lora_magnitude_vector", LORA },
    { ".hada_w", LORA },
    { ".lokr_w", LORA },
    { ".dora_scale", LORA },

    { "^model_ema.", AVERAGES },
    { "^control_model.", CONTROL },
    { "controlnet_", CONTROL },
    { "motion_modules.", MOTION },
    { "^ip_adapter.", IP_ADAPTER },
    { "^image_proj.", IP_ADAPTER },
    { "_to_k_ip.", IP_ADAPTER },
    { "^safety_checker.", SAFETY },
    { "^concept_embeds", SAFETY },
    { "^special_care_embeds", SAFETY },
    { "^vision_model.vision_model.", SAFETY },

    { "^model.diffusion_model.joint_blocks.", TRANSFORMER },
    { "^model.diffusion_model.double_blocks.", TRANSFORMER },
    { "^model.diffusion_model.single_blocks.", TRANSFORMER },
    { "^model.diffusion_model.transformer_blocks.", TRANSFORMER },
    { "^model.diffusion_model.blocks.", TRANSFORMER },
    { "^model.diffusion_model.layers.", TRANSFORMER },
    { "^diffusion_model.blocks.", TRANSFORMER },
    { "^diffusion_model.layers.", TRANSFORMER },
    { "^diffusion_model.double_blocks.", TRANSFORMER },
    { "^diffusion_model.single_blocks.", TRANSFORMER },
    { "^diffusion_model.joint_blocks.", TRANSFORMER },
    { "^model.diffusion_model.", LDM_UNET },
    { "^diffusion_model.", LDM_UNET },
    { "^unet.", LDM_UNET },
    { "^cond_stage_model.", LDM_TEXT },
    { "^conditioner.", LDM_TEXT },
    { "^text_encoder.", LDM_TEXT },
    { "^text_encoder_2.", LDM_TEXT },
    { "^text_encoders.", LDM_TEXT },
    { "^te.", LDM_TEXT }, /* stable-diffusion.cpp's of diffusers folders */
    { "^first_stage_model.", LDM_VAE },
    { "^vae.", LDM_VAE },

    { "^joint_blocks.", TRANSFORMER },
    { "^double_blocks.", TRANSFORMER },
    { "^single_blocks.", TRANSFORMER },
    { "^transformer_blocks.", TRANSFORMER },
    { "^single_transformer_blocks.", TRANSFORMER },
    { ".cross_attn.", TRANSFORMER },
    { "^layers.0.attention.", TRANSFORMER },
    { "^enc.blk.", T5 },
    { "^blk.", LANGUAGE },
    { "^model.layers.", LANGUAGE },
    { "^input_blocks.", UNET },
    { "^middle_block.", UNET },
    { "^output_blocks.", UNET },
    { "^down_blocks.", UNET },
    { "^mid_block.", UNET },
    { "^up_blocks.", UNET },
    { "^decoder.layers.", TINY },
    { "^taesd_", TINY },
    { ".conv.0.", TINY },
    { ".conv.2.", TINY },
    { ".conv.4.", TINY },
    { "^text_model.", TEXT },
    { "^encoder.layers.0.self_attn.", TEXT },
    { "^encoder.layers.", TEXT },
    { "^transformer.resblocks.", TEXT },
    { "^encoder.block.", T5 },
    { "^decoder.block.", T5 },
    { "^vision_model.", VISION },
    { "^visual.", VISION },
    { "^encoder.down.", VAE },
    { "^encoder.down_blocks.", VAE },
    { "^encoder.mid", VAE },
    { "^decoder.up.", VAE },
    { "^decoder.up_blocks.", VAE },
    { "^decoder.mid", VAE },
    { "^emb_params", EMBEDDING },
    { "^<", EMBEDDING }, /* diffusers': the token is the name */
    { "=clip_l", EMBEDDING },
    { "=clip_g", EMBEDDING },
    { "string_to_param", EMBEDDING },
    { "^adapter.body.", T2I_ADAPTER },
    { ".block1.", T2I_ADAPTER },
    { ".block2.", T2I_ADAPTER },
    { ".in_conv.", T2I_ADAPTER },
    { ".out_conv.", T2I_ADAPTER },
    { "^body.0.rdb", UPSCALER },
    { "^body.", UPSCALER },
    { "^model.1.sub.", UPSCALER },
    { "^params_ema.", UPSCALER },
    { "^params.", UPSCALER },
    { "^latents.", TRACE },
    { "=prompt_embeds", TRACE },
    { "=negative_prompt_embeds", TRACE },
    { "=tokens", TRACE },
    { "=negative_tokens", TRACE },
    { "=sigmas", TRACE },
    { "=timesteps", TRACE },
};

/* Inside a family: what a file is that has both marks (the second may be NULL). The first row counts. */
static const struct {
    Family family;
    const char *marks[2];
    Kind is;
} variants[] = {
    { LDM_UNET,
      { ".label_emb.0.0.", ".open_clip." },
      { KIND_OTHER, "Stable Video Diffusion", "limn draws no films; use SD 1.x, 2.x or XL" } },
    { LDM_UNET,
      { ".label_emb.0.0.", "^noise_augmentor." },
      { KIND_OTHER, "Stable unCLIP (a UNet that takes a picture's embedding)",
        "limn draws it from its diffusers folder: limn pull stabilityai/stable-diffusion-2-1-unclip" } },
    { LDM_UNET,
      { ".label_emb.weight", NULL },
      { KIND_OTHER, "Stable Diffusion's x4 upscaler",
        "limn draws it from its diffusers folder: limn pull stabilityai/stable-diffusion-x4-upscaler" } },
    { LDM_UNET,
      { "clip_txt_mapper.", NULL },
      { KIND_OTHER, "Stable Cascade", "limn does not run it; use SD 1.x, 2.x or XL" } },
    { UNET,
      { "clip_txt_mapper.", NULL },
      { KIND_OTHER, "Stable Cascade", "limn does not run it; use SD 1.x, 2.x or XL" } },
    { TRANSFORMER,
      { "joint_blocks.0.", NULL },
      { KIND_OTHER, "a Stable Diffusion 3 checkpoint", "limn does not run it; use SD 1.x, 2.x or XL" } },
    { TRANSFORMER,
      { "double_blocks.0.img_", NULL },
      { KIND_OTHER, "a Flux checkpoint", "limn does not run it; use SD 1.x, 2.x or XL" } },
    { UNET,
      { "zero_convs.", NULL },
      { KIND_CONTROL, "a ControlNet", "give it as --control model=FILE,image=MAP, and a model with it" } },
    { UNET,
      { "controlnet_", NULL },
      { KIND_CONTROL, "a ControlNet", "give it as --control model=FILE,image=MAP, and a model with it" } },
    { UNET, { "motion_modules.", NULL }, { KIND_OTHER, "an AnimateDiff UNet", "give a Stable Diffusion model" } },
    { UNET,
      { "add_embedding.linear_1.", NULL },
      { KIND_OTHER, "a UNet of Stable Diffusion XL alone",
        "give this file as --unet, and the model that it is of with -m" } },
    { UNET,
      { "^label_emb.", NULL },
      { KIND_OTHER, "a UNet of Stable Diffusion XL alone",
        "give this file as --unet, and the model that it is of with -m" } },
};

static const Kind unet_alone = { KIND_UNET, "a UNet alone",
                                 "the text encoder and the VAE are missing: give this file as --unet, and the model "
                                 "that it is of with -m" };
static const Kind no_unet = { KIND_VAE, "a text encoder and a VAE without a UNet", "give the whole checkpoint" };

static bool has_mark(const char *name, const char *mark)
{
    if (*mark == '^') return str_starts(name, mark + 1);
    if (*mark == '=') return strcmp(name, mark + 1) == 0;
    return strstr(name, mark) != NULL;
}

static bool any_has(Weights *w, const char *mark)
{
    for (size_t i = 0; i < weights_count(w); i++)
        if (has_mark(weights_at(w, i)->name, mark)) return true;
    return false;
}

/* FAMILIES: none. */
static Family family_of(const char *name)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (has_mark(name, signs[i].mark)) return signs[i].family;
    return FAMILIES;
}

const char *kind_of_tensor(const char *name)
{
    Family f = family_of(name);
    return f != FAMILIES && families[f].id >= KIND_TINY ? families[f].what : NULL;
}

/* Of a file whose most tensors stand under a checkpoint's names: what carries its UNet; a few leftovers do not count. */
static const Kind *carrier_of(const size_t *votes, size_t all, Family *family)
{
    size_t some = all / 20;
    *family = LDM_UNET;
    if (votes[TRANSFORMER] > votes[LDM_UNET]) *family = TRANSFORMER;
    else if (votes[LDM_UNET] <= some && votes[AVERAGES] > some) *family = AVERAGES;
    else if (votes[LDM_UNET] <= some) *family = votes[LDM_VAE] ? LDM_VAE : LDM_TEXT;
    if (*family == LDM_VAE && votes[LDM_TEXT] > some) return &no_unet;
    if (*family == LDM_UNET && votes[LDM_TEXT] + votes[LDM_VAE] <= some) return &unet_alone;
    return &families[*family];
}

const Kind *kind_of(Weights *w)
{
    size_t votes[FAMILIES + 1] = { 0 };
    Family most = FAMILIES;
    for (size_t i = 0; i < weights_count(w); i++) votes[family_of(weights_at(w, i)->name)]++;

    size_t checkpoint = votes[LDM_UNET] + votes[LDM_TEXT] + votes[LDM_VAE], highest = 0;
    for (Family f = 0; f < FAMILIES; f++) {
        if (votes[f] <= highest) continue;
        most = f;
        highest = votes[f];
    }
    if (!highest) return &unknown;
    const Kind *kind = checkpoint >= highest ? carrier_of(votes, checkpoint, &most) : &families[most];
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        if (variants[i].family == most && any_has(w, variants[i].marks[0]) &&
            (!variants[i].marks[1] || any_has(w, variants[i].marks[1])))
            return &variants[i].is;
    return kind;
}
