/*
 * noise.c - see noise.h. Source: diffusers' schedulers/scheduling_*.py; the formulas are the same in all of them.
 */
#include "scheduler/noise.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "weights/config.h"

/* The scheduler classes, with what their constructors take for a key that the file leaves out. */
static const struct {
    const char *name;
    BetaSchedule betas;
    double beta_start, beta_end;
    Spacing spacing;
    bool clip_sample, set_alpha_to_one;
} classes[] = {
    { "DDIMScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LEADING, true, true },
    { "DDIMInverseScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LEADING, true, true },
    { "DDPMScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LEADING, true, true },
    { "PNDMScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LEADING, false, false },
    { "EulerDiscreteScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "EulerAncestralDiscreteScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "LMSDiscreteScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "HeunDiscreteScheduler", BETA_LINEAR, 0.00085, 0.012, SPACING_LINSPACE, false, true },
    { "KDPM2DiscreteScheduler", BETA_LINEAR, 0.00085, 0.012, SPACING_LINSPACE, false, true },
    { "KDPM2AncestralDiscreteScheduler", BETA_LINEAR, 0.00085, 0.012, SPACING_LINSPACE, false, true },
    { "DPMSolverMultistepScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "DPMSolverSinglestepScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "DPMSolverSDEScheduler", BETA_LINEAR, 0.00085, 0.012, SPACING_LINSPACE, false, true },
    { "DEISMultistepScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "UniPCMultistepScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "SASolverScheduler", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, false, true },
    { "LCMScheduler", BETA_SCALED_LINEAR, 0.00085, 0.012, SPACING_LEADING, false, true },
    { "TCDScheduler", BETA_SCALED_LINEAR, 0.00085, 0.012, SPACING_LEADING, false, true },
};

/* Keys of the classes' own solvers: another sampler may be chosen, and each sampler of limn fixes them. */
static const char *const solver_keys[] = {
    "solver_p",
    "euler_at_final",
    "predict_x0",
    "disable_corrector",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    "predictor_order",
    "corrector_order",
    "tau_func",
    "use_corrector",
    "time_shift_type",
    "flow_shift",
    "sigma_data",
    NULL,
};

void noise_defaults(Noise *n)
{
    *n = (Noise){
        .timesteps = 1000,
        .betas = BETA_SCALED_LINEAR,
        .beta_start = 0.00085,
        .beta_end = 0.012,
        .prediction = PREDICT_EPSILON,
        .spacing = SPACING_LEADING,
        .steps_offset = 1,
        .lcm_steps = 50,
        .lcm_scaling = 10,
        .schedule = "model",
    };
}

/* The defaults of a class. Error: one that is unknown. */
static int set_class(Noise *n, const char *name, Err *e)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(name, classes[i].name) != 0) continue;
        snprintf(n->sampler, sizeof n->sampler, "%s", name);
        n->betas = classes[i].betas;
        n->beta_start = classes[i].beta_start;
        n->beta_end = classes[i].beta_end;
        n->spacing = classes[i].spacing;
        n->clip_sample = classes[i].clip_sample ? 1 : 0;
        n->set_alpha_to_one = classes[i].set_alpha_to_one;
        n->steps_offset = 0;
        return 0;
    }
    return err_set(e,
                   "_class_name is %s, which limn does not know; a scheduler of Stable Diffusion such as DDIMScheduler "
                   "or EulerDiscreteScheduler was expected",
                   name);
}

/* The place of text in a list of words. Error: none of them, the words are named. */
static int word_index(int *out, const char *key, const char *text, const char *const *words, Err *e)
{
    Str known = { 0 };
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            str_release(&known);
            return 0;
        }
        str_addf(&known, "%s%s", i ? ", " : "", words[i]);
    }
    err_set(e, "%s is \"%s\"; supported: %s", key, text, str_text(&known));
    str_release(&known);
    return -1;
}

int prediction_parse(Prediction *p, const char *text, Err *e)
{
    static const char *const words[] = { "epsilon", "v_prediction", "sample", NULL };
    int i;
    if (word_index(&i, "prediction_type", text, words, e)) return -1;
    *p = (Prediction)i;
    return 0;
}

