/* schedules.c - see schedules.h: the table, and what is the same for all rules (sigmas.c). */
#include "scheduler/schedules.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/names.h"
#include "scheduler/sigmas.h"

/* clang-format off */
const Schedule schedules[] = {
    { "model", "default", "", "the model's own timestep_spacing, as diffusers lays it out for the sampler",
      "the default in diffusers' pictures", sigmas_model },
    { "karras", "k, use_karras_sigmas", "Karras", "dense at low noise, even in sigma^(1/7); Karras et al. 2022",
      "a safe choice with most samplers", sigmas_karras },
    { "exponential", "use_exponential_sigmas, polyexponential", "Exponential", "even in log sigma; k-diffusion",
      "the SDE samplers", sigmas_exponential },
    { "normal", "uniform, discrete", "Normal", "even in t, both ends; k-diffusion, ComfyUI, A1111's Uniform",
      "the default in A1111's and ComfyUI's pictures", sigmas_normal },
    { "sgm_uniform", "sgmuniform", "SGM Uniform", "even in t without the last; generative-models, ComfyUI, A1111",
      "Turbo, Lightning and LCM models", sigmas_sgm_uniform },
    { "simple", "", "Simple", "every (timesteps / N)-th sigma from the top; ComfyUI, A1111",
      "few steps", sigmas_simple },
    { "ddim_uniform", "DDIM", "DDIM", "every (timesteps / N)-th sigma from the bottom, N or more; ComfyUI, A1111",
      "ddim, as ComfyUI has it", sigmas_ddim_uniform },
    { "beta", "use_beta_sigmas", "Beta", "quantiles of Beta(0.6, 0.6) over sigma; Lee et al. 2024; A1111",
      "20 steps or more", sigmas_beta },
    { "beta_comfyui", "", "Beta", "the same over timesteps, repeated ones left out; ComfyUI's beta",
      "dense at both ends", sigmas_beta_comfyui },
    { "kl_optimal", "", "KL Optimal", "even in arctan(sigma), ends at the lowest; Sabour et al. 2024; A1111",
      "few steps", sigmas_kl_optimal },
    { "kl_optimal_comfyui", "", "KL Optimal", "the same with a step to 0; ComfyUI's kl_optimal",
      "few steps", sigmas_kl_optimal_comfyui },
    { "ays", "align_your_steps, align_your_steps_11, ays_sd1", "Align Your Steps",
      "10 learned steps of SD 1.5, interpolated; Sabour et al. 2024; A1111", "SD 1.x at 10 steps", sigmas_ays },
    { "ays_sdxl", "align_your_steps_sdxl", "Align Your Steps", "the same for SD XL; A1111", "SD XL at 10 steps",
      sigmas_ays_sdxl },
    { "ays_comfyui", "", "Align Your Steps", "ComfyUI's table: N + 1 values, the last becomes 0",
      "SD 1.x at 10 steps", sigmas_ays_comfyui },
    { "ays_sdxl_comfyui", "", "Align Your Steps", "the same for SD XL", "SD XL at 10 steps", sigmas_ays_sdxl_comfyui },
    { "ays_32", "align_your_steps_32", "", "31 learned steps of SD 1.5, interpolated; Sabour et al. 2024; reForge",
      "SD 1.x at 20 steps or more", sigmas_ays_32 },
    { "ays_32_sdxl", "align_your_steps_32_sdxl", "", "the same for SD XL; reForge",
      "SD XL at 20 steps or more", sigmas_ays_32_sdxl },
    { "gits", "GITSScheduler", "", "learned for each number of steps up to 20; Chen et al. 2024, ComfyUI",
      "SD 1.x at 4 to 10 steps", sigmas_gits },
    { "laplace", "", "", "quantiles of a Laplace distribution of log sigma; Hang et al. 2024; reForge", "research",
      sigmas_laplace },
    { "laplace_comfyui", "LaplaceScheduler", "", "the same without a step to 0, one step less; ComfyUI's node", "research",
      sigmas_laplace_comfyui },
    { "lu", "use_lu_lambdas", "Exponential", "as exponential, timesteps rounded; Lu et al. 2022; diffusers",
      "dpmpp_2m", sigmas_lu },
    { "karras_old", "", "Karras", "karras from 10 to 0.1; A1111 before 2023", "old pictures", sigmas_karras_old },
    { "linear_quadratic", "", "", "half of the steps even at the top, then a parabola; ComfyUI",
      "video models; strong structure", sigmas_linear_quadratic },
    { "sd_turbo", "SDTurboScheduler", "", "the first N of ten timesteps from the top; ComfyUI",
      "SD Turbo, 1 to 4 steps", sigmas_sd_turbo },
    { "vp", "", "", "even in the time of a linear beta; Song et al. 2021; k-diffusion", "research", sigmas_vp },
    { "leading", "", "", "diffusers' spacing of SD 1.x and 2.x, whatever the model's", "SD 1.x and 2.x",
      sigmas_leading },
    { "trailing", "turbo", "SGM Uniform", "diffusers' spacing of Turbo, Lightning, zero-SNR models; Forge's Turbo",
      "Turbo, Lightning, zero-SNR models", sigmas_trailing },
    { "linspace", "", "Uniform", "diffusers' default spacing, whatever the model's", "k-diffusion's models",
      sigmas_linspace },
    { 0 },
};
/* clang-format on */

