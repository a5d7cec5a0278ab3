/*
 * family.c - for which kind of model an adapter was made. Shapes decide where they can: what cross-attention reads is 768 wide in
 * SD 1.x, 1024 in SD 2.x, 2048 in SDXL and 1280 in its refiner. Those of other networks are told in foreign.c.
 */
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "weights/safetensors.h"

static const struct {
    size_t width;
    const char *family;
} by_context[] = { { 768, "SD 1.x" }, { 1024, "SD 2.x" }, { 2048, "SD XL" }, { 1280, "SD XL refiner" } };

/* Parts of modules' names, flat. */
static const struct {
    const char *part, *family;
} by_name[] = {
    { "input_blocks_7_1_transformer_blocks_1", "SD XL" }, /* a block that only SDXL has */
    { "down_blocks_2_attentions_0_transformer_blocks_2", "SD XL" },
};

/* What kohya's and Stability's metadata say. */
static const struct {
    const char *key, *value, *family;
} by_metadata[] = {
    { "ss_base_model_version", "sdxl", "SD XL" },
    { "ss_base_model_version", "sd_v1", "SD 1.x" },
    { "ss_base_model_version", "sd_v2", "SD 2.x" },
    { "ss_base_model_version", "sd3", "SD 3" },
    { "ss_base_model_version", "flux", "Flux" },
    { "modelspec.architecture", "stable-diffusion-xl", "SD XL" },
    { "modelspec.architecture", "stable-diffusion-v1", "SD 1.x" },
    { "modelspec.architecture", "stable-diffusion-v2", "SD 2.x" },
    { "modelspec.architecture", "stable-diffusion-3", "SD 3" },
    { "modelspec.architecture", "flux", "Flux" },
};

/* How many numbers a module's matrix reads, as far as one factor tells; 0: not. */
static size_t inputs_of(const Module *m)
{
    static const Factor wide[] = { FACTOR_DOWN, FACTOR_HADA_W1B, FACTOR_DIFF, FACTOR_A2, FACTOR_NONE };
    for (const Factor *f = wide; *f < FACTOR_NONE; f++)
        if (m->factor[*f]) return factor_side(m->factor[*f], 1);
    return 0;
}

static const char *from_shapes(const Modules *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const Module *x = &m->module[i];
        if (x->network == NETWORK_TEXT_2) return "SD XL";
        bool cross = strstr(x->name, "attn2_to_k") || strstr(x->name, "attn2_to_v");
        for (size_t k = 0; cross && k < sizeof by_context / sizeof *by_context; k++)
            if (inputs_of(x) == by_context[k].width) return by_context[k].family;
        for (size_t k = 0; k < sizeof by_name / sizeof *by_name; k++)
            if (strstr(x->name, by_name[k].part)) return by_name[k].family;
    }
    return NULL;
}

const char *modules_family(const Modules *m, Bytes file)
{
    const char *family = from_shapes(m);
    for (size_t i = 0; !family && i < sizeof by_metadata / sizeof *by_metadata; i++) {
        char *value = safetensors_metadata(file, by_metadata[i].key);
        if (value && str_starts(value, by_metadata[i].value)) family = by_metadata[i].family;
        free(value);
    }
    return family;
}
