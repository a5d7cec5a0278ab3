/* precision.c - see precision.h. */
#include "pipeline/precision.h"

#include <string.h>

int precision_choose(bool *bf16, const char *asked, const Kernels *k, size_t weights, Err *e)
{
    bool there = k->gemm_bf16 != NULL, wanted = strcmp(asked, "bf16") == 0;
    if (wanted && !there)
        return err_usage(e, "precision bf16: this CPU's kernels (%s) have no products of bfloat16; use --precision f32",
                         k->name);
    *bf16 = wanted || (strcmp(asked, "auto") == 0 && there && weights >= PRECISION_LARGE);
    return 0;
}
