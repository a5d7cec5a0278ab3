/* kernels_evex.c - see kernels_evex.h. The Makefile gives it the kernels' flags. */
#include "tests/kernels_evex.h"

#ifdef LIMN_X86
#define ROW       evex_row
#define ROW_NAME  "avx2vnni, as AVX-512 encodes it"
#define VNNI_FORM "%{evex%} "
extern const Kernels evex_row;
#include "nn/kernels_avx2vnni.c"

static const Kernels *last(void)
{
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") ? &evex_row : NULL;
}
#else
static const Kernels *last(void) { return NULL; }
#endif

const Kernels *integer_set(int i)
{
    for (const Kernels *const *k = kernels_rows; *k; k++)
        if (kernels_supported(*k) && (*k)->gemm_i8 && i-- == 0) return *k;
    return i == 0 ? last() : NULL;
}