static int read_words(Noise *n, Config *c, Err *e)
{
    static const char *const betas[] = { "linear", "scaled_linear", "squaredcos_cap_v2", NULL };
    static const char *const spacings[] = { "leading", "trailing", "linspace", NULL };
    int i;
    if (word_index(&i, "beta_schedule", config_str(c, "beta_schedule", betas[n->betas]), betas, e)) return -1;
    n->betas = (BetaSchedule)i;
    if (word_index(&i, "timestep_spacing", config_str(c, "timestep_spacing", spacings[n->spacing]), spacings, e))
        return -1;
    n->spacing = (Spacing)i;
    return prediction_parse(&n->prediction, config_str(c, "prediction_type", "epsilon"), e);
}

static int read_trained_betas(Noise *n, Config *c, Err *e)
{
    if (!config_has(c, "trained_betas")) return 0;
    int count = config_list_len(c, "trained_betas");
    if (count != n->timesteps)
        return err_set(e, "trained_betas has %d values; num_train_timesteps is %d", count, n->timesteps);
    n->trained_betas = mem_array((size_t)count, sizeof *n->trained_betas);
    for (int i = 0; i < count; i++) n->trained_betas[i] = (float)config_num_at(c, "trained_betas", i);
    return 0;
}

/* Options that would change the picture: only what limn computes. */
static void read_unsupported(Config *c)
{
    static const char *const off[] = { "thresholding", "use_flow_sigmas", "use_dynamic_shifting", NULL };
    for (int i = 0; off[i]; i++) config_only_bool(c, off[i], false);
    config_only_str(c, "interpolation_type", "linear");
    config_only_str(c, "timestep_type", "discrete");
    config_only_null(c, "sigma_min");
    config_only_null(c, "sigma_max");
    config_only_num(c, "lambda_min_clipped", -INFINITY);
    config_only_num(c, "shift", 1);
}

/* DDPM's variance is the sampler's matter, unless the network was trained to give it in further channels. */
static int read_variance(Config *c, Err *e)
{
    const char *type = config_str(c, "variance_type", "fixed_small");
    return str_starts(type, "learned")
               ? err_set(e, "variance_type is \"%s\": networks that predict it are not supported", type)
               : 0;
}

/*
 * The solver that a class is told to be: some are samplers of their own here, the rest is their order and type. An algorithm that
 * limn does not have ("dpmsolver") is taken for the one that it has.
 */
static void read_solver(Noise *n, Config *c)
{
    const char *class_name = n->sampler, *own = NULL;
    bool multi = strcmp(class_name, "DPMSolverMultistepScheduler") == 0;
    bool single = strcmp(class_name, "DPMSolverSinglestepScheduler") == 0;
    bool sde = str_starts(config_str(c, "algorithm_type", ""), "sde");
    const char *type = config_str(c, "solver_type", "");
    n->order = config_int(c, "solver_order", 0, 0, 4);
    n->heun = strcmp(type, "heun") == 0;
    n->keep_order = !config_bool(c, "lower_order_final", !single) && !single;
    if (!config_bool(c, "skip_prk_steps", false) && strcmp(class_name, "PNDMScheduler") == 0) own = "pndm";
    if (strcmp(class_name, "UniPCMultistepScheduler") == 0 && strcmp(type, "bh1") == 0) own = "unipc_bh1";
    if (single && n->order == 3) own = "dpmpp_3s";
    if (multi && n->order == 3) own = sde ? "dpmpp_3m_sde" : "dpmpp_3m";
    else if (multi && sde) own = n->heun ? "dpmpp_2m_sde_heun" : "dpmpp_2m_sde";
    if (own) snprintf(n->sampler, sizeof n->sampler, "%s", own);

    n->has_tree_seed = config_has(c, "noise_sampler_seed");
    if (n->has_tree_seed) n->tree_seed = (uint64_t)config_num(c, "noise_sampler_seed", 0, 0, 9007199254740992.0);
    else config_ignore(c, (const char *const[]){ "noise_sampler_seed", NULL });
}

