/* config.c - see config.h. Source: diffusers' configuration_utils.py (extract_init_dict) and the schedulers' constructors. */
#include "scheduler/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "scheduler/classes.h"
#include "weights/config.h"

/* What is being read, and by whose rules. */
typedef struct {
    Noise *n;
    Config *c;
    const SchedulerClass *file; /* the file's class; NULL: it names none */
    const SchedulerClass *run;  /* the class whose keys and defaults count */
    SchedulerRun as;
    const PipelineChanges *changes;
    uint64_t defaults; /* keys that the file lists in _use_default_values */
} Reader;

/* Keys of earlier versions, whose value does not matter; predict_epsilon true is what all is today. */
static const char *const obsolete[] = { "tensor_format", "timestep_values", "predict_epsilon", NULL };

/* The file says it, and the class that is run listens. */
static bool given(const Reader *r, SchedulerKey k)
{
    uint64_t bit = UINT64_C(1) << k;
    return (r->run->keys & ~r->run->idle & ~r->defaults & bit) && config_has(r->c, scheduler_keys[k]);
}

static bool is_null(const Reader *r, SchedulerKey k)
{
    return (r->run->keys & (UINT64_C(1) << k)) && config_is_null(r->c, scheduler_keys[k]);
}

/* null is false to Python, whatever the default. */
static bool read_bool(const Reader *r, SchedulerKey k, bool dflt)
{
    if (is_null(r, k)) return false;
    return given(r, k) ? config_bool(r->c, scheduler_keys[k], dflt) : dflt;
}

static double read_num(const Reader *r, SchedulerKey k, double dflt, double min, double max)
{
    return given(r, k) ? config_num(r->c, scheduler_keys[k], dflt, min, max) : dflt;
}

static int read_int(const Reader *r, SchedulerKey k, int dflt, int min, int max)
{
    return given(r, k) ? config_int(r->c, scheduler_keys[k], dflt, min, max) : dflt;
}

static const char *read_str(const Reader *r, SchedulerKey k, const char *dflt)
{
    return given(r, k) ? config_str(r->c, scheduler_keys[k], dflt) : dflt;
}

/* The place of the key's text in a list of words, of which a class may have only the first `most`. Error: it is none of them. */
static int read_word(const Reader *r, SchedulerKey k, const char *const *words, int *out, Err *e)
{
    const char *text = read_str(r, k, words[*out]);
    Str known = { 0 };
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            str_release(&known);
            return 0;
        }
        str_addf(&known, "%s%s", i ? ", " : "", words[i]);
    }
    err_set(e, "%s is \"%.60s\"; %s takes %s", scheduler_keys[k], text, r->run->name, str_text(&known));
    str_release(&known);
    return -1;
}

/* ---- the model's noise -------------------------------------------------------------------------------------------------- */

static int read_trained_betas(const Reader *r, Err *e)
{
    Noise *n = r->n;
    const char *key = scheduler_keys[KEY_TRAINED_BETAS];
    if (!given(r, KEY_TRAINED_BETAS)) return 0;
    int count = config_list_len(r->c, key);
    if (count != n->timesteps)
        return err_set(e, "trained_betas has %d values; num_train_timesteps is %d", count, n->timesteps);
    n->trained_betas = mem_array((size_t)count, sizeof *n->trained_betas);
    for (int i = 0; i < count; i++) n->trained_betas[i] = (float)config_num_at(r->c, key, i);
    return 0;
}

static int read_beta_schedule(const Reader *r, Err *e)
{
    static const char *const common[] = { "linear", "scaled_linear", "squaredcos_cap_v2", NULL };
    static const char *const heun[] = { "linear", "scaled_linear", "squaredcos_cap_v2", "exp", NULL };
    static const char *const ddpm[] = { "linear", "scaled_linear", "squaredcos_cap_v2", "laplace", "sigmoid", NULL };
    int i = (int)r->n->betas;
    const char *const *words = r->run->extra == BETA_EXP ? heun : r->run->extra == BETA_LAPLACE ? ddpm : common;
    if (read_word(r, KEY_BETA_SCHEDULE, words, &i, e)) return -1;
    r->n->betas = i < 3 ? (BetaSchedule)i : (BetaSchedule)((int)r->run->extra + i - 3);
    return 0;
}

