/*
 * schedules.c - see schedules.h.
 *
 * Sources: diffusers' set_timesteps() of each class; k-diffusion's external.py and sampling.py; ComfyUI's samplers.py,
 * whose rules A1111's sd_schedulers.py shares.
 */
#include "scheduler/schedules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/names.h"

/* sigma at a timestep as diffusers interpolates it: sigma itself, not its logarithm. */
static double sigma_linear(const Noise *n, double t)
{
    int low = (int)t;
    if (low >= n->timesteps - 1) return n->sigmas[n->timesteps - 1];
    return n->sigmas[low] + (t - low) * (n->sigmas[low + 1] - n->sigmas[low]);
}

/* numpy.linspace(a, b, count)[i] */
static double linspace(double a, double b, int count, int i)
{
    if (count == 1) return a;
    return i + 1 == count ? b : a + i * ((b - a) / (count - 1));
}

/* Where a sigma is infinite for DDIM and LCM (a last alpha of 0). At 2^30 x0 + sigma * noise holds no trace of x0. */
static const double INFINITE_SIGMA = 0x1p30;

/* Takes tl->t for their sigmas. DDIM steps down by timesteps / N; below 0 lies the last alpha. */
static int from_timesteps(const Noise *n, Timeline *tl, const char *what, Err *e)
{
    int last = n->timesteps - 1, stride = n->timesteps / tl->steps;
    for (int i = 0; i < tl->steps; i++) {
        if (tl->t[i] < 0 || tl->t[i] > last)
            return err_usage(
                e,
                "%d steps: %s spacing (steps_offset %d) asks for timestep %g, the model has 0 to %d; take fewer "
                "steps",
                tl->steps, what, n->steps_offset, tl->t[i], last);
        tl->sigma[i] = sigma_linear(n, tl->t[i]);
        if (tl->family != FAMILY_DDIM) continue;
        double t = tl->t[i] - stride;
        tl->to[i] = t >= 0 ? sigma_linear(n, t) : n->set_alpha_to_one ? 0 : n->sigmas[0];
    }
    bool infinite = n->zero_terminal_snr && tl->t[0] == last && (tl->family == FAMILY_DDIM || tl->family == FAMILY_LCM);
    if (infinite && n->prediction == PREDICT_EPSILON)
        return err_set(
            e, "zero terminal SNR needs a network that predicts v or the sample: from pure noise epsilon says nothing");
    if (infinite) tl->sigma[0] = INFINITE_SIGMA;
    return 0;
}

/*
 * The three spacings of timesteps. Lin et al. 2023, arXiv:2305.08891, table 2. DPM-Solver's leading and linspace have one
 * point more and drop the last, except that its trailing is everyone's.
 */
static int leading(const Noise *n, Timeline *tl, Err *e)
{
    int points = tl->steps + (tl->family == FAMILY_DPM), stride = n->timesteps / points;
    for (int i = 0; i < tl->steps; i++) tl->t[i] = (points - 1 - i) * stride + n->steps_offset;
    tl->unit_variance = true;
    return from_timesteps(n, tl, "leading", e);
}

static int trailing(const Noise *n, Timeline *tl, Err *e)
{
    double stride = (double)n->timesteps / tl->steps;
    for (int i = 0; i < tl->steps; i++) tl->t[i] = rint(n->timesteps - i * stride) - 1;
    return from_timesteps(n, tl, "trailing", e);
}

static int spaced_linearly(const Noise *n, Timeline *tl, Err *e)
{
    int points = tl->steps + (tl->family == FAMILY_DPM);
    for (int i = 0; i < tl->steps; i++) {
        double t = linspace(0, n->timesteps - 1, points, points - 1 - i);
        tl->t[i] = tl->family == FAMILY_SIGMA ? t : rint(t);
    }
    return from_timesteps(n, tl, "linspace", e);
}

