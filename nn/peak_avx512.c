/* peak_avx512.c - float multiply-adds in registers of 512 bits; see peak.inc. */
#define NAME       peak_f32_avx512
#define LANES      16
#define FMA_CHAINS 24
#include "nn/peak.inc"