/* Which sigmas the file asks for: at most one. */
static int read_schedule(Noise *n, Config *c, Err *e)
{
    static const struct {
        const char *key, *schedule;
    } keys[] = {
        { "use_karras_sigmas", "karras" },
        { "use_exponential_sigmas", "exponential" },
        { "use_beta_sigmas", "beta" },
        { "use_lu_lambdas", "lu" },
    };
    const char *found = NULL;
    n->schedule = "model";
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!config_bool(c, keys[i].key, false)) continue;
        if (found) return err_set(e, "%s and %s are both true", found, keys[i].key);
        found = keys[i].key;
        n->schedule = keys[i].schedule;
    }
    return 0;
}

static int read_fields(Noise *n, Config *c, Err *e)
{
    const char *class_name = config_str(c, "_class_name", "");
    if (*class_name && set_class(n, class_name, e)) return -1;
    if (read_words(n, c, e) || read_variance(c, e)) return -1;

    n->timesteps = config_int(c, "num_train_timesteps", n->timesteps, 1, NOISE_MAX_TIMESTEPS);
    n->beta_start = config_num(c, "beta_start", n->beta_start, 0, 1);
    n->beta_end = config_num(c, "beta_end", n->beta_end, 0, 1);
    n->steps_offset = config_int(c, "steps_offset", n->steps_offset, 0, NOISE_MAX_TIMESTEPS);
    n->zero_terminal_snr = config_bool(c, "rescale_betas_zero_snr", false);
    n->set_alpha_to_one = config_bool(c, "set_alpha_to_one", n->set_alpha_to_one);
    double range = config_num(c, "clip_sample_range", 1, 1e-6, 1e6);
    n->clip_sample = config_bool(c, "clip_sample", n->clip_sample > 0) ? range : 0;
    n->lcm_steps = config_int(c, "original_inference_steps", n->lcm_steps, 1, NOISE_MAX_TIMESTEPS);
    n->lcm_scaling = config_num(c, "timestep_scaling", n->lcm_scaling, 1e-6, 1e6);
    n->final_sigma_min = strcmp(config_str(c, "final_sigmas_type", "zero"), "sigma_min") == 0;
    if (read_schedule(n, c, e)) return -1;
    read_solver(n, c);
    if (read_trained_betas(n, c, e)) return -1;
    read_unsupported(c);
    config_ignore(c, solver_keys);
    return config_finish(c, e);
}

int noise_read(Noise *n, Bytes json, Err *e)
{
    Config *c = config_parse(json, "scheduler_config.json", e);
    int rc = c ? read_fields(n, c, e) : -1;
    config_free(c);
    return rc;
}

/* torch.linspace() in float32: from both ends to the middle. */
static float linspace(double start, double end, int count, int i)
{
    float a = (float)start, b = (float)end, step = count > 1 ? (b - a) / (float)(count - 1) : 0;
    return i < count / 2 ? fmaf(step, (float)i, a) : fmaf(-step, (float)(count - 1 - i), b);
}

/* Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17. */
static double cosine_alpha_bar(double time)
{
    double c = cos((time + 0.008) / 1.008 * 3.14159265358979323846 / 2);
    return c * c;
}

static float beta(const Noise *n, int i)
{
    if (n->trained_betas) return n->trained_betas[i];
    switch (n->betas) {
    case BETA_LINEAR: return linspace(n->beta_start, n->beta_end, n->timesteps, i);
    case BETA_SCALED_LINEAR: {
        float root = linspace(sqrt(n->beta_start), sqrt(n->beta_end), n->timesteps, i);
        return root * root;
    }
    case BETA_SQUAREDCOS:
        return (float)fmin(1 - cosine_alpha_bar((i + 1.0) / n->timesteps) / cosine_alpha_bar((double)i / n->timesteps),
                           0.999);
    }
    return 0;
}

/* alphas_cumprod from betas, as torch.cumprod(): summed in double, rounded to float32. */
static void accumulate(float *cumprod, const float *betas, int count)
{
    double product = 1;
    for (int i = 0; i < count; i++) cumprod[i] = (float)(product *= 1 - betas[i]);
}

/*
 * Betas whose last step is pure noise. Lin et al. 2023, arXiv:2305.08891, algorithm 1. The last alpha then is 0; 2^-24
 * stands for it, as in diffusers' Euler and DPM-Solver, so that its sigma (4096) is finite.
 */