/* Luo et al. 2023, arXiv:2310.04378: evenly spaced ones of the timesteps k - 1, 2k - 1, ... of the distillation. */
static int lcm_timesteps(const Noise *n, Timeline *tl, Err *e)
{
    int stride = n->timesteps / n->lcm_steps;
    if (tl->steps > n->lcm_steps || stride < 1)
        return err_usage(
            e, "%d steps: the model was distilled on %d (original_inference_steps) of %d timesteps; take 1 to %d",
            tl->steps, n->lcm_steps, n->timesteps, n->lcm_steps < n->timesteps ? n->lcm_steps : n->timesteps);
    for (int i = 0; i < tl->steps; i++) {
        int index = (int)floor(i * ((double)n->lcm_steps / tl->steps));
        tl->t[i] = (n->lcm_steps - index) * stride - 1;
    }
    return from_timesteps(n, tl, "LCM", e);
}

static int model(const Noise *n, Timeline *tl, Err *e)
{
    if (tl->family == FAMILY_LCM) return lcm_timesteps(n, tl, e);
    return n->spacing == SPACING_LEADING    ? leading(n, tl, e)
           : n->spacing == SPACING_TRAILING ? trailing(n, tl, e)
                                            : spaced_linearly(n, tl, e);
}

/*
 * The range that karras and exponential fill: all sigmas of the model, but in diffusers' FAMILY_SIGMA only those from the
 * first to the last of the model's own schedule (8.39 instead of 14.6 with leading spacing and 10 steps).
 */
static int sigma_range(const Noise *n, Timeline *tl, double *high, double *low, Err *e)
{
    *high = n->sigmas[n->timesteps - 1];
    *low = n->sigmas[0];
    if (tl->family != FAMILY_SIGMA) return 0;
    if (model(n, tl, e)) return -1;
    *high = tl->sigma[0];
    *low = tl->sigma[tl->steps - 1];
    for (int i = 0; i < tl->steps; i++) tl->t[i] = NAN;
    return 0;
}

/* Karras et al. 2022, arXiv:2206.00364, eq. 5, rho = 7. */
static int karras(const Noise *n, Timeline *tl, Err *e)
{
    double high, low;
    if (sigma_range(n, tl, &high, &low, e)) return -1;
    high = pow(high, 1 / 7.0);
    low = pow(low, 1 / 7.0);
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = pow(linspace(high, low, tl->steps, i), 7);
    return 0;
}

/* Evenly in log sigma. diffusers' DPM-Solver cuts the timesteps off here, where for karras it rounds them. */
static int exponential(const Noise *n, Timeline *tl, Err *e)
{
    double high, low;
    if (sigma_range(n, tl, &high, &low, e)) return -1;
    for (int i = 0; i < tl->steps; i++) {
        tl->sigma[i] = exp(linspace(log(high), log(low), tl->steps, i));
        if (tl->family == FAMILY_DPM) tl->t[i] = floor(noise_timestep(n, tl->sigma[i]) + 1e-4);
    }
    return 0;
}

