/* peak.c - see peak.h. The best of several short runs counts: other work on the machine only slows one down. */
#include "nn/peak.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "nn/arena.h"
#include "nn/gemm.h"
#include "nn/kernels.h"
#include "nn/peak_loops.h"

enum { RUNS = 5, SIDE = 2048 };

typedef double (*Loop)(long rounds);

/* GFLOP/s of a loop on every thread at once. */
static double rate(Loop loop, int threads)
{
    const long rounds = 1000000; /* some 10 ms */
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        double flops = 0, start = clock_now();
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : flops)
        for (int t = 0; t < threads; t++) flops += loop(rounds) * (double)rounds;
        double got = flops / (clock_now() - start) * 1e-9;
        if (got > best) best = got;
    }
    return best;
}

/* Returns whether this CPU runs a kernel set with tile registers. */
static bool has_tiles(void)
{
    for (const Kernels *const *k = kernels_rows; *k; k++)
        if ((*k)->gemm_tiles && kernels_supported(*k)) return true;
    return false;
}

/* OpenBLAS packs for each tile anew, so the tiles are large: a quarter of the product each, or a column of it a thread. */
static double sgemm_rate(int threads)
{
    Arena arena;
    Err e;
    const size_t count = (size_t)SIDE * SIDE;
    if (arena_init(&arena, 3 * count * sizeof(float), &e)) return 0;
    float *x = arena_alloc(&arena, count * sizeof *x), *y = arena_alloc(&arena, count * sizeof *y);
    float *z = arena_alloc(&arena, count * sizeof *z);
    for (size_t i = 0; i < count; i++) x[i] = y[i] = (float)(i % 977) * 1e-3f;
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double start = clock_now();
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int t = 0; t < threads; t++) {
            int from = SIDE * t / threads, to = SIDE * (t + 1) / threads;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, to - from, SIDE, SIDE, 1, x + (size_t)from * SIDE,
                        SIDE, y, SIDE, 0, z + (size_t)from * SIDE, SIDE);
        }
        double got = 2.0 * SIDE * SIDE * SIDE / (clock_now() - start) * 1e-9;
        if (got > best) best = got;
    }
    arena_release(&arena);
    return best;
}

Peak peak_measure(int threads)
{
    Loop f32 = peak_f32_portable, bf16 = NULL;
#ifdef LIMN_X86
    if (__builtin_cpu_supports("avx512f")) f32 = peak_f32_avx512;
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f32 = peak_f32_avx2;
    if (__builtin_cpu_supports("avx512bf16")) bf16 = peak_bf16_avx512bf16;
    if (has_tiles()) bf16 = peak_bf16_amx;
#endif
#ifdef LIMN_ARM64
    f32 = peak_f32_neon;
#endif
    return (Peak){ .f32 = rate(f32, threads), .bf16 = bf16 ? rate(bf16, threads) : 0, .sgemm = sgemm_rate(threads) };
}
