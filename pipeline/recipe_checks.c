/* recipe_checks.c - checks whether a model can do what a job requests, and whether its parts belong together. See recipe.h. */
#include <string.h>

#include "pipeline/hires.h"
#include "pipeline/loras.h"
#include "pipeline/recipe_internal.h"
#include "pipeline/seen.h"

static int check_side(const char *name, int side, int factor, Err *e)
{
    if (side % factor == 0 && side > 0) return 0;
    int below = side / factor * factor;
    if (below == 0)
        return err_usage(e, "%s %d: this model draws multiples of %d; the nearest is %d", name, side, factor, factor);
    return err_usage(e, "%s %d: this model draws multiples of %d; the nearest are %d and %d", name, side, factor, below,
                     below + factor);
}

int recipe_check_size(const Model *m, int width, int height, Err *e)
{
    int factor = vae_factor(m->vae);
    return check_side("width", width, factor, e) || check_side("height", height, factor, e) ? -1 : 0;
}

/* A text encoder and the tokenizer that writes for it. */
static int check_text(const TextPart *t, Err *e)
{
    if (tokenizer_size(t->tokenizer) > text_encoder_vocab(t->encoder))
        return err_set(e, "the tokenizer has ids up to %d, the text encoder %d embeddings: they do not belong together",
                       tokenizer_size(t->tokenizer) - 1, text_encoder_vocab(t->encoder));
    if (tokenizer_max(t->tokenizer) != text_encoder_tokens(t->encoder))
        return err_set(e, "the tokenizer makes rows of %d ids, the text encoder takes %d: they do not belong together",
                       tokenizer_max(t->tokenizer), text_encoder_tokens(t->encoder));
    return 0;
}

/* Together they make what the UNet takes. */
static int check_texts(const Model *m, const Job *j, Err *e)
{
    int width = 0, tokens = text_encoder_tokens(m->text[0].encoder), least = text_encoder_layers(m->text[0].encoder);
    for (int i = 0; i < m->texts; i++) {
        const TextEncoder *t = m->text[i].encoder;
        if (check_text(&m->text[i], e)) return -1;
        if (text_encoder_tokens(t) != tokens)
            return err_set(e, "the text encoders take %d and %d tokens: they do not belong together", tokens,
                           text_encoder_tokens(t));
        width += text_encoder_width(t);
        if (text_encoder_layers(t) < least) least = text_encoder_layers(t);
    }
    if (width != unet_context_width(m->unet))
        return err_set(e, "the text encoder%s of %d, the UNet takes %d: they do not belong together",
                       m->texts > 1 ? "s give embeddings" : " gives embeddings", width, unet_context_width(m->unet));
    int pooled = text_encoder_projection(m->text[m->texts - 1].encoder), added = unet_added_width(m->unet);
    if (added && (m->ids < IDS_MAX - 1 || m->ids > IDS_MAX || pooled + m->ids * unet_added_id_width(m->unet) != added))
        return err_set(
            e, "the UNet takes %d numbers besides the text, the text encoder pools %d: they do not belong together",
            added, pooled);
    if (j->clip_skip < 1 || j->clip_skip > least)
        return err_usage(e, "clip-skip %d: the text encoder has %d layers", j->clip_skip, least);
    return 0;
}

BesideKind recipe_beside(const Model *m)
{
    int latent = vae_latent_channels(m->vae), more = unet_in_channels(m->unet) - latent;
    if (more == 0) return BESIDE_NOTHING;
    if (more == 1) return BESIDE_DEPTH;
    if (more == 3 && unet_labels(m->unet)) return BESIDE_SMALL;
    return more == latent ? BESIDE_PICTURE : more == latent + 1 ? BESIDE_MASKED : BESIDE_UNKNOWN;
}

/* What models want that see more than the latent. */
static int check_beside(BesideKind b, const Job *j, Err *e)
{
    if (b == BESIDE_MASKED && !(j->mask || j->extend))
        return err_set(e,
                       "the UNet takes 9 channels: this model fills what a mask shows; give --init-image and --mask");
    if (b == BESIDE_PICTURE && !j->init_image)
        return err_set(e,
                       "the UNet takes 8 channels: this model edits a picture as the prompt says; give --init-image");
    if (b == BESIDE_DEPTH && !(j->init_image && j->depth))
        return err_set(
            e, "the UNet takes 5 channels: this model goes by a picture and its map of depths; give --init-image "
               "and --depth");
    if (j->depth && b != BESIDE_DEPTH)
        return err_usage(e, "depth: this model takes no map of depths; a ControlNet may (--control)");
    if (j->image_cfg_scale > 0 && b != BESIDE_PICTURE)
        return err_usage(e, "image-cfg-scale: it is for models that edit by instruction (InstructPix2Pix: 8 channels)");
    if ((b == BESIDE_PICTURE || b == BESIDE_DEPTH) && (j->mask || j->extend))
        return err_usage(e, "mask, extend: this model is not for parts of a picture");
    if (b == BESIDE_PICTURE && j->strength >= 0 && j->strength < 1 &&
        !(j->compat && strcmp(j->compat, "diffusers") != 0))
        return err_usage(e, "strength: this model starts from noise and sees the picture as a further input; "
                            "--image-cfg-scale says how "
                            "near to stay");
    return 0;
}

