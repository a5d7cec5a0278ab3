/* between.h - noise between that of two seeds. */
#ifndef LIMN_SCHEDULER_BETWEEN_H
#define LIMN_SCHEDULER_BETWEEN_H

#include "nn/tensor.h"

/*
 * x [1, h, w, c], unit noise, goes the share t of the way to `other`, on the sphere: spherical linear interpolation of each column of
 * each channel, as A1111's variations do it. Source: modules/rng.py, slerp(), with its own reversal where the two are nearly the same.
 */
void noise_between(Tensor x, Tensor other, double t);

#endif
