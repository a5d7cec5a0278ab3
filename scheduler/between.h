/* between.h - interpolates between the noise of two seeds. */
#ifndef LIMN_SCHEDULER_BETWEEN_H
#define LIMN_SCHEDULER_BETWEEN_H

#include "nn/tensor.h"

/*
 * Moves x [1, h, w, c], unit noise, by the share t towards `other`: spherical linear interpolation of each column of
 * each channel, as in A1111's variations. Source: modules/rng.py, slerp(), including its own case for nearly equal noise.
 */
void noise_between(Tensor x, Tensor other, double t);

#endif
