/* heeds.h - whether a setting makes any difference to a sampler. Tried, not looked up: what is tried cannot be out of date. */
#ifndef LIMN_SCHEDULER_HEEDS_H
#define LIMN_SCHEDULER_HEEDS_H

#include "scheduler/samplers.h"

/*
 * Returns whether so many steps (50 at most) from the same noise end elsewhere with b than with a. It takes no time: a
 * latent of 16 numbers.
 */
bool sampler_heeds(const Sampler *s, int steps, double eta, const Tuning *a, const Tuning *b);

#endif