static int read_noise(const Reader *r, Err *e)
{
    Noise *n = r->n;
    static const char *const spacings[] = { "leading", "trailing", "linspace", NULL };
    int spacing = (int)r->run->spacing;
    n->betas = r->run->betas;
    n->spacing = r->run->spacing;
    if (read_beta_schedule(r, e) || read_word(r, KEY_TIMESTEP_SPACING, spacings, &spacing, e)) return -1;
    n->spacing = (Spacing)spacing;
    if (prediction_parse(&n->prediction, read_str(r, KEY_PREDICTION_TYPE, "epsilon"), e)) return -1;
    n->no_sample = !r->run->predicts_x0;
    int usual = r->run->kind == NETWORK_CONSISTENCY ? 40 : 1000;
    n->timesteps = read_int(r, KEY_NUM_TRAIN_TIMESTEPS, usual, 1, NOISE_MAX_TIMESTEPS);
    n->beta_start = read_num(r, KEY_BETA_START, r->run->beta_start, 0, 1);
    n->beta_end = read_num(r, KEY_BETA_END, r->run->beta_end, 0, 1);
    n->zero_terminal_snr = read_bool(r, KEY_RESCALE_BETAS_ZERO_SNR, false);
    n->set_alpha_to_one = read_bool(r, KEY_SET_ALPHA_TO_ONE, r->run->set_alpha_to_one);
    n->lcm_steps = read_int(r, KEY_ORIGINAL_INFERENCE_STEPS, 50, 1, NOISE_MAX_TIMESTEPS);
    n->lcm_scaling = read_num(r, KEY_TIMESTEP_SCALING, 10, 1e-6, 1e6);
    return read_trained_betas(r, e);
}

/* Whether the pipeline's constructor sees the key: in the file, or as a default of the class that stays in its place. */
static bool changed(const Reader *r, bool changes, SchedulerKey k)
{
    return changes && (config_has(r->c, scheduler_keys[k]) || r->run == r->file);
}

static void read_changed(const Reader *r)
{
    Noise *n = r->n;
    bool sd = !r->file && strcmp(r->run->name, SCHEDULER_TRAINING) == 0; /* nothing says otherwise */
    n->steps_offset = read_int(r, KEY_STEPS_OFFSET, sd, 0, NOISE_MAX_TIMESTEPS);
    if (changed(r, r->changes->steps_offset, KEY_STEPS_OFFSET)) n->steps_offset = 1;
    double range = read_num(r, KEY_CLIP_SAMPLE_RANGE, 1, 1e-6, 1e6);
    bool clips = read_bool(r, KEY_CLIP_SAMPLE, r->run->clip_sample);
    if (changed(r, r->changes->clip_sample, KEY_CLIP_SAMPLE)) clips = false;
    n->clip_sample = clips ? range : 0;
}

/* ---- the schedule ------------------------------------------------------------------------------------------------------- */

/* Which sigmas the file asks for. Of the first three only one may be; lu gives way to karras, and goes before the others. */
static int read_schedule(const Reader *r, Err *e)
{
    static const struct {
        SchedulerKey key;
        const char *schedule;
    } rows[] = {
        { KEY_USE_KARRAS_SIGMAS, "karras" },
        { KEY_USE_EXPONENTIAL_SIGMAS, "exponential" },
        { KEY_USE_BETA_SIGMAS, "beta" },
    };
    const char *found = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!read_bool(r, rows[i].key, false)) continue;
        if (found) return err_set(e, "%s and %s are both true", found, scheduler_keys[rows[i].key]);
        found = scheduler_keys[rows[i].key];
        r->n->schedule = rows[i].schedule;
    }
    if (read_bool(r, KEY_USE_LU_LAMBDAS, false) && strcmp(r->n->schedule, "karras") != 0) r->n->schedule = "lu";
    return 0;
}

