/*
 * beta.h - the beta distribution's quantiles, which a schedule is made of (Lee et al. 2024, arXiv:2407.12173).
 */
#ifndef LIMN_SCHEDULER_BETA_H
#define LIMN_SCHEDULER_BETA_H

/* The x in 0 .. 1 with I_x(a, b) = p, as scipy.stats.beta.ppf(p, a, b). a, b > 0; p is clamped to 0 .. 1. */
double beta_quantile(double p, double a, double b);

#endif
