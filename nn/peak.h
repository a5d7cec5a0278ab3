/*
 * peak.h - the most arithmetic that this machine does: multiply-adds of registers only, which no layer can pass but by an
 * algorithm that needs fewer (Winograd).
 */
#ifndef LIMN_NN_PEAK_H
#define LIMN_NN_PEAK_H

typedef struct {
    double f32;   /* GFLOP/s of float multiply-adds in the widest vectors that this CPU has */
    double bf16;  /* of bfloat16 products into float, in tile registers where it has some; 0: the CPU has none */
    double sgemm; /* of OpenBLAS sgemm, 2048 x 2048 x 2048, cut into tiles for the threads: a mark known elsewhere */
} Peak;

/* Measures for about half a second, on that many threads. sgemm takes 50 MB; 0 where they cannot be had. */
Peak peak_measure(int threads);

#endif
