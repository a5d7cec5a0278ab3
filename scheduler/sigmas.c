/*
 * sigmas.c - see sigmas.h.
 *
 * Sources: diffusers' set_timesteps() of each class; k-diffusion's external.py and sampling.py; A1111's sd_schedulers.py;
 * ComfyUI's samplers.py and its nodes.
 */
#include "scheduler/sigmas.h"

#include <math.h>

#include "scheduler/beta.h"

/* diffusers' families: fractional timesteps; a range parted in N + 1; steps down by an N-th. */
static bool fractional(const Timeline *tl) { return tl->family == FAMILY_SIGMA || tl->family == FAMILY_KDPM; }

static bool one_more(const Timeline *tl) { return tl->family >= FAMILY_DPM && tl->family <= FAMILY_DEIS; }

static bool steps_down(const Timeline *tl) { return tl->family == FAMILY_DDIM; }

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
        if (!steps_down(tl)) continue;
        double t = tl->t[i] - stride;
        tl->to[i] = t >= 0 ? sigma_linear(n, t) : n->set_alpha_to_one ? 0 : n->sigmas[0];
    }
    bool infinite = n->zero_terminal_snr && tl->t[0] == last && (steps_down(tl) || tl->family >= FAMILY_DDPM);
    if (infinite && n->prediction == PREDICT_EPSILON)
        return err_set(
            e, "zero terminal SNR needs a network that predicts v or the sample: from pure noise epsilon says nothing");
    if (infinite) tl->sigma[0] = NOISE_INFINITE; /* a last alpha of 0 */
    return 0;
}

/*
 * How many timesteps are visited at all: those whose log SNR / 2 is not below lambda_min_clipped. diffusers' DPM-Solver and SA-Solver
 * only; their noise says -INFINITY for the others.
 */
static int clipped_range(const Noise *n)
{
    int count = n->timesteps;
    while (count > 1 && -log(n->sigmas[count - 1]) < n->lambda_min) count--;
    return count;
}

/*
 * The three spacings of timesteps. Lin et al. 2023, arXiv:2305.08891, table 2. DPM-Solver's leading and linspace have one
 * point more and drop the last, except that its trailing is everyone's.
 */
int sigmas_leading(const Noise *n, Timeline *tl, Err *e)
{
    int points = tl->steps + one_more(tl), stride = clipped_range(n) / points;
    for (int i = 0; i < tl->steps; i++) tl->t[i] = (points - 1 - i) * stride + n->steps_offset;
    tl->unit_variance = true;
    return from_timesteps(n, tl, "leading", e);
}

int sigmas_trailing(const Noise *n, Timeline *tl, Err *e)
{
    double stride = (double)n->timesteps / tl->steps;
    int range = clipped_range(n);
    if (range < n->timesteps) tl->steps = (int)ceil(range / stride); /* the same stride over less */
    for (int i = 0; i < tl->steps; i++) tl->t[i] = rint(range - i * stride) - 1;
    return from_timesteps(n, tl, "trailing", e);
}

int sigmas_linspace(const Noise *n, Timeline *tl, Err *e)
{
    int points = tl->steps + one_more(tl);
    for (int i = 0; i < tl->steps; i++) {
        double t = linspace(0, clipped_range(n) - 1, points, points - 1 - i);
        tl->t[i] = fractional(tl) ? t : rint(t);
    }
    return from_timesteps(n, tl, "linspace", e);
}

/*
 * diffusers' timesteps=[...]: each step goes to the next one, the last to a clean latent, also of classes that take no
 * such list.
 */
