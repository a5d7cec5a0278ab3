/*
 * parts_classes.c - the components that a model may have, and the classes of networks that limn runs as them. See parts.h.
 */
#include <assert.h>
#include <string.h>

#include "pipeline/parts.h"

const Component components[] = {
    { "text_encoder", ROLE_TEXT, "text_encoder_2", "tokenizer" },
    { "text_encoder_2", ROLE_TEXT, "text_encoder", "tokenizer_2" },
    { "unet", ROLE_NETWORK, NULL, NULL },
    { "vae", ROLE_CODEC, NULL, NULL },
    { NULL, 0, NULL, NULL },
};

/* Those that read the tokens of one prompt: each makes a share of the context, and the last one's pooled output goes with it. */
static int bind_text(Model *m, const Part *p, Config *c, const ModelPaths *paths, Err *e)
{
    (void)paths;
    assert(m->texts < TEXTS_MAX);
    TextPart *text = &m->text[m->texts++];
    return (text->encoder = text_encoder_new(c, p->weights, e)) ? 0 : -1;
}

static int bind_unet(Model *m, const Part *p, Config *c, const ModelPaths *paths, Err *e)
{
    (void)paths;
    return (m->unet = unet_new(c, p->weights, e)) ? 0 : -1;
}

static int bind_vae(Model *m, const Part *p, Config *c, const ModelPaths *paths, Err *e)
{
    return (m->vae = vae_new(c, p->weights, paths->encoder, e)) ? 0 : -1;
}

const PartClass part_classes[] = {
    { "CLIPTextModel", ROLE_TEXT, NAMES_CLIP_TEXT, bind_text },
    { "CLIPTextModelWithProjection", ROLE_TEXT, NAMES_CLIP_TEXT, bind_text },
    { "UNet2DConditionModel", ROLE_NETWORK, NAMES_DIFFUSERS_UNET, bind_unet },
    { "AutoencoderKL", ROLE_CODEC, NAMES_DIFFUSERS_VAE, bind_vae },
    { "AutoencoderTiny", ROLE_CODEC, NAMES_DIFFUSERS_VAE, bind_vae },
    { NULL, 0, 0, NULL },
};

const PartClass *part_class_find(const char *name, PartRole role)
{
    for (const PartClass *c = part_classes; c->name; c++)
        if (c->role == role && (!name || strcmp(c->name, name) == 0)) return c;
    return NULL;
}
