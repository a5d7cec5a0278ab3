/*
 * noise.h - how a model was trained to be noisy: betas, the sigma of every timestep, what the network predicts.
 * From diffusers' scheduler_config.json; sigma = sqrt((1 - alphas_cumprod) / alphas_cumprod), x = x0 + sigma * noise.
 */
#ifndef LIMN_SCHEDULER_NOISE_H
#define LIMN_SCHEDULER_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

typedef enum { BETA_LINEAR, BETA_SCALED_LINEAR, BETA_SQUAREDCOS } BetaSchedule;
typedef enum { PREDICT_EPSILON, PREDICT_V, PREDICT_SAMPLE } Prediction;
typedef enum { SPACING_LEADING, SPACING_TRAILING, SPACING_LINSPACE } Spacing;

enum { NOISE_MAX_TIMESTEPS = 10000 };

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
    double clip_sample; /* ddim, heun, lcm: x0 is held in -clip .. clip; 0: it is not */
    int lcm_steps;      /* original_inference_steps: the timesteps that an LCM was distilled on */
    double lcm_scaling; /* timestep_scaling of its boundary condition */

    char sampler
        [64]; /* the scheduler's class, or a row of samplers[]; for sampler_find(); "" when the file names none */
    const char *schedule; /* the row of schedules[] that the file asks for: "model", "karras", ... */
    int order;            /* solver_order; 0: the sampler's own */
    bool heun;            /* solver_type "heun" */
    bool keep_order;      /* lower_order_final false, in a class whose default is true */
    bool has_tree_seed;   /* noise_sampler_seed: the seed of dpmpp_sde's Brownian tree, whatever the picture's */
    uint64_t tree_seed;

    double *alphas_cumprod; /* [timesteps], as torch rounds them */
    double *sigmas;         /* [timesteps], rising */
} Noise;

/* Stable Diffusion's: 1000 steps, scaled_linear 0.00085..0.012, epsilon, leading, offset 1. noise_build() comes after. */
void noise_defaults(Noise *n);

/*
 * Reads scheduler_config.json over the defaults: any scheduler class of diffusers; absent keys have the defaults of the
 * class. Options that only steer a class' own solver are skipped, since limn's samplers have their own settings. Error:
 * a class, key or value that would change the picture and is not supported (flow matching, thresholding, ...);
 * noise_release() is due all the same.
 */
int noise_read(Noise *n, Bytes json, Err *e);

/* "epsilon" | "v_prediction" | "sample"; Error: another word. */
int prediction_parse(Prediction *p, const char *text, Err *e);

/*
 * Computes the tables after the fields were set, in float32 and in torch's order, so that sigmas have diffusers' digits.
 * Error: a field out of range, betas that leave no noise.
 */
int noise_build(Noise *n, Err *e);
void noise_release(Noise *n);

/* Between timesteps log sigma is interpolated (k-diffusion's DiscreteSchedule); t is clamped to the trained range. */
double noise_sigma(const Noise *n, double t);
double noise_timestep(const Noise *n, double sigma);

#endif
