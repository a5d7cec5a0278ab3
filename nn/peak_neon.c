/* peak_neon.c - float multiply-adds in the 32 registers of 128 bits of a 64-bit ARM CPU; see peak.inc. */
#define NAME       peak_f32_neon
#define LANES      4
#define FMA_CHAINS 24
#include "nn/peak.inc"