const Schedule *schedule_find(const char *name)
{
    for (const Schedule *s = schedules; s->name; s++)
        if (names_have(s->name, name) || names_have(s->aliases, name)) return s;
    return NULL;
}

const Schedule *schedule_for(const Schedule *s, Compat compat)
{
    char name[64];
    if (compat != COMPAT_COMFYUI || strlen(s->name) > 40) return s;
    strcpy(name, s->name);
    const Schedule *own = schedule_find(strcat(name, "_comfyui"));
    return own ? own : s;
}

static int check_falling(const Timeline *tl, const char *schedule, Err *e)
{
    for (int i = 0; i < tl->steps; i++) {
        bool last = i + 1 == tl->steps; /* DEIS may stay where it is */
        if (tl->sigma[i] > tl->sigma[i + 1] && (tl->sigma[i] > tl->to[i] || last)) continue;
        return err_usage(e, "%d steps are more than the schedule %s has sigmas for: step %d would go from %g to %g",
                         tl->steps, schedule, i + 1, tl->sigma[i], tl->sigma[i + 1]);
    }
    return 0;
}

/* Where the last step ends, where that is not sigma 0. */
static void set_end(Timeline *tl, const Noise *n, const TimelinePlan *p)
{
    double *end = &tl->to[tl->steps - 1], lowest = fmin((float)n->sigmas[0], tl->sigma[tl->steps - 1]);
    bool spaced = p->schedule->fill == sigmas_model || p->schedule->fill == sigmas_leading ||
                  p->schedule->fill == sigmas_trailing || p->schedule->fill == sigmas_linspace;
    if (tl->compat == COMPAT_COMFYUI && p->family == FAMILY_UNIPC) *end = 0.001;
    if (tl->compat != COMPAT_DIFFUSERS) return;
    if (tl->family == FAMILY_TCD) *end = lowest;
    if (tl->family == FAMILY_DEIS) *end = spaced ? lowest : tl->sigma[tl->steps - 1];
    bool euler_or_dpm = tl->family == FAMILY_SIGMA || tl->family == FAMILY_DPM || tl->family == FAMILY_SINGLE;
    if (n->final_sigma_min && euler_or_dpm) *end = lowest;
    if (n->final_sigma_min && tl->family == FAMILY_UNIPC) *end = spaced ? lowest : tl->sigma[tl->steps - 1];
}

