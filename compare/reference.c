/* reference.c - see reference.h. */
#include "compare/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/measure.h"
#include "pipeline/finish.h"

size_t latent_len(const Model *m, const Job *j)
{
    int factor = vae_factor(m->vae);
    return (size_t)(j->width / factor) * (size_t)(j->height / factor) * (size_t)vae_latent_channels(m->vae);
}

int start_of(Start *s, const Model *m, const Job *j, Err *e)
{
    /* step counts that divide the timesteps, so that a spacing of them reaches the last; a schedule may refuse many */
    const int tries[] = { 500, 250, 100, 50, 20, 10, j->steps };
    Job job;
    int failed = -1;
    job_copy(&job, j);
    for (size_t i = 0; i < sizeof tries / sizeof *tries && failed; i++) {
        Recipe r;
        job.steps = tries[i];
        failed = recipe_make(&r, m, &job, NULL, e);
        if (!failed) *s = (Start){ r.timeline.sigma[0], r.timeline.scale };
        recipe_release(&r);
    }
    job_release(&job);
    return failed;
}

bool start_same(const Start *a, const Start *b)
{
    /* the last of a thousand timesteps or the last but one: half a percent of sigma, of which the picture keeps no trace */
    return fabs(a->sigma / b->sigma - 1) < 0.02 && fabs(a->scale / a->sigma / (b->scale / b->sigma) - 1) < 5e-4;
}

const char *const solver_options[] = { "sampler", "schedule", "steps", "eta", "solver-order", "s-churn", "s-tmin",
                                       "s-tmax",  "s-noise",  "ensd",  NULL };

/* Equal distances of log sigma, from where the cells set out down to the least sigma of training, and to 0. */
static void reference_timeline(Timeline *tl, const Start *s, const Noise *n, int steps)
{
    double *sigma = mem_array((size_t)steps + 1, sizeof *sigma), ratio = n->sigmas[0] / s->sigma;
    for (int i = 0; i < steps; i++) sigma[i] = s->sigma * pow(ratio, (double)i / (steps - 1));
    timeline_from(tl, sigma, steps, s->scale, n);
    free(sigma);
}

/* ---- refining ---- */

static void note_change(Drawn *now, const Drawn *before, int steps)
{
    double *change = now->cost.change;
    FlipError flip = measure_flip_error(&now->image, &before->image);
    double psnr = measure_psnr(&now->image, &before->image), ssim = measure_ssim(&now->image, &before->image);
    change[CHANGE_RMSE] = measure_rmse(now->latent, before->latent, now->len);
    change[CHANGE_PSNR] = isinf(psnr) ? 999 : psnr;
    change[CHANGE_SSIM] = isnan(ssim) ? 1 : ssim;
    change[CHANGE_FLIP] = flip.mean;
    change[CHANGE_FLIP_WORST] = flip.worst;
    change[CHANGE_STEPS] = steps;
    change[CHANGE_CONVERGED] = flip.worst <= CONVERGED_FLIP;
    now->cost.evaluations += before->cost.evaluations;
    now->cost.seconds += before->cost.seconds;
}

int reference_refine(const ReferenceSolver *r, const Start *s, const Noise *n, Drawn *out, Err *e)
{
    Drawn last = { 0 };
    for (int steps = REFERENCE_FIRST; steps <= REFERENCE_MOST; steps += steps / 2) {
        Timeline tl;
        Drawn next = { 0 };
        reference_timeline(&tl, s, n, steps);
        int failed = r->solve(r->ctx, &tl, &next, e);
        timeline_release(&tl);
        if (failed) {
            drawn_release(&last);
            return -1;
        }
        if (last.latent) note_change(&next, &last, steps);
        drawn_release(&last);
        last = next;
        if (last.cost.change[CHANGE_CONVERGED] > 0) break;
    }
    *out = last;
    return 0;
}

/* ---- by the engine ---- */

typedef struct {
    Engine *engine;
    const Job *job;
    uint64_t seed;
} Drawing;

/* One solution. The first evaluation is shared with the cells, but it is only one of many. */
static int solve(void *ctx, const Timeline *tl, Drawn *out, Err *e)
{
    const Drawing *d = ctx;
    const Model *m = engine_model(d->engine, d->job, e);
    Generator *g = m ? engine_generator(d->engine, d->job, &(Share){ .timeline = tl, .latents = true }, e) : NULL;
    Picture p;
    if (!g) return -1;
    int failed = generator_run(g, &(Request){ .seed = d->seed }, 1, &p, e);
    if (!failed) {
        const Timing *t = generator_timing(g);
        *out = (Drawn){ .image = p.image, .latent = p.latent, .len = latent_len(m, generator_job(g)) };
        out->cost.evaluations = t->evals;
        out->cost.seconds = t->sample + t->decode;
        p.image = (Image){ 0 };
        p.latent = NULL;
        picture_release(&p);
    }
    generator_free(g);
    return failed;
}

static int set(Job *j, const char *option, const char *value, Err *e)
{
    return job_set(j, option_find(option, strlen(option)), value, e);
}

int reference_draw(Engine *engine, const Job *j, const Start *s, uint64_t seed, Drawn *out, Err *e)
{
    const Model *m = engine_model(engine, j, e);
    if (!m) return -1;
    Job job;
    job_copy(&job, j);
    job_reset_all(&job, solver_options);
    job.steps = REFERENCE_FIRST;
    job.transparent = job.transparent_holes = false; /* an edge cut a pixel further in says nothing of the solution */
    job.transparent_tolerance = -1;
    *out = (Drawn){ 0 };
    int failed = set(&job, "sampler", REFERENCE_SAMPLER, e) || set(&job, "solver-order", "3", e) ||
                 reference_refine(&(ReferenceSolver){ solve, &(Drawing){ engine, &job, seed } }, s, &m->noise, out, e);
    job_release(&job);
    if (failed) return -1;
    double plain;
    finish_image(j, &out->image, &plain);
    return 0;
}
