/* peak_loops.h - the loops of peak.c, one a CPU family. Private to nn/. */
#ifndef LIMN_NN_PEAK_LOOPS_H
#define LIMN_NN_PEAK_LOOPS_H

/* Does `rounds` rounds of independent multiply-adds; returns how many operations (2 a multiply-add) one round is. */
double peak_f32_portable(long rounds);
double peak_f32_avx2(long rounds);
double peak_f32_avx512(long rounds);
double peak_f32_neon(long rounds);
double peak_bf16_avx512bf16(long rounds);
double peak_bf16_amx(long rounds);

#endif
