/*
 * peak.h - this machine's peak arithmetic rate: multiply-adds on registers only. A layer can exceed it only with an
 * algorithm that needs fewer (Winograd).
 */
#ifndef LIMN_NN_PEAK_H
#define LIMN_NN_PEAK_H

typedef struct {
    double f32;   /* GFLOP/s of float multiply-adds in the widest vectors that this CPU has */
    double bf16;  /* of bfloat16 products into float, in tile registers if it has some; 0: the CPU has none */
    double sgemm; /* of OpenBLAS sgemm, 2048 x 2048 x 2048, cut into tiles for the threads: a well-known reference */
} Peak;

/* Measures for about half a second, on that many threads. sgemm needs 50 MB; it is 0 if there is no memory. */
Peak peak_measure(int threads);

#endif
