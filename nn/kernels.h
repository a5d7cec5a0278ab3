/*
 * kernels.h - the inner loops, one row a CPU family, chosen at start from the CPU's flags.
 * The portable row is plain C + OpenBLAS; every other row is tested against it (tests/test_kernels.c).
 * LIMN_CPU=portable|avx2|avx512|avx512bf16 masks what the CPU offers.
 */
#ifndef LIMN_NN_KERNELS_H
#define LIMN_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;

    /* y[i] = act(x[i]); y may be x. exp within 2 ulp, erf within 1e-7 absolute. */
    void (*silu)(float *y, const float *x, size_t n);
    void (*gelu)(float *y, const float *x, size_t n);       /* exact: x/2 (1 + erf(x/sqrt 2)) */
    void (*quick_gelu)(float *y, const float *x, size_t n); /* x sigmoid(1.702 x) */
    void (*geglu)(float *y, const float *x, size_t n);      /* y[i] = x[i] gelu(x[n + i]) */

    void (*add)(float *y, const float *x, size_t n);                                    /* y += x */
    void (*scale)(float *y, float s, size_t n);                                         /* y *= s */
    void (*affine)(float *y, const float *x, const float *a, const float *b, size_t n); /* y = x a + b */

    /* sum[i] += x[i], sq[i] += x[i]^2, in double: the channels of one pixel */
    void (*moments)(double *sum, double *sq, const float *x, size_t n);
    /* out[0] = sum of x, out[1] = sum of x^2, in double */
    void (*row_moments)(double out[2], const float *x, size_t n);

    /*
     * One step of the online softmax over a row of scores: m the running maximum, s scaled by `scale` first.
     * On return s[i] = exp(scale s[i] - m_new), *m = m_new, *sum = the sum of the new s; returns exp(m_old - m_new).
     */
    float (*softmax_step)(float *s, size_t n, float scale, float *m, float *sum);

    /* x[i] = f32 of half / bfloat16; returns the index of the first NaN or infinity, or n */
    size_t (*from_f16)(float *x, const uint16_t *h, size_t n);
    size_t (*from_bf16)(float *x, const uint16_t *h, size_t n);
    size_t (*find_bad)(const float *x, size_t n); /* the index of the first NaN or infinity, or n */
} Kernels;

/* The rows there are, best first, NULL-terminated; supported() says whether this CPU runs one. */
extern const Kernels *const kernels_rows[];
bool kernels_supported(const Kernels *k);

/* To be called before any layer: also tells OpenBLAS to stay on the thread that calls it. The best supported row, or the one LIMN_CPU names. NULL with *why set when LIMN_CPU names none that runs here. */
const Kernels *kernels_select(const char **why);

#endif
