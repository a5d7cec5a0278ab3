/*
 * exponential.h - one step of an exponential integrator in lambda = -log(sigma), from what DPM-Solver and DPM-Solver++ predict:
 * the estimate x0 (data), or the noise in x. Internal to scheduler/.
 *
 * Over a step of length h: x' = keep x + phi1 D0 + phi2 D1 + phi3 D2 + noise, where D0 is the prediction at the step's start and
 * D1, D2 its differences. Lu et al. 2022, arXiv:2211.01095, algorithms 1 and 2, appendix B.
 */
#ifndef LIMN_SCHEDULER_EXPONENTIAL_H
#define LIMN_SCHEDULER_EXPONENTIAL_H

#include "nn/tensor.h"

typedef struct {
    double keep, phi1, phi2, phi3;
    double noise; /* of unit variance, how much; 0: none */
} Exponential;

/*
 * For the estimate. eta: the share of the SDE's noise. flipped: the SDE's phi3 as in diffusers, which has a wrong sign in one
 * half; needed for the same pictures.
 */
Exponential exponential_data(double sigma, double to, double eta, bool flipped);

/* For the noise, as an ODE or an SDE; to 0: ends at the estimate. */
Exponential exponential_noise(double sigma, double to, bool sde);

/*
 * x += the second-order correction: m[0] the prediction at the start, m[1] the one r steps before it; heun: by phi2,
 * else phi1 / 2.
 */
void exponential_second(Tensor x, const Exponential *w, bool heun, double r, const Tensor *m);

/* x += the third-order correction; m[2] is the prediction r[1] steps before m[1]. */
void exponential_third(Tensor x, const Exponential *w, const double r[2], const Tensor *m);

#endif