int sigmas_given(const Noise *n, Timeline *tl, Err *e)
{
    int last = n->timesteps - 1;
    if (n->kind == NETWORK_EDM)
        return err_usage(e, "timesteps: a network with EDM's noise has no timesteps of that kind");
    for (int i = 0; i < tl->steps; i++)
        if (tl->t[i] > last) return err_usage(e, "timesteps: %g is over the model's last one, %d", tl->t[i], last);
    if (from_timesteps(n, tl, "timesteps", e)) return -1;
    for (int i = 0; i < tl->steps; i++) tl->to[i] = NAN;
    if (tl->compat == COMPAT_DIFFUSERS) tl->unit_variance = tl->unit_variance || n->spacing == SPACING_LEADING;
    return 0;
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

static int spaced(const Noise *n, Timeline *tl, Err *e)
{
    return n->spacing == SPACING_LEADING    ? sigmas_leading(n, tl, e)
           : n->spacing == SPACING_TRAILING ? sigmas_trailing(n, tl, e)
                                            : sigmas_linspace(n, tl, e);
}

int sigmas_model(const Noise *n, Timeline *tl, Err *e)
{
    if (tl->family == FAMILY_LCM || tl->family == FAMILY_TCD) return lcm_timesteps(n, tl, e);
    if (tl->family == FAMILY_SINGLE) return sigmas_linspace(n, tl, e);
    if (spaced(n, tl, e)) return -1;
    if (!n->log_linear) return 0;
    /* The timesteps stay those of the spacing, and the last step ends at the lowest sigma. */
    double high = log(n->sigmas[n->timesteps - 1]), low = log(n->sigmas[0]);
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = exp(linspace(high, low, tl->steps + 1, i));
    tl->to[tl->steps - 1] = (float)n->sigmas[0];
    return 0;
}

/*
 * The range that karras and exponential fill: all sigmas of the model, but in diffusers' FAMILY_SIGMA only those from the
 * first to the last of the model's own schedule (8.39 instead of 14.6 with leading spacing and 10 steps).
 */
static int sigma_range(const Noise *n, Timeline *tl, double *high, double *low, Err *e)
{
    *high = n->sigmas[n->timesteps - 1];
    *low = n->sigmas[0];
    if (tl->compat != COMPAT_DIFFUSERS || n->kind != NETWORK_DISCRETE) return 0;
    if (fractional(tl)) {
        if (sigmas_model(n, tl, e)) return -1;
        *high = tl->sigma[0];
        *low = n->log_linear ? tl->to[tl->steps - 1] : tl->sigma[tl->steps - 1];
        for (int i = 0; i < tl->steps; i++) tl->t[i] = tl->to[i] = NAN;
    }
    if (n->sigma_max > 0) *high = n->sigma_max;
    if (n->sigma_min > 0) *low = n->sigma_min;
    return *high >= *low || tl->steps == 1 ? 0 : err_set(e, "sigma_max %g is below sigma_min %g", *high, *low);
}

/* diffusers' DPM-Solver cuts the timesteps off for all schedules but karras, which it rounds. */
static void cut_timesteps(const Noise *n, Timeline *tl)
{
    bool whole = tl->compat == COMPAT_DIFFUSERS && one_more(tl);
    for (int i = 0; whole && i < tl->steps; i++) tl->t[i] = floor(noise_timestep(n, tl->sigma[i]) + 1e-4);
}

/* The betas' name decides, whatever they are. */
static bool squared_cosine(const Noise *n) { return n->betas == BETA_SQUAREDCOS; }

/* Karras et al. 2022, arXiv:2206.00364, eq. 5. */
static const double RHO = 7;

static void fill_karras(Timeline *tl, double high, double low, double rho)
{
    high = pow(high, 1 / rho);
    low = pow(low, 1 / rho);
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = pow(linspace(high, low, tl->steps, i), rho);
}

int sigmas_karras(const Noise *n, Timeline *tl, Err *e)
{
    double high, low;
    Noise own = *n; /* a class may look for sigma_min and sigma_max in its other schedules only */
    if (!n->karras_range) own.sigma_min = own.sigma_max = 0;
    if (sigma_range(&own, tl, &high, &low, e)) return -1;
    fill_karras(tl, high, low, n->rho > 0 ? n->rho : RHO);
    if (tl->family == FAMILY_DPM && squared_cosine(n)) cut_timesteps(n, tl); /* there it is not rounded */
    return 0;
}

/* A1111's "use old karras scheduler sigmas". */
int sigmas_karras_old(const Noise *n, Timeline *tl, Err *e)
{
    (void)n, (void)e;
    fill_karras(tl, 10, 0.1, RHO);
    return 0;
}

/* Evenly in log sigma. */
static int fill_log(const Noise *n, Timeline *tl, Err *e)
{
    double high, low;
    if (sigma_range(n, tl, &high, &low, e)) return -1;
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = exp(linspace(log(high), log(low), tl->steps, i));
    return 0;
}

int sigmas_lu(const Noise *n, Timeline *tl, Err *e)
{
    Noise whole = *n;
    whole.sigma_min = whole.sigma_max = 0; /* do not count for it */
    if (fill_log(&whole, tl, e)) return -1;
    if (squared_cosine(n)) cut_timesteps(n, tl);
    return 0;
}

int sigmas_exponential(const Noise *n, Timeline *tl, Err *e)
{
    if (fill_log(n, tl, e)) return -1;
    cut_timesteps(n, tl);
    return 0;
}

/* Lee et al. 2024, arXiv:2407.12173, alpha = beta = 0.6; diffusers and A1111 take the quantile as a share of sigma. */
int sigmas_beta(const Noise *n, Timeline *tl, Err *e)
{
    double high, low;
    if (sigma_range(n, tl, &high, &low, e)) return -1;
    for (int i = 0; i < tl->steps; i++)
        tl->sigma[i] = low + beta_quantile(1 - linspace(0, 1, tl->steps, i), 0.6, 0.6) * (high - low);
    cut_timesteps(n, tl);
    return 0;
}

/* ComfyUI takes it as a share of the timesteps, rounded; the same one twice counts once, so there may be fewer steps. */
int sigmas_beta_comfyui(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    int count = 0;
    double last = -1;
    for (int i = 0; i < tl->steps; i++) {
        double t = floor(beta_quantile(1 - (double)i / tl->steps, 0.6, 0.6) * (n->timesteps - 1) + 0.5 +
                         1e-9); /* half is up */
        if (t == last) continue;
        tl->t[count] = last = t;
        tl->sigma[count++] = noise_sigma(n, t);
    }
    tl->steps = count;
    return 0;
}

/* k-diffusion's get_sigmas(): evenly in t, log sigma interpolated. */
int sigmas_normal(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    for (int i = 0; i < tl->steps; i++) {
        tl->t[i] = linspace(n->timesteps - 1, 0, tl->steps, i);
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    return 0;
}

/* Stability's generative-models: as normal with one step more, the last left out. */
int sigmas_sgm_uniform(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    for (int i = 0; i < tl->steps; i++) {
        tl->t[i] = linspace(n->timesteps - 1, 0, tl->steps + 1, i);
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    return 0;
}

int sigmas_simple(const Noise *n, Timeline *tl, Err *e)
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
int sigmas_ddim_uniform(const Noise *n, Timeline *tl, Err *e)
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

/* Sabour et al. 2024, arXiv:2404.14507, eq. 5: evenly in arctan(sigma). A1111's ends at the lowest sigma, not at 0. */
int sigmas_kl_optimal(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    double high = atan(n->sigmas[n->timesteps - 1]), low = atan(n->sigmas[0]);
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = tan(high + (low - high) * i / tl->steps);
    tl->to[tl->steps - 1] = (float)n->sigmas[0];
    return 0;
}

int sigmas_kl_optimal_comfyui(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    double high = atan(n->sigmas[n->timesteps - 1]), low = atan(n->sigmas[0]);
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = tan(linspace(high, low, tl->steps, i));
    return 0;
}

/* ---- others ------------------------------------------------------------------------------------------------------------ */

/* Genmo's Mochi, ComfyUI: half of the steps evenly from the top as far as 0.025, then a parabola. */
int sigmas_linear_quadratic(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    const double threshold = 0.025;
    int steps = tl->steps, even = steps / 2, rest = steps - even;
    double difference = even - threshold * steps, square = difference / ((double)even * rest * rest);
    double linear = threshold / even - 2 * difference / ((double)rest * rest), base = square * even * even;
    for (int i = 0; i < steps; i++) {
        double gone = steps == 1 ? 0 : i < even ? i * threshold / even : square * i * i + linear * i + base;
        tl->sigma[i] = (1 - gone) * n->sigmas[n->timesteps - 1];
    }
    return 0;
}

/* ComfyUI's SDTurboScheduler: the first N of ten timesteps from the top. */
int sigmas_sd_turbo(const Noise *n, Timeline *tl, Err *e)
{
    if (tl->steps > 10) return err_usage(e, "%d steps: sd_turbo has 10", tl->steps);
    for (int i = 0; i < tl->steps; i++) {
        int stride = n->timesteps / 10;
        tl->t[i] = n->timesteps - i * stride - 1;
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    return 0;
}

/*
 * Hang et al. 2024, arXiv:2407.03297: quantiles of a Laplace distribution of log sigma, mean 0, scale 0.5; k-diffusion in ComfyUI, and 0.
 * Its node ends at the last of N values, and so takes a step less.
 */
static double laplace_quantile(const Noise *n, double p)
{
    double side = p < 0.5 ? 1 : p > 0.5 ? -1 : 0, log_sigma = -0.5 * side * log(1 - 2 * fabs(0.5 - p) + 1e-5);
    return fmin(fmax(exp(log_sigma), n->sigmas[0]), n->sigmas[n->timesteps - 1]);
}

int sigmas_laplace(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = laplace_quantile(n, linspace(0, 1, tl->steps, i));
    return 0;
}

int sigmas_laplace_comfyui(const Noise *n, Timeline *tl, Err *e)
{
    if (tl->steps < 2)
        return err_usage(e, "%d step: ComfyUI's laplace takes one less than is asked for; take 2", tl->steps);
    int count = tl->steps--;
    for (int i = 0; i < tl->steps; i++) tl->sigma[i] = laplace_quantile(n, linspace(0, 1, count, i));
    tl->to[tl->steps - 1] = laplace_quantile(n, 1);
    return 0;
}

/* Song et al. 2021, arXiv:2011.13456: evenly in the time of a linear beta; k-diffusion's get_sigmas_vp(). */
int sigmas_vp(const Noise *n, Timeline *tl, Err *e)
{
    (void)n, (void)e;
    for (int i = 0; i < tl->steps; i++) {
        double t = linspace(1, 1e-3, tl->steps, i);
        tl->sigma[i] = sqrt(expm1(19.9 * t * t / 2 + 0.1 * t));
    }
    return 0;
}

/*
 * CompVis' timesteps 1, 1 + k, ... with k = timesteps / N, rounded down: N of them, or more where N is no divisor. A1111 goes
 * from each to the next one and stops at the first.
 */
int sigmas_compvis_ddim(const Noise *n, Timeline *tl, Err *e)
{
    int stride = n->timesteps / tl->steps, count = (n->timesteps - 1) / stride + 1;
    if (count < 2)
        return err_usage(e, "%d step: A1111's DDIM and PLMS take one less than is asked for; take 2", tl->steps);
    tl->steps = count - 1;
    for (int i = 0; i < tl->steps; i++) {
        tl->t[i] = fmin(1 + (count - 1 - i) * stride, n->timesteps - 1);
        tl->sigma[i] = noise_sigma(n, tl->t[i]);
    }
    tl->to[tl->steps - 1] = noise_sigma(n, 1);
    return 0;
}

/* As many steps as CompVis' timesteps are, even in t; log alpha is interpolated; the last step ends at timestep 0. */
int sigmas_compvis_unipc(const Noise *n, Timeline *tl, Err *e)
{
    (void)e;
    int stride = n->timesteps / tl->steps, last = n->timesteps - 1;
    tl->steps = last / stride + 1;
    for (int i = 0; i < tl->steps; i++) {
        double t = last - (double)i * last / tl->steps;
        int low = t < last ? (int)t : last - 1;
        double a = log(n->alphas_cumprod[low]), b = log(n->alphas_cumprod[low + 1]);
        tl->t[i] = t;
        tl->sigma[i] = sqrt(expm1(-(a + (t - low) * (b - a))));
    }
    tl->to[tl->steps - 1] = (float)n->sigmas[0];
    return 0;
}
