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

/* Karras et al. 2022, arXiv:2206.00364, eq. 5, rho 7, from where the cells set out down to the least sigma of training. */
static void reference_timeline(Timeline *tl, const Start *s, const Noise *n, int steps)
{
    double *sigma = mem_array((size_t)steps + 1, sizeof *sigma);
    double high = pow(s->sigma, 1.0 / 7), low = pow(n->sigmas[0], 1.0 / 7);
    for (int i = 0; i < steps; i++) sigma[i] = pow(high + (low - high) * i / (steps - 1), 7);
    timeline_from(tl, sigma, steps, s->scale, n);
    free(sigma);
}

/* One solution. The first evaluation is shared with the cells, but it is only one of many. */
static int solve(Engine *engine, const Job *j, const Timeline *tl, uint64_t seed, Drawn *out, Err *e)
{
    const Model *m = engine_model(engine, j, e);
    Generator *g = m ? engine_generator(engine, j, &(Share){ .timeline = tl, .latents = true }, e) : NULL;
    Picture p;
    if (!g) return -1;
    int failed = generator_run(g, &(Request){ .seed = seed }, 1, &p, e);
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
    Drawn last = { 0 };
    job_copy(&job, j);
    job.eta = -1;
    job.transparent = job.transparent_holes = false; /* an edge cut a pixel further in says nothing of the solution */
    job.transparent_tolerance = -1;
    int failed = set(&job, "sampler", REFERENCE_SAMPLER, e);
    *out = (Drawn){ 0 };
    for (int steps = REFERENCE_FIRST; !failed && steps <= REFERENCE_MOST; steps *= 2) {
        Timeline tl;
        Drawn next = { 0 };
        reference_timeline(&tl, s, &m->noise, steps);
        failed = solve(engine, &job, &tl, seed, &next, e);
        timeline_release(&tl);
        if (failed) break;
        double change = last.latent ? measure_rmse(next.latent, last.latent, next.len) : NAN;
        double psnr = last.latent ? measure_psnr(&next.image, &last.image) : 0;
        drawn_release(&last);
        last = next;
        last.cost.change[CHANGE_RMSE] = change;
        last.cost.change[CHANGE_PSNR] = isinf(psnr) ? 999 : psnr;
        last.cost.change[CHANGE_STEPS] = steps;
        last.cost.change[CHANGE_CONVERGED] = psnr >= CONVERGED_PSNR;
        if (psnr >= CONVERGED_PSNR) break;
    }
    job_release(&job);
    if (failed) {
        drawn_release(&last);
        return -1;
    }
    double plain;
    finish_image(j, &last.image, &plain);
    *out = last;
    return 0;
}