static int read_layout(const Reader *r, Err *e)
{
    static const char *const ends[] = { "zero", "sigma_min", NULL };
    static const char *const interpolations[] = { "linear", "log_linear", NULL };
    static const char *const types[] = { "discrete", "continuous", NULL };
    Noise *n = r->n;
    int end = 0, interpolation = 0, type = 0;
    if (read_schedule(r, e) || read_word(r, KEY_FINAL_SIGMAS_TYPE, ends, &end, e) ||
        read_word(r, KEY_INTERPOLATION_TYPE, interpolations, &interpolation, e) ||
        read_word(r, KEY_TIMESTEP_TYPE, types, &type, e))
        return -1;
    n->final_sigma_min = end == 1;
    n->log_linear = interpolation == 1;
    n->continuous = type == 1 && n->prediction == PREDICT_V; /* of other networks diffusers takes no notice of it */
    n->lambda_min = read_num(r, KEY_LAMBDA_MIN_CLIPPED, -INFINITY, -INFINITY, INFINITY);
    n->karras_range = r->run->karras_range;
    if (!(r->run->keys & KEY(USE_KARRAS_SIGMAS))) return 0;
    /* Every class with such sigmas looks for the ends in the file, whether its constructor takes them or not. */
    if (config_has(r->c, "sigma_min")) n->sigma_min = config_num(r->c, "sigma_min", 0, 1e-6, 1e6);
    if (config_has(r->c, "sigma_max")) n->sigma_max = config_num(r->c, "sigma_max", 0, 1e-6, 1e6);
    return 0;
}

/* Sigmas and preconditioning of Karras et al. 2022, arXiv:2206.00364, in place of betas; consistency models have the same. */
static int read_edm(const Reader *r, Err *e)
{
    static const char *const schedules[] = { "karras", "exponential", NULL };
    Noise *n = r->n;
    int schedule = 0;
    if (read_word(r, KEY_SIGMA_SCHEDULE, schedules, &schedule, e)) return -1;
    n->schedule = schedules[schedule];
    n->sigma_min = read_num(r, KEY_SIGMA_MIN, 0.002, 1e-6, 1e6);
    n->sigma_max = read_num(r, KEY_SIGMA_MAX, 80, 1e-6, 1e6);
    n->sigma_data = read_num(r, KEY_SIGMA_DATA, 0.5, 1e-6, 1e6);
    n->rho = read_num(r, KEY_RHO, 7, 0.1, 1000);
    n->continuous = true;
    if (r->run->kind == NETWORK_EDM) return 0;
    n->schedule = "model"; /* the class has one only */
    n->solver.noise_less = 1 - read_num(r, KEY_S_NOISE, 1, 0, 100);
    if (read_bool(r, KEY_CLIP_DENOISED, true)) n->clip_sample = 1;
    return 0;
}

static void read_flow(const Reader *r)
{
    Noise *n = r->n;
    n->flow_shift = read_num(r, KEY_SHIFT, 1, 1e-6, 1e6);
    n->flow_end = read_num(r, KEY_SHIFT_TERMINAL, 0, 0, 0.999999);
    n->solver.stochastic = read_bool(r, KEY_STOCHASTIC_SAMPLING, false);
    n->flow_rectified = strcmp(r->run->name, SCHEDULER_RECTIFIED) == 0;
}

/* What networks of another kind have in place of betas. */
static int read_kind(const Reader *r, Err *e)
{
    r->n->kind = r->run->kind;
    if (r->n->kind == NETWORK_EDM || r->n->kind == NETWORK_CONSISTENCY) return read_edm(r, e);
    if (r->n->kind == NETWORK_FLOW) read_flow(r);
    return 0;
}

/* ---- the solver --------------------------------------------------------------------------------------------------------- */

static bool runs(const Reader *r, const char *class_name) { return strcmp(r->run->name, class_name) == 0; }

static bool among(const char *text, const char *const *words)
{
    while (*words)
        if (strcmp(text, *words++) == 0) return true;
    return false;
}

/* What a class makes of a solver type: one of another class' becomes its default. */
static const char *solver_type_of(const SchedulerClass *c, const char *text)
{
    static const char *const dpm[] = { "midpoint", "heun", NULL }, *const unipc[] = { "bh1", "bh2", NULL };
    if (!c || !(c->keys & KEY(SOLVER_TYPE))) return text;
    if (strstr(c->name, "DPMSolver")) return among(text, dpm) ? text : "midpoint";
    if (strcmp(c->name, "UniPCMultistepScheduler") == 0) return among(text, unipc) ? text : "bh2";
    return "logrho";
}

