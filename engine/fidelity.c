/* fidelity.c - see fidelity.h. */
#include "engine/fidelity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/measure.h"
#include "pipeline/speeds.h"

static char *const own_prompts[] = { "a lighthouse at night, oil on canvas", "an old man who reads, a photograph",
                                     NULL };

/* The pictures of one way, and what they took. */
typedef struct {
    Image image[FIDELITY_PROMPTS];
    double seconds;
    int evaluations;
} Drawn;

static void drawn_release(Drawn *d)
{
    for (int i = 0; i < FIDELITY_PROMPTS; i++) image_release(&d->image[i]);
}

static int draw_one(Engine *engine, const Job *job, int index, Drawn *d, Fidelity *f, Err *e)
{
    Picture picture = { 0 };
    Generator *g = engine_generator(engine, job, NULL, e);
    int failed = !g || generator_run(g, &(Request){ .seed = (uint64_t)index + 1 }, 1, &picture, e);
    if (!failed) {
        const Timing *t = generator_timing(g);
        d->seconds += t->sample;
        d->evaluations += t->evals;
        d->image[index] = picture.image;
        picture.image = (Image){ 0 };
        *f = (Fidelity){ .width = d->image[index].w, .height = d->image[index].h, .steps = generator_job(g)->steps };
    }
    picture_release(&picture);
    generator_free(g);
    return failed;
}

static int draw_all(Engine *engine, const Job *job, const char *precision, char *const *prompts, Drawn *d, Fidelity *f,
                    Err *e)
{
    int failed = 0;
    for (int i = 0; i < FIDELITY_PROMPTS && prompts[i] && !failed; i++) {
        Job j;
        job_copy(&j, job);
        free(j.prompt);
        free(j.precision);
        j.prompt = mem_strdup(prompts[i]);
        j.precision = mem_strdup(precision);
        failed = draw_one(engine, &j, i, d, f, e);
        job_release(&j);
        f->pictures = i + 1;
    }
    return failed;
}

static void compare(FidelityWay *w, const Drawn *d, const Drawn *exact, int pictures)
{
    w->psnr = INFINITY;
    w->evaluation = d->evaluations ? d->seconds / d->evaluations : 0;
    for (int i = 0; i < pictures; i++) {
        double psnr = measure_psnr(&d->image[i], &exact->image[i]), flip = measure_flip(&d->image[i], &exact->image[i]);
        if (psnr < w->psnr) w->psnr = psnr;
        if (flip > w->flip) w->flip = flip;
    }
}

int fidelity_measure(Engine *engine, const Job *job, char *const *prompts, FidelityReport *out, Err *e)
{
    const char *why = NULL;
    const Kernels *k = kernels_select(&why);
    Precision eight;
    *out = (FidelityReport){ 0 };
    if (!k) return err_usage(e, "%s", why);
    if (precision_choose(&eight, "int8", k, PRECISION_LARGE, e)) return -1;
    out->row = k->name;
    precision_text((Precision){ 0 }, out->way[0].precision);
    precision_text(speeds_of(k).chosen, out->way[1].precision);
    precision_text(eight, out->way[2].precision);

    Drawn drawn[FIDELITY_WAYS] = { 0 };
    Model *m = NULL;
    int failed = 0;
    for (int i = 0; i < FIDELITY_WAYS && !failed; i++)
        failed =
            draw_all(engine, job, out->way[i].precision, *prompts ? prompts : own_prompts, &drawn[i], &out->eight, e);
    failed = failed || !(m = engine_model(engine, job, e)) || engine_hash(engine, m, e);
    for (int i = 0; i < FIDELITY_WAYS && !failed; i++) compare(&out->way[i], &drawn[i], &drawn[0], out->eight.pictures);
    for (int i = 0; i < FIDELITY_WAYS; i++) drawn_release(&drawn[i]);
    if (failed) return -1;
    out->large = unet_weight_bytes(m->unet) >= PRECISION_LARGE;
    out->eight.psnr = out->way[2].psnr;
    out->eight.flip = out->way[2].flip;
    out->eight.of_16 = out->way[1].evaluation > 0 ? out->way[2].evaluation / out->way[1].evaluation : 0;
    if (out->large) fidelity_remember(m->sha256, k, &out->eight);
    return 0;
}
