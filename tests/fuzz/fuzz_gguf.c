/*
 * fuzz_gguf.c - a file of weights of any bytes, GGUF or safetensors with scales: what is accepted must be readable to
 * the last byte.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "weights/kind.h"
#include "weights/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    Bytes file = { data, size };
    Weights *w = weights_new();
    if (weights_read(w, file, &e) == 0) {
        for (size_t i = 0; i < weights_count(w); i++) {
            const Weight *t = weights_at(w, i);
            size_t n = weight_count(t);
            float *f = mem_array(n + 1, sizeof *f);
            weight_to_f32(t, f, &e);
            if (n > 2 && dtype_computes(t->dtype)) weight_values(t, n / 3, n - n / 3, f);
            free(f);
            if (weights_find(w, t->name) != t) abort();
        }
        kind_of(w);
    }
    free(weights_metadata(file, "general.name"));
    weights_free(w);
    return 0;
}