static void rescale_zero_terminal_snr(float *betas, float *cumprod, int count)
{
    float first = sqrtf(cumprod[0]), last = sqrtf(cumprod[count - 1]), previous = 1;
    for (int i = 0; i < count; i++) {
        float root = (sqrtf(cumprod[i]) - last) * (first / (first - last));
        float alpha_bar = root * root;
        betas[i] = 1 - alpha_bar / previous;
        previous = alpha_bar;
    }
    accumulate(cumprod, betas, count);
    cumprod[count - 1] = 0x1p-24f;
}

static int check_fields(const Noise *n, Err *e)
{
    if (n->timesteps < 2 || n->timesteps > NOISE_MAX_TIMESTEPS)
        return err_set(e, "num_train_timesteps is %d; 2 to %d are possible", n->timesteps, NOISE_MAX_TIMESTEPS);
    if (!n->trained_betas && n->betas != BETA_SQUAREDCOS &&
        !(n->beta_start > 0 && n->beta_end >= n->beta_start && n->beta_end < 1))
        return err_set(e, "beta_start is %g and beta_end %g; 0 < beta_start <= beta_end < 1 was expected",
                       n->beta_start, n->beta_end);
    for (int i = 0; n->trained_betas && i < n->timesteps; i++)
        if (!(n->trained_betas[i] > 0 && n->trained_betas[i] < 1))
            return err_set(e, "trained_betas[%d] is %g; 0 < beta < 1 was expected", i, (double)n->trained_betas[i]);
    return 0;
}

int noise_build(Noise *n, Err *e)
{
    if (check_fields(n, e)) return -1;
    size_t count = (size_t)n->timesteps;
    float *betas = mem_array(count, sizeof *betas), *cumprod = mem_array(count, sizeof *cumprod);
    for (int i = 0; i < n->timesteps; i++) betas[i] = beta(n, i);
    accumulate(cumprod, betas, n->timesteps);
    if (n->zero_terminal_snr) rescale_zero_terminal_snr(betas, cumprod, n->timesteps);

    free(n->alphas_cumprod);
    free(n->sigmas);
    n->alphas_cumprod = mem_array(count, sizeof *n->alphas_cumprod);
    n->sigmas = mem_array(count, sizeof *n->sigmas);
    bool rising = true; /* but for the stand-in of zero_terminal_snr, which may lie below the sigma before it */
    for (size_t i = 0; i < count; i++) {
        n->alphas_cumprod[i] = cumprod[i];
        n->sigmas[i] = sqrtf((1 - cumprod[i]) / cumprod[i]);
        rising = rising && isfinite(n->sigmas[i]) &&
                 (n->sigmas[i] > (i ? n->sigmas[i - 1] : 0) || (n->zero_terminal_snr && i + 1 == count));
    }
    free(betas);
    free(cumprod);
    return rising ? 0 : err_set(e, "the betas give no rising sequence of sigmas: they are too small or too large");
}

void noise_release(Noise *n)
{
    free(n->trained_betas);
    free(n->alphas_cumprod);
    free(n->sigmas);
    n->trained_betas = NULL;
    n->alphas_cumprod = n->sigmas = NULL;
}

double noise_sigma(const Noise *n, double t)
{
    assert(!isnan(t));
    int last = n->timesteps - 1;
    if (t <= 0) return n->sigmas[0];
    if (t >= last) return n->sigmas[last];
    int low = (int)t;
    double w = t - low;
    return w > 0 ? exp((1 - w) * log(n->sigmas[low]) + w * log(n->sigmas[low + 1])) : n->sigmas[low];
}

double noise_timestep(const Noise *n, double sigma)
{
    assert(!isnan(sigma));
    int last = n->timesteps - 1;
    if (sigma <= n->sigmas[0]) return 0;
    if (sigma >= n->sigmas[last]) return last;
    int low = 0, high = last; /* sigmas[low] <= sigma < sigmas[high] */
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (n->sigmas[middle] <= sigma) low = middle;
        else high = middle;
    }
    return low + log(sigma / n->sigmas[low]) / log(n->sigmas[high] / n->sigmas[low]);
}
