/* same.c - whether what was written is read as what it was made of. See layouts.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/layouts.h"

static int check_noise(const Noise *a, const Noise *b, Err *e)
{
    if (a->prediction != b->prediction)
        return err_set(
            e, "it would be read as predicting something else: give --prediction when it is drawn, or another layout");
    if (a->timesteps != b->timesteps || memcmp(a->sigmas, b->sigmas, (size_t)a->timesteps * sizeof *a->sigmas) != 0)
        return err_set(e, "its noise schedule is its own, and a single file cannot say it");
    return 0;
}

static int check_networks(const Model *a, const Model *b, Err *e)
{
    if (!unet_alike(a->unet, b->unet))
        return err_set(e, "its UNet has settings that a single file cannot say (heads, norms): only a folder can");
    if (a->texts != b->texts) return err_set(e, "it would be read with another number of text encoders");
    for (int i = 0; i < a->texts; i++)
        if (!text_encoder_alike(a->text[i].encoder, b->text[i].encoder))
            return err_set(e,
                           "its text encoder has settings that a single file cannot say (layers, heads, activation)");
    if (vae_factor(a->vae) != vae_factor(b->vae) ||
        fabs((double)vae_scaling_factor(a->vae) - (double)vae_scaling_factor(b->vae)) > 1e-7)
        return err_set(e, "its VAE's scaling factor is %g, and a single file's would be %g",
                       (double)vae_scaling_factor(a->vae), (double)vae_scaling_factor(b->vae));
    if (a->scaled_beside != b->scaled_beside)
        return err_set(e, "how a picture is told that it edits (is_cosxl_edit) would be lost");
    return 0;
}

static void tell_differences(const Model *a, const Model *b, const Watch *w)
{
    const Noise *n = &a->noise, *m = &b->noise;
    bool other = strcmp(n->sampler, m->sampler) != 0 || n->spacing != m->spacing ||
                 strcmp(n->schedule, m->schedule) != 0 || n->steps_offset != m->steps_offset;
    char text[400];
    snprintf(
        text, sizeof text,
        "a single file does not keep the scheduler's settings: the folder's sampler is %s, schedule %s; the file's %s, "
        "%s, unless --sampler and --schedule say otherwise",
        *n->sampler ? n->sampler : "another", n->schedule, *m->sampler ? m->sampler : "another", m->schedule);
    if (other) watch_warn(w, text);
    if (a->zero_negative != b->zero_negative)
        watch_warn(w, "a single file does not keep what stands for no negative prompt (force_zeros_for_empty_prompt)");
    if (a->words && !b->words)
        watch_warn(w, "a single file does not keep the words that the model knows (limn-words.json)");
    if (a->files->defaults && !b->files->defaults)
        watch_warn(w, "a single file does not keep the settings that suit the model (limn.json)");
}

int same_models(const Model *was, const Model *is, const Watch *w, Err *e)
{
    if (check_networks(was, is, e) || check_noise(&was->noise, &is->noise, e)) return -1;
    tell_differences(was, is, w);
    return 0;
}
