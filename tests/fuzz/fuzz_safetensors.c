/* fuzz_safetensors.c - a safetensors file of any bytes: what is accepted must be readable to the last byte. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "weights/kind.h"
#include "weights/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    char shape[64];
    Bytes file = { data, size };
    Weights *w = weights_new();
    if (safetensors_read(w, file, &e) == 0) {
        for (size_t i = 0; i < weights_count(w); i++) {
            const Weight *t = weights_at(w, i);
            float *f = mem_array(weight_count(t), sizeof *f);
            weight_to_f32(t, f, &e);
            weight_shape_text(t, shape, sizeof shape);
            free(f);
            if (weights_find(w, t->name) != t) abort();
        }
        kind_of(w);
    }
    free(safetensors_metadata(file, "format"));
    weights_free(w);
    return 0;
}
