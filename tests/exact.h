/*
 * exact.h - random matrices as layers read them and as plain numbers, and convolutions computed plainly in double: what the
 * products of every kernel set are tested against. Memory is the heap's and just as large as it must be, so that the address
 * sanitizer sees what reads or writes beyond it.
 */
#ifndef LIMN_TESTS_EXACT_H
#define LIMN_TESTS_EXACT_H

#include "nn/nn.h"
#include "scheduler/rng.h"

/*
 * A float's unit roundoff. Each of k additions rounds by at most UNIT of a partial sum, which for terms of random sign grows
 * as sqrt(k): the whole error's deviation is 0.64 UNIT sum|terms| for every k. Limits are a multiple of UNIT sum|terms|.
 */
#define UNIT 0x1p-24

/* n unit normals (or scaled), freed by the caller. */
float *normals(Rng *r, size_t n, double scale);
/* A number of 0 .. n - 1. */
int below(Rng *r, int n);

/* w [k, n], of deviation 1/sqrt(k) and exact in the panels' type; the panels of the same. */
typedef struct {
    Panels p;
    float *w;
    float *bias;       /* [n]; 0 without one */
    float *bias_panel; /* the same as layers want it; NULL without one */
} Matrix;

Matrix matrix_new(Rng *r, DType type, int k, int n, bool paired, bool bias);
void matrix_release(Matrix *m);

/* x to 8 bits of significand, ties to even. */
double rounded_bf16(double x);

/* A convolution of stride 1, and what it reads. */
typedef struct {
    const Matrix *w; /* [in * k * k, out], as files have them */
    Tensor x;        /* as the layer reads it, after a norm */
    int h, wide;     /* after upsampling */
    int up, k;
    bool wrap_x, wrap_y;
} ExactConv;

/* One pixel of the result, [out]; mass: sum |x w| + |bias| of each. */
void exact_pixel(const ExactConv *c, int n, int y, int x, double *out, double *mass);

/* Group norm and SiLU (or only the norm), each number rounded to float once: a new tensor on the heap. */
Tensor exact_norm(const Norm *g, Tensor x, bool silu);

#endif