/* k-diffusion's get_sigmas(): evenly in t, log sigma interpolated. */
static int normal(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    for (int i = 0; i < tl->steps; i++) {
        tl->t[i] = linspace(n->timesteps - 1, 0, tl->steps, i);
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    return 0;
}

/* Stability's generative-models: as normal with one step more, the last left out. */
static int sgm_uniform(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    for (int i = 0; i < tl->steps; i++) {
        tl->t[i] = linspace(n->timesteps - 1, 0, tl->steps + 1, i);
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    return 0;
}

static int simple(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    double stride = (double)n->timesteps / tl->steps;
    for (int i = 0; i < tl->steps; i++) {
        tl->t[i] = n->timesteps - 1 - (int)(i * stride);
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    return 0;
}

/* Every (timesteps / N)-th from 1 upwards, as many as there are: where N is no divisor that is a step or more over N. */
static int ddim_uniform(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    int stride = n->timesteps / tl->steps;
    if (stride < 1) stride = 1;
    tl->steps = (n->timesteps - 2) / stride + 1;
    for (int i = 0; i < tl->steps; i++) {
        tl->t[i] = 1 + (tl->steps - 1 - i) * stride;
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    return 0;
}

const Schedule schedules[] = {
    { "model", "default", "the model's own timestep_spacing, as diffusers lays it out for the sampler", model },
    { "karras", "use_karras_sigmas", "dense at low noise, rho 7; Karras et al. 2022", karras },
    { "exponential", "use_exponential_sigmas", "evenly in log sigma; k-diffusion", exponential },
    { "normal", "uniform", "evenly in t, both ends; k-diffusion, ComfyUI, A1111's Uniform", normal },
    { "sgm_uniform", "", "evenly in t without the last; generative-models, ComfyUI, A1111", sgm_uniform },
    { "simple", "", "every (timesteps / N)-th sigma from the top; ComfyUI, A1111", simple },
    { "ddim_uniform", "DDIM", "every (timesteps / N)-th sigma from the bottom; ComfyUI, A1111's DDIM", ddim_uniform },
    { "leading", "", "diffusers' spacing of SD 1.x and 2.x, whatever the model's", leading },
    { "trailing", "", "diffusers' spacing of Turbo, Lightning, zero-SNR models, whatever the model's", trailing },
    { "linspace", "", "diffusers' default spacing, whatever the model's", spaced_linearly },
    { 0 },
};

const Schedule *schedule_find(const char *name)
{
    for (const Schedule *s = schedules; s->name; s++)
        if (names_have(s->name, name) || names_have(s->aliases, name)) return s;
    return NULL;
}

static int check_falling(const Timeline *tl, const char *schedule, Err *e)
{
    for (int i = 0; i < tl->steps; i++)
        if (!(tl->sigma[i] > tl->sigma[i + 1]))
            return err_usage(e, "%d steps are more than the schedule %s has sigmas for: step %d would go from %g to %g",
                             tl->steps, schedule, i + 1, tl->sigma[i], tl->sigma[i + 1]);
    return 0;
}

int timeline_init(Timeline *tl, const Schedule *s, const Noise *n, Family family, int steps, Err *e)
{
    *tl = (Timeline){ .steps = steps, .family = family, .unit_variance = family != FAMILY_SIGMA };
    if (steps < 1 || steps > n->timesteps)
        return err_usage(e, "%d steps: 1 to %d are possible, the timesteps that the model was trained on", steps,
                         n->timesteps);

    size_t room = (size_t)n->timesteps; /* ddim_uniform may take more than steps */
    tl->sigma = mem_array(room + 1, sizeof *tl->sigma);
    tl->t = mem_array(room + 1, sizeof *tl->t);
    tl->to = mem_array(room, sizeof *tl->to);
    for (size_t i = 0; i < room; i++) tl->t[i] = tl->to[i] = NAN;
    if (s->fill(n, tl, e)) goto fail;

    for (int i = 0; i < tl->steps; i++) { /* the tools keep them in float32 */
        if (isnan(tl->t[i])) tl->t[i] = noise_timestep(n, tl->sigma[i]);
        tl->t[i] = family == FAMILY_SIGMA ? (float)tl->t[i] : rint(tl->t[i]);
        tl->sigma[i] = (float)tl->sigma[i];
    }
    tl->sigma[tl->steps] = tl->t[tl->steps] = 0;
    for (int i = 0; i < tl->steps; i++)
        if (isnan(tl->to[i])) tl->to[i] = tl->sigma[i + 1];
    if (check_falling(tl, s->name, e)) goto fail;
    tl->scale = tl->unit_variance ? sqrt(tl->sigma[0] * tl->sigma[0] + 1) : tl->sigma[0];
    return 0;
fail:
    timeline_release(tl);
    return -1;
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
    return tl->family == FAMILY_SIGMA ? 1 : 1 / sqrt(tl->sigma[i] * tl->sigma[i] + 1);
}