/* The timestep that the network is told at sigma_i. */
static double told(const Timeline *tl, const TimelinePlan *p, const Noise *n, int i)
{
    if (n->kind == NETWORK_FLOW) return (float)tl->t[i];
    if (tl->compat == COMPAT_COMFYUI) return noise_nearest(n, tl->sigma[i]);
    if (tl->compat == COMPAT_DIFFUSERS && !isnan(noise_continuous(n, tl->sigma[i])))
        return (float)noise_continuous(n, tl->sigma[i]);
    if (tl->compat == COMPAT_A1111 || tl->family == FAMILY_SIGMA) return (float)tl->t[i];
    if (tl->family == FAMILY_KDPM) return p->schedule->fill == sigmas_karras ? rint(tl->t[i]) : (float)tl->t[i];
    return rint(tl->t[i]);
}

/* A1111's DDIM, PLMS and UniPC have timesteps of their own; its other samplers, and all of ComfyUI's, are told sigmas. */
static int fill(Timeline *tl, const Noise *n, const TimelinePlan *p, Err *e)
{
    if (n->kind == NETWORK_CONSISTENCY) return sigmas_consistency(n, tl, p->timesteps, e);
    if (n->kind == NETWORK_FLOW && p->timesteps)
        return err_usage(e, "timesteps: a network that was trained by flow matching has none");
    if (n->kind == NETWORK_FLOW) return sigmas_flow(n, p->schedule, tl, e);
    if (p->compat == COMPAT_A1111 && (p->family == FAMILY_DDIM || p->family == FAMILY_UNIPC)) {
        tl->family = FAMILY_DDIM;
        if (p->timesteps) return err_usage(e, "timesteps: A1111's DDIM, PLMS and UniPC have those of their own");
        return (p->family == FAMILY_DDIM ? sigmas_compvis_ddim : sigmas_compvis_unipc)(n, tl, e);
    }
    if (p->compat == COMPAT_COMFYUI ||
        (p->compat == COMPAT_A1111 && p->family != FAMILY_LCM && p->family != FAMILY_TCD))
        tl->family = FAMILY_SIGMA;
    if (p->timesteps) return sigmas_given(n, tl, e);
    tl->steps += p->drop;
    if (p->schedule->fill(n, tl, e)) return -1;
    if (!p->drop || tl->steps < 2) return 0;
    tl->to[tl->steps - 2] = tl->to[tl->steps - 1]; /* the last but one is left out */
    tl->to[tl->steps - 1] = NAN;
    tl->steps--;
    return 0;
}

/* The first latent, as a multiple of unit noise. */
static double first_scale(const Timeline *tl, const Noise *n)
{
    double sigma = tl->sigma[0], most = n->sigmas[n->timesteps - 1];
    bool unit = tl->unit_variance || n->kind == NETWORK_EDM;
    if (tl->compat == COMPAT_A1111) unit = tl->family != FAMILY_SIGMA;
    if (tl->compat == COMPAT_COMFYUI) unit = sigma > most || most - sigma <= 1e-5 * most; /* its max_denoise */
    return unit ? sqrt(sigma * sigma + 1) : sigma;
}