/* The file's own class has changed it before the one that is run sees it. */
static int read_solver_type(const Reader *r, Err *e)
{
    static const char *const known[] = { "midpoint", "heun", "bh1", "bh2", "logrho", NULL };
    const char *text = read_str(r, KEY_SOLVER_TYPE, "logrho");
    if (!among(text, known))
        return err_set(e, "solver_type is \"%.60s\"; %s takes midpoint, heun, bh1, bh2, logrho", text, r->run->name);
    text = solver_type_of(r->run, solver_type_of(r->file, text));
    bool sde = r->as.named && r->n->solver.algorithm == ALGORITHM_SDE_DATA; /* of which samplers have both names */
    r->n->solver.heun = !sde && strcmp(text, "heun") == 0;
    r->n->solver.bh1 = strcmp(text, "bh1") == 0;
    return 0;
}

static int read_algorithm(const Reader *r, Err *e)
{
    static const char *const dpm[] = { "dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver", NULL };
    static const char *const sa[] = { "data_prediction", "noise_prediction", NULL };
    static const char *const deis[] = { "deis", NULL };
    const char *const *own = runs(r, "SASolverScheduler") ? sa : runs(r, "DEISMultistepScheduler") ? deis : dpm;
    const char *text = read_str(r, KEY_ALGORITHM_TYPE, own[0]);
    bool of_deis = r->file && strcmp(r->file->name, "DEISMultistepScheduler") == 0; /* all are its own one to it */
    bool foreign = (own == dpm && of_deis && among(text, dpm)) || (own != dpm && among(text, dpm)) ||
                   (own != sa && among(text, sa)) || (own != deis && among(text, deis));
    Solver *s = &r->n->solver;
    int i = 0;
    if (r->as.named) s->algorithm = r->as.algorithm;
    if (r->as.named || foreign) return 0; /* the class has its default */
    if (read_word(r, KEY_ALGORITHM_TYPE, own, &i, e)) return -1;
    s->algorithm = (Algorithm)i;
    bool noise = own == dpm && (s->algorithm == ALGORITHM_NOISE || s->algorithm == ALGORITHM_SDE_NOISE);
    if (i == ALGORITHM_SDE_NOISE && runs(r, "DPMSolverSinglestepScheduler"))
        return err_set(e, "algorithm_type is \"%s\", which %s does not have", text, r->run->name);
    if (noise && !r->n->final_sigma_min)
        return err_set(
            e, "algorithm_type is \"%s\", which cannot end at sigma 0: final_sigmas_type \"sigma_min\" was expected",
            text);
    if (s->algorithm == ALGORITHM_SDE_NOISE && s->order >= 3)
        return err_set(e, "algorithm_type is \"sde-dpmsolver\" and solver_order %d: there is none above 2", s->order);
    return 0;
}

static int read_thresholding(const Reader *r, Err *e)
{
    Solver *s = &r->n->solver;
    bool noise = s->algorithm == ALGORITHM_NOISE;
    if (!read_bool(r, KEY_THRESHOLDING, false)) return 0;
    if (noise && runs(r, "UniPCMultistepScheduler")) return 0; /* there only an estimate is */
    if (noise && !runs(r, "DPMSolverMultistepScheduler"))
        return err_set(e, "thresholding of a solver that predicts the noise: diffusers' %s cannot do it", r->run->name);
    s->threshold = read_num(r, KEY_DYNAMIC_THRESHOLDING_RATIO, 0.995, 1e-6, 1);
    s->threshold_max = read_num(r, KEY_SAMPLE_MAX_VALUE, 1, 0, 1e6);
    return 0;
}

/* DDPM's variance; elsewhere only whether the network gives it in further channels, which Stable Diffusion's do not. */
static int read_variance(const Reader *r, Err *e)
{
    static const char *const kinds[] = { "fixed_small", "fixed_small_log", "fixed_large", NULL };
    const char *type = read_str(r, KEY_VARIANCE_TYPE, "fixed_small");
    if (str_starts(type, "learned"))
        return err_set(e, "variance_type is \"%s\": networks that predict it are not supported", type);
    if (!runs(r, "DDPMScheduler")) return 0;
    if (!among(type, kinds))
        return err_set(e, "variance_type is \"%.60s\"; supported: fixed_small, fixed_small_log, fixed_large", type);
    r->n->solver.large_variance = strcmp(type, "fixed_large") == 0;
    return 0;
}

