/* peak_portable.c - float multiply-adds in registers of 128 bits; see peak.inc. */
#define NAME       peak_f32_portable
#define LANES      4
#define FMA_CHAINS 10
#include "nn/peak.inc"
