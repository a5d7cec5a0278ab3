/*
 * noise.h - the noise schedule of a model's training: betas, the sigma of every timestep, what the network predicts.
 * From diffusers' scheduler_config.json (config.h); sigma = sqrt((1 - alphas_cumprod) / alphas_cumprod), x = x0 + sigma * noise.
 */
#ifndef LIMN_SCHEDULER_NOISE_H
#define LIMN_SCHEDULER_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

typedef enum { BETA_LINEAR, BETA_SCALED_LINEAR, BETA_SQUAREDCOS, BETA_EXP, BETA_LAPLACE, BETA_SIGMOID } BetaSchedule;
typedef enum { PREDICT_EPSILON, PREDICT_V, PREDICT_SAMPLE } Prediction;

/* How the network's input is computed from x, and the estimate from its output: estimate = skip x + out F(in x, t). */
typedef enum {
    NETWORK_DISCRETE,    /* of timesteps, in unit variance: Stable Diffusion's */
    NETWORK_EDM,         /* Karras et al. 2022, arXiv:2206.00364, table 1 */
    NETWORK_CONSISTENCY, /* the same, whose estimate at the least sigma is x itself: Song et al. 2023, arXiv:2303.01469 */
    NETWORK_FLOW,        /* flow matching: x = (1 - s) x0 + s noise, F = noise - x0; s = sigma / (1 + sigma) */
} NetworkKind;

typedef enum { SPACING_LEADING, SPACING_TRAILING, SPACING_LINSPACE } Spacing;

/* What a diffusers solver extrapolates: the estimate or the noise in x; as an ODE or an SDE. */
typedef enum { ALGORITHM_DATA, ALGORITHM_NOISE, ALGORITHM_SDE_DATA, ALGORITHM_SDE_NOISE } Algorithm;

enum { NOISE_MAX_TIMESTEPS = 10000, SOLVER_MAX_DISABLED = 64 };

/* Solver settings of a scheduler's class, from its keys in the file. Zeros are limn's own settings. */
typedef struct {
    int order;           /* solver_order, predictor_order; 0: the sampler's own */
    int corrector;       /* corrector_order; 0: the sampler's own */
    bool heun;           /* solver_type "heun" instead of "midpoint" */
    bool bh1;            /* solver_type "bh1" instead of "bh2" */
    bool keep_order;     /* lower_order_final false: the last steps are not of lower order */
    bool euler_at_final; /* the last step is of order 1 */
    Algorithm algorithm;
    int disabled; /* disable_corrector: after how many steps UniPC does not correct, and which (0-based) */
    int disable[SOLVER_MAX_DISABLED];
    bool large_variance;  /* variance_type "fixed_large" */
    double threshold;     /* dynamic_thresholding_ratio of x0; 0: none */
    double threshold_max; /* sample_max_value */
    bool stochastic;      /* stochastic_sampling: flow_euler's noise is fresh in each step */
    double noise_less;    /* 1 - s_noise of cm */
} Solver;

typedef struct {
    int timesteps; /* num_train_timesteps */
    BetaSchedule betas;
    double beta_start, beta_end;
    float *trained_betas; /* [timesteps], used instead when there; else NULL */
    Prediction prediction;
    Spacing spacing;
    int steps_offset;
    bool zero_terminal_snr; /* rescale_betas_zero_snr, arXiv:2305.08891 */
    bool set_alpha_to_one;  /* DDIM's last alpha: 1, or that of timestep 0 */
    bool
        final_sigma_min; /* final_sigmas_type "sigma_min": euler's and DPM-Solver's last step ends at timestep 0's sigma */
    double clip_sample;          /* ddim, ddpm, heun, lcm: x0 is held in -clip .. clip; 0: it is not */
    int lcm_steps;               /* original_inference_steps: the timesteps that an LCM was distilled on */
    double lcm_scaling;          /* timestep_scaling of its boundary condition */
    double sigma_min, sigma_max; /* ends of karras, exponential and beta; 0: those of the model's own schedule */
    bool karras_range;           /* they count for karras, too */
    double lambda_min;           /* lambda_min_clipped: no timestep of less log SNR is visited; -INFINITY: all are */
    bool log_linear;             /* interpolation_type: the spaced sigmas are even in log sigma */
    bool continuous;             /* timestep_type "continuous", and EDM: the network's timestep is log(sigma) / 4 */
    NetworkKind kind;            /* the fields below are for the last three kinds */
    double sigma_data;           /* EDM's preconditioning, also of consistency models; 0: none, which is as 1 */
    double rho;                  /* of karras; 0: 7 */
    double flow_shift;           /* shift: s becomes shift s / (1 + (shift - 1) s) */
    double flow_end;             /* shift_terminal: the last s that is visited; 0: not changed */
    bool flow_rectified;         /* InstaFlow's: F = x0 - noise, and steps at equal distances of s */
    bool no_sample;              /* the class rejects networks that predict the sample */

    char
        sampler[64]; /* the row of samplers[] for the scheduler's class with the file's keys; "" if nothing names one */
    const char *schedule; /* the row of schedules[] that the file chooses: "model", "karras", ... */
    Solver solver;
    bool has_tree_seed; /* noise_sampler_seed: the seed of dpmpp_sde's Brownian tree instead of the picture's */
    uint64_t tree_seed;
    char passed_over[400]; /* keys that no scheduler accepts: "\"a\", \"b\""; "" */

    double *alphas_cumprod; /* [timesteps], as torch rounds them */
    double *sigmas;         /* [timesteps], rising */
} Noise;

/* Stable Diffusion's: 1000 steps, scaled_linear 0.00085..0.012, epsilon, leading, offset 1. noise_build() comes after. */
void noise_defaults(Noise *n);

/* "epsilon" | "v_prediction" | "sample"; Error: another word. */
int prediction_parse(Prediction *p, const char *text, Err *e);

/*
 * Computes the tables once the fields are set, in float32 and in torch's order, so that sigmas equal diffusers'.
 * Error: a field out of range, betas that add no noise, a prediction that the class rejects.
 */
int noise_build(Noise *n, Err *e);
void noise_release(Noise *n);

/* In place of an infinite sigma: at 2^30, x0 + sigma * noise has no trace of x0. */
#define NOISE_INFINITE 0x1p30

/* Between timesteps log sigma is interpolated (k-diffusion's DiscreteSchedule); t is clamped to the trained range. */
double noise_sigma(const Noise *n, double t);
double noise_timestep(const Noise *n, double sigma);

/* The factors of NetworkKind. */
typedef struct {
    double in, skip, out;
} Scaling;

Scaling noise_scaling(const Noise *n, double sigma);

/* The timestep input of a network without a table of timesteps; NAN: this one has a table. */
double noise_continuous(const Noise *n, double sigma);

/* noise_sigma() as in ComfyUI, in float32 throughout: half way between two timesteps the last bit decides. */
double noise_sigma_float(const Noise *n, double t);

/* The timestep of the nearest sigma by its logarithm in float32, the lower one of two; ComfyUI's. */
int noise_nearest(const Noise *n, double sigma);

#endif