static int read_disabled(const Reader *r, Err *e)
{
    const char *key = scheduler_keys[KEY_DISABLE_CORRECTOR];
    Solver *s = &r->n->solver;
    if (!given(r, KEY_DISABLE_CORRECTOR)) return 0;
    s->disabled = config_list_len(r->c, key);
    if (s->disabled < 0 || s->disabled > SOLVER_MAX_DISABLED)
        return err_set(e, "disable_corrector: a list of up to %d steps was expected", SOLVER_MAX_DISABLED);
    for (int i = 0; i < s->disabled; i++) s->disable[i] = (int)fmax(fmin(config_num_at(r->c, key, i), 1e6), -1e6);
    return 0;
}

/* Options that would change the picture: only what limn computes. */
static int read_unsupported(const Reader *r, Err *e)
{
    static const struct {
        SchedulerKey key;
        const char *what;
    } off[] = {
        { KEY_USE_FLOW_SIGMAS, "flow matching" },     { KEY_USE_DYNAMIC_SHIFTING, "a shift by the picture's size" },
        { KEY_SHIFT_TERMINAL, "flow matching" },      { KEY_SOLVER_P, "another scheduler as the predictor" },
        { KEY_TAU_FUNC, "a function of the user's" }, { KEY_INVERT_SIGMAS, "time that runs backwards" },
    };
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        SchedulerKey k = off[i].key;
        if (k == KEY_SHIFT_TERMINAL && r->run->kind == NETWORK_FLOW) continue;
        if (!given(r, k) || config_is_false(r->c, scheduler_keys[k])) continue;
        return err_set(e, "%s: limn does not have %s; null or false was expected", scheduler_keys[k], off[i].what);
    }
    return 0;
}

/* Above 3 DPM-Solver and DEIS keep to 3 there; UniPC has more; the singlestep class refuses. */
static int read_order(const Reader *r, Err *e)
{
    bool capped = runs(r, "DPMSolverMultistepScheduler") || runs(r, "EDMDPMSolverMultistepScheduler") ||
                  runs(r, "DEISMultistepScheduler");
    Solver *s = &r->n->solver;
    if (r->as.named) return 0;
    int most = runs(r, "UniPCMultistepScheduler") ? 6 : 3;
    s->order = read_int(r, KEY_SOLVER_ORDER, 0, 1, 1000);
    if (s->order > most && !capped) return err_set(e, "solver_order is %d; 1 to %d are supported", s->order, most);
    if (s->order > most) s->order = most;
    if (runs(r, "SASolverScheduler")) s->order = read_int(r, KEY_PREDICTOR_ORDER, 0, 1, 4);
    return 0;
}

static int read_solver(const Reader *r, Err *e)
{
    Solver *s = &r->n->solver;
    if (read_order(r, e)) return -1;
    s->corrector = read_int(r, KEY_CORRECTOR_ORDER, 0, 1, 4);
    s->keep_order =
        r->run->keys & KEY(LOWER_ORDER_FINAL) && !read_bool(r, KEY_LOWER_ORDER_FINAL, r->run->lower_order_final);
    s->euler_at_final = read_bool(r, KEY_EULER_AT_FINAL, false);
    if (!read_bool(r, KEY_PREDICT_X0, true)) s->algorithm = ALGORITHM_NOISE;
    if (s->algorithm == ALGORITHM_NOISE && !r->n->final_sigma_min)
        return err_set(
            e, "predict_x0 is false, which cannot end at sigma 0: final_sigmas_type \"sigma_min\" was expected");
    if (r->run->keys & KEY(ALGORITHM_TYPE) && read_algorithm(r, e)) return -1;
    if (r->as.named && (s->algorithm == ALGORITHM_NOISE || s->algorithm == ALGORITHM_SDE_NOISE))
        r->n->final_sigma_min = true; /* they can end nowhere else */
    if (r->run->keys & KEY(SOLVER_TYPE) && read_solver_type(r, e)) return -1;
    if (read_disabled(r, e) || read_thresholding(r, e) || read_variance(r, e)) return -1;
    r->n->has_tree_seed = given(r, KEY_NOISE_SAMPLER_SEED);
    r->n->tree_seed = (uint64_t)read_num(r, KEY_NOISE_SAMPLER_SEED, 0, 0, 9007199254740992.0);
    return read_unsupported(r, e);
}