/* Models that see a picture in a way of their own. */
static int check_seen(const Model *m, const Job *j, Err *e)
{
    bool shown = unet_label_width(m->unet), small = recipe_beside(m) == BESIDE_SMALL;
    int most = small ? SEEN_SMALL_NOISE_MOST : 999;
    if (!shown && !small)
        return j->noise_level < 0 ? 0
                                  : err_usage(e, "noise-level: it is for models that make variations of a picture "
                                                 "(unCLIP) or make it larger (x4 upscaler)");
    if (!j->init_image)
        return err_set(e, shown ? "this model makes variations of a picture (unCLIP): give --init-image"
                                : "this model makes a picture larger: give --init-image");
    if (j->mask || j->extend) return err_usage(e, "mask, extend: this model is not for parts of a picture");
    if (j->hires > 1) return err_usage(e, "hires: not with a model that is shown a picture");
    if (j->strength >= 0 && j->strength < 1)
        return err_usage(e, "strength: this model starts from noise and is shown the picture; --noise-level says how "
                            "free it is");
    if (j->noise_level > most) return err_usage(e, "noise-level %g: this model knows 0 to %d", j->noise_level, most);
    return 0;
}

/* What a picture is asked to be part of, and what for. */
static int check_picture(const Model *m, const Job *j, Err *e)
{
    bool fills = recipe_beside(m) == BESIDE_MASKED;
    if (j->mask && !j->init_image)
        return err_usage(e, "mask: it says where a picture may change; give one with --init-image");
    if (j->strength > 0 && j->strength < 1 && !j->init_image && !j->second_pass)
        return err_usage(e, "strength: it says how much of a picture changes; give one with --init-image");
    bool masked = j->mask || j->extend;
    if (j->extend && !j->init_image)
        return err_usage(e, "extend: it draws on beyond a picture's edges; give one with --init-image");
    if (!masked && (j->mask_blur || j->mask_invert || j->soft_mask || strcmp(j->fill, "original") != 0))
        return err_usage(e, "mask-blur, mask-invert, soft-mask, fill: there is no --mask");
    if (!masked && j->only_masked >= 0) return err_usage(e, "only-masked: there is no --mask");
    if (j->mask_invert && !j->mask) return err_usage(e, "mask-invert: there is no --mask");
    if (j->soft_mask && fills)
        return err_usage(e, "soft-mask: this model of 9 channels is told what to fill, and takes no shares of it");
    if (j->soft_mask && j->compat && strcmp(j->compat, "a1111") == 0)
        return err_usage(
            e, "soft-mask: A1111's soft inpainting is another thing, which limn cannot do; leave out --compat");
    return check_beside(recipe_beside(m), j, e);
}

/* LoRAs are laid over the model for both passes. */
static int check_hires_loras(const Job *j, Err *e)
{
    Job second;
    if (!j->hires_prompt) return 0;
    job_copy(&second, j);
    hires_prompts(&second, j);
    char *first = loras_tags(j), *other = loras_tags(&second);
    bool differ = (loras_in_prompt(j) || loras_in_prompt(&second)) && strcmp(first, other) != 0;
    free(first);
    free(other);
    job_release(&second);
    if (!differ) return 0;
    return err_usage(
        e, "hires-prompt: both passes have the same LoRAs: name those of the prompt, in their order and as strong");
}

/* A second pass goes on from the whole of the first one's result. */
static int check_hires(const Model *m, const Job *j, Err *e)
{
    bool words = j->hires_prompt || j->hires_negative_prompt;
    bool said = j->hires_steps || j->hires_strength >= 0 || j->hires_with || j->hires_sampler ||
                j->hires_cfg_scale >= 0 || j->hires_schedule || words;
    if (said && j->hires <= 1)
        return err_usage(e, "hires-steps, hires-strength, hires-prompt, ...: there is no --hires, such as --hires 2");
    if (j->hires <= 1) return 0;
    if (words && j->blend_prompt) return err_usage(e, "hires-prompt: not together with --blend-prompt");
    if (check_hires_loras(j, e)) return -1;
    if (j->mask || j->extend)
        return err_usage(e, "hires: not together with --mask or --extend; limn upscale makes the result larger");
    if (recipe_beside(m) != BESIDE_NOTHING)
        return err_usage(e, "hires: not with a model that sees a picture besides the latent (%d channels)",
                         unet_in_channels(m->unet));
    return 0;
}

static int check_blend(const Job *j, Err *e)
{
    if (j->blend >= 0 && !j->blend_prompt) return err_usage(e, "blend: there is no --blend-prompt");
    if (j->blend_prompt && j->blend < 0 && j->count < 2)
        return err_usage(e, "blend-prompt: how far? --blend 0.5, or --count 5 for a row from the one to the other");
    if (j->blend_prompt && loras_tagged(j->blend_prompt))
        return err_usage(e,
                         "blend-prompt: a LoRA is laid over the whole picture: name it in the prompt, or with --lora");
    return 0;
}

int recipe_check_model(const Model *m, const Job *j, Err *e)
{
    int latent = vae_latent_channels(m->vae), in = unet_in_channels(m->unet), out = unet_out_channels(m->unet);
    if (check_seen(m, j, e) || check_picture(m, j, e)) return -1;
    if (j->variation_strength > 0 && j->variation_seed < 0)
        return err_usage(e, "variation-strength: a --variation-seed is expected, such as 1");
    if (check_hires(m, j, e) || check_blend(j, e)) return -1;
    if (!j->refiner && (j->refiner_at > 0 || j->refiner_sha256))
        return err_usage(e, "refiner-at: it says where a second model takes over; give one with --refiner");
    if (recipe_beside(m) == BESIDE_UNKNOWN || out != latent)
        return err_set(e, "the UNet takes %d channels and gives %d, the VAE has %d: %s", in, out, latent,
                       in > latent ? "this model edits pictures in a way that limn does not know"
                                   : "they do not belong together");
    return check_texts(m, j, e);
}
