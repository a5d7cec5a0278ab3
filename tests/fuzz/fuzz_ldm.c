/* fuzz_ldm.c - a single file of any bytes: as a model (LDM's names) and as a VAE of its own. */
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "pipeline/model.h"
#include "tests/fuzz/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = work_file("m.safetensors", data, size);
    for (int vae = 0; vae < 2; vae++) {
        ModelPaths paths = { .path = vae ? "sprites" : path, .vae = vae ? path : NULL, .no_weights = true };
        Str out = { 0 };
        Err e = { .text = "" };
        if (model_describe(&paths, vae, 0, 0, &out, &e) ? !e.text[0] : !out.len) abort();
        str_release(&out);
    }
    return 0;
}
