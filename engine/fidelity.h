/*
 * fidelity.h - compares a model's own pictures in f32, in auto's precision, and in 8 bits: error and speed. The result for 8 bits
 * is remembered, and auto uses it (pipeline/fidelity.h).
 */
#ifndef LIMN_ENGINE_FIDELITY_H
#define LIMN_ENGINE_FIDELITY_H

#include "engine/engine.h"
#include "pipeline/fidelity.h"

enum { FIDELITY_WAYS = 3, FIDELITY_PROMPTS = 8 };

typedef struct {
    char precision[PRECISION_TEXT];
    double evaluation; /* seconds, the mean */
    double psnr, flip; /* against f32: the least (INFINITY: the same pixels), the most */
} FidelityWay;

typedef struct {
    FidelityWay way[FIDELITY_WAYS]; /* f32, 16 bits, 8 bits */
    Fidelity eight;
    bool large;      /* auto rounds networks of this size at all */
    const char *row; /* of kernels */
} FidelityReport;

/*
 * Draws each prompt in each of them: job's model, size, steps and sampler, one seed after the other. prompts: ends with NULL;
 * empty: two of limn's own. Error: this CPU has no products of 8 bits; a model that needs a picture; interrupted.
 */
int fidelity_measure(Engine *engine, const Job *job, char *const *prompts, FidelityReport *out, Err *e);

#endif