/* The row of samplers[] that the class is: the keys choose among sisters. */
static const char *sampler_of(const Reader *r)
{
    static const char *const multi[][2] = { { "dpmpp_2m", "dpmpp_3m" },
                                            { "dpmsolver_2m", "dpmsolver_3m" },
                                            { "dpmpp_2m_sde", "dpmpp_3m_sde" },
                                            { "dpmsolver_2m_sde", "dpmsolver_2m_sde" } };
    static const char *const single[][2] = { { "dpmpp_2s", "dpmpp_3s" },
                                             { "dpmsolver_2s", "dpmsolver_3s" },
                                             { "dpmpp_2s_sde", "dpmpp_3s_sde" } };
    const Solver *s = &r->n->solver;
    bool third = s->order >= 3;
    if (runs(r, "PNDMScheduler")) {
        bool skip =
            read_bool(r, KEY_SKIP_PRK_STEPS, false) || changed(r, r->changes->skip_prk_steps, KEY_SKIP_PRK_STEPS);
        return skip ? "plms" : "pndm";
    }
    if (runs(r, "UniPCMultistepScheduler") && s->bh1) return "unipc_bh1";
    if (runs(r, "DPMSolverSinglestepScheduler")) return single[s->algorithm][third];
    if (!runs(r, "DPMSolverMultistepScheduler") && !runs(r, "EDMDPMSolverMultistepScheduler")) return r->run->sampler;
    bool heun = s->algorithm == ALGORITHM_SDE_DATA && s->heun && !third;
    return heun ? "dpmpp_2m_sde_heun" : multi[s->algorithm][third];
}

/* ---- the file ----------------------------------------------------------------------------------------------------------- */

/* diffusers lists there which keys it did not find in a file, when it hands on a configuration of its own making. */
static void find_defaults(Reader *r)
{
    int count = config_list_len(r->c, "_use_default_values");
    for (int i = 0; i < count; i++) {
        const char *key = config_str_at(r->c, "_use_default_values", i);
        SchedulerKey k = key ? scheduler_key_find(key) : KEY_COUNT;
        if (k < KEY_COUNT) r->defaults |= UINT64_C(1) << k;
    }
}

/* What is left after all was asked for: keys of other classes, of earlier versions, and those that nobody takes. */
static int finish(const Reader *r, Err *e)
{
    config_ignore(r->c, scheduler_keys);
    config_ignore(r->c, obsolete);
    if (config_finish(r->c, e)) return -1;
    const char *others = config_passed_over(r->c),
               *epsilon = config_is_false(r->c, "predict_epsilon") ? "\"predict_epsilon\"" : "";
    snprintf(r->n->passed_over, sizeof r->n->passed_over, "%s%s%s", epsilon, *epsilon && others ? ", " : "",
             others ? others : "");
    return 0;
}

static int read_all(Reader *r, const SchedulerFile *f, Err *e)
{
    r->changes = pipeline_changes(f->pipeline);
    const char *of = f->of ? f->of : config_str(r->c, "_class_name", NULL);
    if (scheduler_choose(&r->file, &r->run, of, r->as.name, e)) return -1;
    find_defaults(r);
    if (read_noise(r, e)) return -1;
    read_changed(r);
    if (read_layout(r, e) || read_kind(r, e) || read_solver(r, e)) return -1;
    snprintf(r->n->sampler, sizeof r->n->sampler, "%s", sampler_of(r));
    return finish(r, e);
}

int scheduler_read(Noise *n, const SchedulerFile *f, const SchedulerRun *run, Err *e)
{
    noise_defaults(n);
    Reader r = { .n = n, .c = config_parse(f->json, f->where, e) };
    if (!r.c) return -1;
    config_pass_over(r.c);
    if (run) r.as = *run;
    int rc = read_all(&r, f, e) ? config_blame(r.c, e) : 0;
    config_free(r.c);
    return rc;
}
