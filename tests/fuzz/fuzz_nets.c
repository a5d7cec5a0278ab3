/* fuzz_nets.c - a network's config.json, bound to weights that are made up as they are asked for: so it is built to its end. */
#include <stdint.h>

#include "clip/text_encoder.h"
#include "pipeline/synthetic.h"
#include "unet/unet.h"
#include "vae/vae.h"
#include "weights/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    if (!size) return 0;
    Config *c = config_parse((Bytes){ data + 1, size - 1 }, "config.json", &e);
    if (!c) return 0;
    Synthetic *s = synthetic_new(DT_F16, true, 1);
    Weights *w = synthetic_weights(s);
    if (data[0] % 3 == 0) unet_free(unet_new(c, w, &e));
    if (data[0] % 3 == 1) vae_free(vae_new(c, w, true, &e));
    if (data[0] % 3 == 2) text_encoder_free(text_encoder_new(c, w, &e));
    synthetic_free(s);
    config_free(c);
    return 0;
}