int timeline_plan(Timeline *tl, const TimelinePlan *p, const Noise *n, Err *e)
{
    /* EDM's classes are laid out alike */
    Family family = n->kind == NETWORK_DISCRETE ? p->family : n->kind == NETWORK_FLOW ? FAMILY_FLOW : FAMILY_SIGMA;
    bool unit = family != FAMILY_SIGMA && family != FAMILY_KDPM && family != FAMILY_FLOW;
    *tl = (Timeline){ .steps = p->steps, .family = family, .compat = p->compat, .unit_variance = unit };
    if (p->steps < 1 || p->steps > n->timesteps)
        return err_usage(e, "%d steps: 1 to %d are possible, the timesteps that the model was trained on", p->steps,
                         n->timesteps);

    size_t room = (size_t)n->timesteps + 2; /* ddim_uniform may take more than steps */
    tl->sigma = mem_array(room + 1, sizeof *tl->sigma);
    tl->t = mem_array(room + 1, sizeof *tl->t);
    tl->to = mem_array(room, sizeof *tl->to);
    for (size_t i = 0; i < room; i++) tl->t[i] = tl->to[i] = NAN;
    for (int i = 0; p->timesteps && i < p->steps; i++) tl->t[i] = p->timesteps[i];
    if (fill(tl, n, p, e)) goto fail;

    for (int i = 0; i < tl->steps; i++) { /* the tools keep them in float32 */
        if (isnan(tl->t[i])) tl->t[i] = noise_timestep(n, tl->sigma[i]);
        else if (tl->compat == COMPAT_COMFYUI) tl->sigma[i] = noise_sigma_float(n, tl->t[i]);
        tl->t[i] = told(tl, p, n, i);
        tl->sigma[i] = (float)tl->sigma[i];
    }
    if (tl->family == FAMILY_KDPM) tl->family = FAMILY_SIGMA; /* from here on they are the same */
    tl->sigma[tl->steps] = tl->t[tl->steps] = 0;
    set_end(tl, n, p);
    for (int i = 0; i < tl->steps; i++)
        if (isnan(tl->to[i])) tl->to[i] = tl->sigma[i + 1];
    if (check_falling(tl, p->schedule->name, e)) goto fail;
    tl->scale = first_scale(tl, n);
    return 0;
fail:
    timeline_release(tl);
    return -1;
}

int timeline_init(Timeline *tl, const Schedule *s, const Noise *n, Family family, int steps, Err *e)
{
    return timeline_plan(tl, &(TimelinePlan){ .schedule = s, .family = family, .steps = steps }, n, e);
}

static double *copied(const double *from, int count)
{
    double *to = mem_array((size_t)count, sizeof *to);
    memcpy(to, from, (size_t)count * sizeof *to);
    return to;
}

void timeline_from(Timeline *tl, const double *sigma, int steps, double scale, const Noise *n)
{
    *tl = (Timeline){ .steps = steps, .family = FAMILY_SIGMA, .scale = scale };
    tl->sigma = copied(sigma, steps + 1);
    tl->t = mem_array((size_t)steps + 1, sizeof *tl->t);
    tl->to = copied(sigma + 1, steps);
    for (int i = 0; i < steps; i++) tl->t[i] = noise_timestep(n, sigma[i]);
}

void timeline_copy(Timeline *dst, const Timeline *src)
{
    *dst = *src;
    dst->sigma = copied(src->sigma, src->steps + 1);
    dst->t = copied(src->t, src->steps + 1);
    dst->to = copied(src->to, src->steps);
}

void timeline_release(Timeline *tl)
{
    free(tl->sigma);
    free(tl->t);
    free(tl->to);
    *tl = (Timeline){ 0 };
}

double timeline_shown(const Timeline *tl, int i)
{
    if (tl->family == FAMILY_FLOW) return 1 / (1 + tl->sigma[i]);
    return tl->family == FAMILY_SIGMA ? 1 : 1 / sqrt(tl->sigma[i] * tl->sigma[i] + 1);
}

void timeline_skip(Timeline *tl, int first)
{
    assert(first >= 0 && first < tl->steps);
    size_t left = (size_t)(tl->steps - first);
    for (int k = TIMELINE_BEFORE; k-- > 0;)
        tl->before[k] = first > k ? tl->sigma[first - 1 - k] : tl->before[k - first];
    memmove(tl->sigma, tl->sigma + first, (left + 1) * sizeof *tl->sigma);
    memmove(tl->t, tl->t + first, (left + 1) * sizeof *tl->t);
    memmove(tl->to, tl->to + first, left * sizeof *tl->to);
    tl->steps = (int)left;
    tl->skipped += first;
}
