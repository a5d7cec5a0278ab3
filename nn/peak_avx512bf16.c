/* peak_avx512bf16.c - bfloat16 dot products in registers of 512 bits, 32 products at once; see peak.inc. */
#include <immintrin.h>

#include "nn/peak_loops.h"

enum { CHAINS = 24 };

__attribute__((target("avx512f,avx512bf16"))) double peak_bf16_avx512bf16(long rounds)
{
    volatile short half = 0x3f00; /* 0.5 */
    volatile float used;
    __m512 sum[CHAINS];
    __m512bh a = (__m512bh)_mm512_set1_epi16(half), b = (__m512bh)_mm512_set1_epi16(half);
#pragma GCC unroll 32
    for (int c = 0; c < CHAINS; c++) sum[c] = _mm512_set1_ps((float)c);
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 32
        for (int c = 0; c < CHAINS; c++) sum[c] = _mm512_dpbf16_ps(sum[c], a, b);
#pragma GCC unroll 32
    for (int c = 1; c < CHAINS; c++) sum[0] += sum[c];
    used = sum[0][0];
    (void)used;
    return 2.0 * 32 * CHAINS;
}
