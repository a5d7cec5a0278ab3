/* kind.c - see kind.h. */
#include "weights/kind.h"

#include <string.h>

/* The first row whose marker is in any name counts: the special before the general. */
static const Kind kinds[] = {
    { KIND_OTHER, "^lora_unet_", "a LoRA", "give the model that it was made for" },
    { KIND_OTHER, "^lora_te", "a LoRA", "give the model that it was made for" },
    { KIND_OTHER, ".lora_down.", "a LoRA", "give the model that it was made for" },
    { KIND_OTHER, ".lora_A.", "a LoRA", "give the model that it was made for" },
    { KIND_OTHER, ".lora.down.", "a LoRA", "give the model that it was made for" },
    { KIND_OTHER, "^control_model.", "a ControlNet", "give a Stable Diffusion model" },
    { KIND_OTHER, "controlnet_cond_embedding.", "a ControlNet", "give a Stable Diffusion model" },
    { KIND_OTHER, "^conditioner.embedders.1.", "a Stable Diffusion XL checkpoint",
      "limn does not run its two text encoders yet; use SD 1.x or 2.x" },
    { KIND_OTHER, "^conditioner.embedders.0.", "a Stable Diffusion XL refiner", "use a SD 1.x or 2.x model" },
    { KIND_OTHER, "joint_blocks.0.", "a Stable Diffusion 3 checkpoint", "limn does not run it; use SD 1.x or 2.x" },
    { KIND_OTHER, "double_blocks.0.img_attn", "a Flux checkpoint", "limn does not run it; use SD 1.x or 2.x" },
    { KIND_OTHER, "^model.diffusion_model.label_emb.0.0.", "a UNet with class or image embeddings (unCLIP, XL)",
      "limn does not run it; use SD 1.x or 2.x" },
    { KIND_OTHER, "^model.diffusion_model.label_emb.weight", "Stable Diffusion's x4 upscaler",
      "limn does not run it; use SD 1.x or 2.x" },
    { KIND_OTHER, "motion_modules.", "an AnimateDiff motion module", "give a Stable Diffusion model" },
    { KIND_CHECKPOINT, "^model.diffusion_model.input_blocks.0.0.", "a Stable Diffusion checkpoint", NULL },
    { KIND_LDM_VAE, "^first_stage_model.decoder.", "a VAE alone", "give it as --vae, and a model beside it" },
    { KIND_LDM_VAE, "^decoder.up.0.block.", "a VAE alone", "give it as --vae, and a model beside it" },
    { KIND_VAE, "^decoder.up_blocks.0.resnets.", "a VAE alone", "give it as --vae, and a model beside it" },
    { KIND_OTHER, "^decoder.layers.", "a tiny autoencoder (TAESD)", "limn does not run it; give a whole VAE" },
    { KIND_UNET, "^down_blocks.0.resnets.", "a UNet alone",
      "give the diffusers folder that it is from: the text encoder and the VAE are missing" },
    { KIND_TEXT_ENCODER, "^text_model.encoder.layers.", "a text encoder alone",
      "give the diffusers folder that it is from" },
    { KIND_TEXT_ENCODER, "^encoder.layers.0.self_attn.", "a text encoder alone",
      "give the diffusers folder that it is from" },
    { KIND_OTHER, "^emb_params", "a textual inversion", "give a Stable Diffusion model" },
    { KIND_OTHER, "^clip_l", "a textual inversion", "give a Stable Diffusion model" },
};

static const Kind unknown = { KIND_UNKNOWN, NULL, "none of the kinds of weights that limn knows",
                              "give a Stable Diffusion 1.x or 2.x checkpoint, or a diffusers folder" };

const Kind *kind_of(Weights *w)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const char *marker = kinds[k].marker;
        bool begins = *marker == '^';
        size_t len = strlen(marker += begins);
        for (size_t i = 0; i < weights_count(w); i++) {
            const char *name = weights_at(w, i)->name;
            if (begins ? strncmp(name, marker, len) == 0 : strstr(name, marker) != NULL) return &kinds[k];
        }
    }
    return &unknown;
}
