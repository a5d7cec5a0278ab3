/*
 * support.h - what the tests share: fixtures read from safetensors, errors measured, a network run in an arena that was
 * measured by a dry pass.
 *
 * The tests run in the repository root. Everything here fails the test with a word rather than return an error.
 */
#ifndef LIMN_TESTS_SUPPORT_H
#define LIMN_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"
#include "nn/nn.h"
#include "nn/panels.h"
#include "weights/config.h"
#include "weights/weights.h"

#define GOLDEN "tests/golden"

/* What products round: as --precision bf16 has it, where `yes`; otherwise nothing. */
static inline Precision rounding_16(bool yes)
{
    return yes ? (Precision){ FACTORS_I16, FACTORS_BF16, FACTORS_BF16 } : (Precision){ 0 };
}

/* A safetensors file held open, its tensors converted to f32. */
typedef struct {
    Bytes file;
    Weights *w;
    void **floats; /* what fixture_f32() converted */
    size_t count;
} Fixture;

void fixture_open(Fixture *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fixture_close(Fixture *f);

bool fixture_has(const Fixture *f, const char *name);
/* The shape of a tensor, padded with ones in front to four: [n, c, h, w]. */
const Weight *fixture_shape(const Fixture *f, const char *name, int shape[4]);
/* The elements as f32, the fixture's; *len may be NULL. */
const float *fixture_f32(Fixture *f, const char *name, size_t *len);
/* The elements of an I64 tensor as ints, the fixture's. */
const int *fixture_ints(Fixture *f, const char *name, size_t *len);
/* [n, c, h, w] of the file as [n, h, w, c] in the arena; only the shape in a dry arena. */
Tensor fixture_nchw(Fixture *f, const char *name, Arena *a);
/* [n, t, c] of the file as [n, t, 1, c]. */
Tensor fixture_tokens(Fixture *f, const char *name, Arena *a);
/* "__metadata__": the value of key, the fixture's; NULL when absent. */
const char *fixture_metadata(Fixture *f, const char *key);

/* A configuration file; the caller frees it. */
Config *config_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The folders in a folder, sorted, NULL-terminated; names_free() frees. A missing folder has none. */
char **folders_in(const char *dir);
/* The files in a folder whose names end so. */
char **files_in(const char *dir, const char *suffix);
void names_free(char **names);
/* Calls check for each folder in parent whose name begins with prefix; returns how many there were. */
int each_folder(const char *parent, const char *prefix, void (*check)(const char *dir));

/* ||a - b|| / ||b||: b is the reference. */
double relative_l2(const float *a, const float *b, size_t n);
/* The same for activations against a file's [n, c, h, w]. Checks the shape. */
double relative_l2_nchw(Tensor a, Fixture *f, const char *name);
/* Peak signal to noise in dB, both with values 0 .. peak; equal: 200. */
double psnr(const float *a, const float *b, size_t n, double peak);

/* Fails, naming what, when error is above the limit (or NaN). */
void assert_error(double error, double limit, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Runs f twice, in a dry arena and then in one of the size that the first measured, which the caller releases.
 * f's result lives in it.
 */
typedef Tensor (*ForwardFn)(Nn *nn, void *ctx);
Tensor run_measured(ForwardFn f, void *ctx, int threads, Arena *a);

/* f32 weights as files have them, [n, k], borrowed. */
Panels test_panels(const float *w, int n, int k);

#endif
