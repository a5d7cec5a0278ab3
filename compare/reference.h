/*
 * reference.h - the converged picture: where the probability-flow ODE leads from a seed's noise when the steps are so many that
 * more of them change nothing that 8 bits show.
 *
 * It is found by doubling the steps until a picture is CONVERGED_PSNR from that of half as many, whatever the solver that the
 * cells have: an own timeline over all sigmas of the model, with the timesteps between those of training where they fall.
 */
#ifndef LIMN_COMPARE_REFERENCE_H
#define LIMN_COMPARE_REFERENCE_H

#include "compare/store.h"
#include "engine/engine.h"
#include "pipeline/recipe.h"

#define REFERENCE_SAMPLER "dpmpp_2m"
#define CONVERGED_PSNR    50.0 /* dB between the last two */

enum { REFERENCE_FIRST = 32, REFERENCE_MOST = 512 }; /* steps */

/*
 * Where a sampler and schedule set out as their steps grow: the first sigma, and the first latent over unit noise. diffusers'
 * schedulers differ in it: sigma, or sqrt(sigma^2 + 1). Cells are measured against the solution from where they set out.
 */
typedef struct {
    double sigma, scale;
} Start;

/* j: completed (generator_job()). Error: there is no such start (what the schedule says). */
int start_of(Start *s, const Model *m, const Job *j, Err *e);
bool start_same(const Start *a, const Start *b);

/* Numbers in a latent of a completed job. */
size_t latent_len(const Model *m, const Job *j);

/* Which change of Cost is what. */
enum { CHANGE_RMSE, CHANGE_PSNR, CHANGE_STEPS, CHANGE_CONVERGED };

/*
 * Draws it. j: any cell's job, completed; its sampler, schedule and steps do not count. out->cost.change says how far the
 * solution of half the steps is (latent RMSE, PSNR), how many steps were enough, and 1 where it has converged.
 */
int reference_draw(Engine *engine, const Job *j, const Start *s, uint64_t seed, Drawn *out, Err *e);

#endif
