/*
 * reference.h - the converged picture: where the probability-flow ODE leads from a seed's noise when the steps are so many that
 * more of them change nothing that is seen, and how far that is known.
 *
 * It is found by UniPC of order 3 (a predictor of third order and a corrector of fourth: Zhao et al. 2023, arXiv:2302.04867) over all
 * sigmas of the model at equal distances of log sigma, whatever the solver that the cells have, with the timesteps between those of
 * training where they fall. The steps grow by a half until the picture looks as that before: FLIP's error of the two, where it is
 * largest, is below a quarter of what is visible. That last change is told as the reference's own error. The error of a method of
 * order p falls by 1.5^p with each refinement, so the last solution is nearer than the change says: by a factor of 0.8 already
 * where a rough network leaves only the second order, 0.4 at the third.
 */
#ifndef LIMN_COMPARE_REFERENCE_H
#define LIMN_COMPARE_REFERENCE_H

#include "compare/store.h"
#include "engine/engine.h"
#include "image/measure.h"
#include "pipeline/recipe.h"

#define REFERENCE_SAMPLER "unipc"
#define REFERENCE_WORDS   "UniPC of order 3"
#define CONVERGED_FLIP    (VISIBLE_FLIP / 4)

enum { REFERENCE_FIRST = 24, REFERENCE_MOST = 420 }; /* steps */

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

/* How a timeline is solved: by the engine, or with a denoiser that is known. */
typedef struct {
    int (*solve)(void *ctx, const Timeline *tl, Drawn *out, Err *e);
    void *ctx;
} ReferenceSolver;

/* The converged solution of what r solves, with its change; evaluations and seconds are those of all refinements. */
int reference_refine(const ReferenceSolver *r, const Start *s, const Noise *n, Drawn *out, Err *e);

/* Draws it. j: any cell's job, completed; its sampler, schedule, steps and settings of solvers do not count. */
int reference_draw(Engine *engine, const Job *j, const Start *s, uint64_t seed, Drawn *out, Err *e);

/* Options that say how the equation is solved, not which one it is; the last NULL. */
extern const char *const solver_options[];

#endif
