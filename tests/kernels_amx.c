/* kernels_amx.c - see kernels_amx.h. The Makefile gives it the kernels' flags. */
#include "tests/kernels_amx.h"

#ifdef LIMN_X86
#define ROW      tiles_row
#define ROW_NAME "amx, in C"
#define TILES_EMULATED
extern const Kernels tiles_row;
#include "nn/kernels_amx.c"

const Kernels *tiles_in_c(void)
{
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni") ? &tiles_row : NULL;
}
#else
const Kernels *tiles_in_c(void) { return NULL; }
#endif

const Kernels *tiles_set(int i)
{
    for (const Kernels *const *k = kernels_rows; *k; k++)
        if (kernels_supported(*k) && (*k)->gemm_tiles && i-- == 0) return *k;
    return i == 0 ? tiles_in_c() : NULL;
}
