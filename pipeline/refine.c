/* refine.c - see refine.h. Sources: diffusers' StableDiffusionXLPipeline and StableDiffusionXLImg2ImgPipeline (denoising_end,
 * get_timesteps), A1111's modules/sd_samplers_common.py (apply_refiner), ComfyUI's nodes.py (KSamplerAdvanced). */
#include "pipeline/refine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/checking.h"

/* What the second model is asked for: the same picture, without what only the first one does. */
static void job_of(Job *out, const Generator *g, const Model *m)
{
    static const char *const first_only[] = { "refiner",    "refiner-at", "refiner-sha256", "latents", "trace",
                                              "prediction", "lora",       "lora-sha256",    "unet",    NULL };
    static const char *const sizes[] = {
        "original-size", "crop", "target-size", "negative-original-size", "negative-crop", "negative-target-size", NULL
    };
    static const char *const scores[] = { "aesthetic-score", "negative-aesthetic-score", NULL };
    job_copy(out, &g->recipe.said);
    out->width = g->recipe.w * vae_factor(g->m->vae);
    out->height = g->recipe.h * vae_factor(g->m->vae);
    for (const Option *o = job_options; o->name; o++)
        if (o->group == GROUP_START || o->group == GROUP_CONTROL) job_reset(out, o);
    job_reset_all(out, first_only);
    out->second_pass = 0; /* its sigmas are given */
    if (!m->ids) job_reset_all(out, sizes);
    if (m->ids != IDS_MAX - 1) job_reset_all(out, scores);
}

int refine_fits(const Model *a, const Model *b, Err *e)
{
    int channels = vae_latent_channels(a->vae), other = vae_latent_channels(b->vae);
    if (channels != other)
        return err_set(e, "its latents have %d channels, those of %s %d: they do not belong together", other, a->name,
                       channels);
    if (vae_factor(a->vae) != vae_factor(b->vae))
        return err_set(e, "a latent is %d pixels wide, that of %s %d: they do not belong together", vae_factor(b->vae),
                       a->name, vae_factor(a->vae));
    double scaling = (double)vae_scaling_factor(a->vae), its = (double)vae_scaling_factor(b->vae);
    if (fabs(scaling - its) > 1e-6)
        return err_set(e, "its latents are scaled by %.5g, those of %s by %.5g: they do not belong together", its,
                       a->name, scaling);
    if (unet_in_channels(a->unet) != channels)
        return err_set(e, "%s takes %d channels: only a model that draws from text can be handed over", a->name,
                       unet_in_channels(a->unet));
    if (unet_in_channels(b->unet) != channels)
        return err_set(e, "it takes %d channels, a latent has %d: it cannot take over", unet_in_channels(b->unet),
                       channels);
    return 0;
}

/* Where another model was trained to be noisy in another way, the same sigmas are other timesteps to it. */
static void tell_timesteps(Timeline *tl, const Noise *mine, const Noise *its)
{
    size_t bytes = (size_t)mine->timesteps * sizeof *mine->sigmas;
    if (mine->timesteps == its->timesteps && memcmp(mine->sigmas, its->sigmas, bytes) == 0) return;
    for (int i = 0; i < tl->steps; i++) tl->t[i] = noise_timestep(its, tl->sigma[i]);
}

/*
 * The steps that are the first model's. diffusers: those at timesteps of T - round(at T) and more (Python's round, half
 * to even).
 */
static int first_steps(const Generator *g)
{
    const Recipe *r = &g->recipe;
    const Timeline *tl = &r->timeline;
    double at = r->said.refiner_at, all = r->noise.timesteps, cutoff = rint(all - at * all);
    int count = 0;
    if (r->compat == COMPAT_COMFYUI) return (int)rint(at * tl->steps);
    for (int i = 0; i < tl->steps; i++)
        count += (isnan(tl->t[i]) ? noise_timestep(&r->noise, tl->sigma[i]) : tl->t[i]) >= cutoff;
    return count;
}

