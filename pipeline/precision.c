/* precision.c - see precision.h. */
#include "pipeline/precision.h"

#include <string.h>

enum { AUTO_BF16 = false };

int precision_choose(bool *bf16, const char *asked, const Kernels *k, Err *e)
{
    bool there = k->gemm_bf16 != NULL, wanted = strcmp(asked, "bf16") == 0;
    if (wanted && !there)
        return err_usage(e, "precision bf16: this CPU's kernels (%s) have no products of bfloat16; use --precision f32",
                         k->name);
    *bf16 = wanted || (strcmp(asked, "auto") == 0 && there && AUTO_BF16);
    return 0;
}
