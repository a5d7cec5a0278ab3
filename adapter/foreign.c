/*
 * foreign.c - adapters of networks that limn does not run, told by their tensors' names: kohya's, diffusers', PEFT's and ComfyUI's of
 * each (comfy/lora.py, diffusers' lora_conversion_utils.py, sd-scripts' networks/).
 */
#include <string.h>

#include "adapter/info.h"
#include "base/str.h"

/* Names are compared flat, with underscores for dots. '^': the name begins so. The first row that a tensor has counts. */
static const struct {
    const char *part, *is;
} marks[] = {
    { "^lora_prior_", "Stable Cascade" },
    { "^lllite_", "pictures that steer (ControlNet-LLLite)" },
    { "motion_modules_", "AnimateDiff's motion modules" },
    { "single_transformer_blocks_", "Flux" },
    { "double_blocks_", "Flux" },
    { "single_blocks_", "Flux" },
    { "joint_blocks_", "SD 3" },
    { "_img_mod_", "Qwen-Image" },
    { "^transformer_transformer_blocks_0_attn_add_", "SD 3" },
    { "_cross_attn_", "Wan" },
    { "^diffusion_model_layers_", "Lumina or Z-Image" },
    { "^lora_unet_layers_", "Lumina or Z-Image" },
    { "^lora_te3_", "a model with a T5 text encoder (SD 3 or Flux)" },
    { "^text_encoder_3_", "a model with a T5 text encoder (SD 3 or Flux)" },
    { "^transformer_", "a diffusion transformer (Flux, SD 3, PixArt or their like)" },
};

static bool has_mark(const char *name, const char *mark)
{
    bool start = *mark == '^';
    mark += start;
    for (size_t i = 0; name[i]; i++) {
        size_t n = 0;
        while (mark[n] && (name[i + n] == mark[n] || (name[i + n] == '.' && mark[n] == '_'))) n++;
        if (!mark[n]) return true;
        if (start) return false;
    }
    return false;
}

static bool is_low_rank(Weights *w)
{
    for (size_t i = 0; i < weights_count(w); i++) {
        const char *name = weights_at(w, i)->name;
        if (strstr(name, "lora") || str_starts(name, "lllite_")) return true;
    }
    return false;
}

const char *adapter_foreign(Weights *w)
{
    if (!is_low_rank(w) && !adapter_is(w)) return NULL;
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
        for (size_t i = 0; i < weights_count(w); i++)
            if (has_mark(weights_at(w, i)->name, marks[k].part)) return marks[k].is;
    return NULL;
}