/* The second generator's steps are those that are left. */
static int take_over(Generator *g, Err *e)
{
    Generator *to = g->refiner;
    Recipe *r = &to->recipe;
    tell_timesteps(&r->timeline, &g->recipe.noise, &r->noise);
    if (guidance_wants(&g->recipe.guidance, BRANCH_NEGATIVE) != guidance_wants(&r->guidance, BRANCH_NEGATIVE))
        return err_set(e, "one of the two models has no guidance of this kind: they cannot be paired");
    if (g->recipe.compat == COMPAT_A1111) return 0; /* the sampler goes on */
    if (g->recipe.sampler->adaptive)
        return err_usage(e, "the sampler %s chooses its own steps, so none is the one to hand over at",
                         g->recipe.sampler->name);
    g->hand_over = first_steps(g);
    if (g->hand_over < r->timeline.steps) timeline_skip(&r->timeline, g->hand_over);
    r->guidance.from -= g->hand_over;
    r->guidance.end -= g->hand_over;
    if (!sampler_evals(r->sampler, &r->timeline))
        return err_usage(e, "the sampler %s cannot run the last %d of the steps alone", r->sampler->name,
                         r->timeline.steps);
    return 0;
}

/* The hash that a picture carries must be this model's; where none is said, pictures will carry it. */
static int check_hash(Generator *g, Err *e)
{
    char **said = &g->recipe.said.refiner_sha256;
    Model *m = g->share.refiner;
    if (model_hash(m, e)) return -1;
    if (!*said) *said = mem_strdup(m->sha256);
    if (strcmp(*said, m->sha256) == 0) return 0;
    return err_set(e, "its SHA-256 is %.10s..., %.10s... is expected: it is another model than the picture's",
                   m->sha256, *said);
}

int refine_begin(Generator *g, Err *e)
{
    Model *m = g->share.refiner;
    Job *said = &g->recipe.said;
    Job j;
    if (!said->refiner || !m || g->larger) return 0;
    if (said->refiner_at < 0) said->refiner_at = REFINER_AT;
    if (refine_fits(g->m, m, e) || check_hash(g, e)) return err_in(e, said->refiner);
    job_of(&j, g, m);
    Share share = { .batch = g->share.batch, .texts = g->share.refiner_texts, .timeline = &g->recipe.timeline };
    g->refiner = generator_new(m, &j, &share, &g->watch, e);
    job_release(&j);
    return !g->refiner || take_over(g, e) ? err_in(e, said->refiner) : 0;
}

void refine_end(Generator *g)
{
    generator_free(g->refiner);
    g->refiner = NULL;
}

int refine_prepare(Generator *g, const Request *requests, int n, Err *e)
{
    model_rest(g->m, ROLE_NETWORK);
    arena_rest(&g->arena);
    return generator_condition(g->refiner, requests, n, e) ? err_in(e, g->recipe.said.refiner) : 0;
}

int refine_finish(Generator *g, Err *e)
{
    Generator *to = g->refiner;
    if (!to) return 0;
    arena_reset(&to->arena, 0);
    arena_rest(&to->arena);
    model_rest(to->m, ROLE_NETWORK);
    return model_check(to->m, e) || model_hash(to->m, e) ? err_in(e, g->recipe.said.refiner) : 0;
}

bool refine_due(const Generator *g, float t)
{
    const Noise *n = &g->recipe.noise;
    double sigma = noise_sigma(n, (double)t), low = floor((double)t), last = n->timesteps - 1;
    int below = (int)fmax(0, fmin(low, last)), above = (int)fmin(below + 1, last);
    int nearest = fabs(n->sigmas[above] - sigma) < fabs(n->sigmas[below] - sigma) ? above : below;
    return (last - nearest) / n->timesteps >= g->recipe.said.refiner_at;
}
