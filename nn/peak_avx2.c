/* peak_avx2.c - float multiply-adds in registers of 256 bits; see peak.inc. */
#define NAME       peak_f32_avx2
#define LANES      8
#define FMA_CHAINS 12
#include "nn/peak.inc"
