/*
 * sampling.h - what the tests of samplers share: runs over one small picture, with what they saw.
 */
#ifndef LIMN_TESTS_SAMPLING_H
#define LIMN_TESTS_SAMPLING_H

#include <cjson/cJSON.h>

#include "scheduler/samplers.h"
#include "tests/support.h"

enum { RUN_STEPS = 1100, CHANNELS = 12, LATENT = 8 * 8 * CHANNELS }; /* diffusers' [4, 3, 8, 8] as one picture */

/* A run over one picture, with what it saw. */
typedef struct {
    Noise noise;
    Timeline tl;
    Denoiser d;
    Arena arena;
    Rng rng;
    Tensor x;
    double eta;
    Tuning tuning;
    double net[4];             /* network(), denoiser(): the coefficients of F or D; all 0: the references' own */
    int reports;               /* calls of after_step */
    int index[RUN_STEPS];      /* which steps they named */
    double sums[RUN_STEPS][2]; /* by report, in the scale that diffusers shows: sum, sum of magnitudes */
} Run;

Run *run_new(double eta); /* on the heap, with diffusers' dummy model as the network; run_free() frees */
void run_free(Run *r);

/* Runs to the end; fails the test with the sampler's name. */
void run_sampler(Run *r, const Sampler *s);

/*
 * A golden file: of $LIMN_GOLDEN, if that is set and has one of the name, else of tests/golden/scheduler, where it may be NAME.gz.
 * cJSON_Delete() frees.
 */
cJSON *golden_open(const char *name);
bool golden_given(void); /* $LIMN_GOLDEN is set: the counts of rows are then others */

double number_at(const cJSON *list, int i); /* NAN: it is not a number */
double number_of(const cJSON *object, const char *key, double missing);
double relative(double a, double b);

/* The noise of a scheduler_config.json given as text, of a class. */
void noise_of(Noise *n, const char *class_name, const char *config);

/* diffusers' dummy_sample_deter times scale, and its dummy_noise_deter times noise_scale. */
Tensor dummy_latent(Arena *a, double scale, double noise_scale);

/* A timeline of given sigmas; timeline_release() frees it. */
Timeline timeline_of(const double *sigma, int steps, Family family);

/* The network of run_new(): diffusers' dummy_model(), or with net; ctx: Run. */
int dummy_network(void *ctx, Tensor out, const Evaluation *ev, Err *e);

/* Denoisers for Denoiser.exact. */
int kdiffusion_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e); /* ctx: Run */
int gaussian_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e);   /* of N(0, 1) data */

#endif
