/* classes.c - see classes.h: the tables. */
#include "scheduler/classes.h"

#include "scheduler/config.h"

#include <stddef.h>
#include <string.h>

const char *const scheduler_keys[KEY_COUNT + 1] = {
    [KEY_NUM_TRAIN_TIMESTEPS] = "num_train_timesteps",
    [KEY_BETA_START] = "beta_start",
    [KEY_BETA_END] = "beta_end",
    [KEY_BETA_SCHEDULE] = "beta_schedule",
    [KEY_TRAINED_BETAS] = "trained_betas",
    [KEY_PREDICTION_TYPE] = "prediction_type",
    [KEY_TIMESTEP_SPACING] = "timestep_spacing",
    [KEY_STEPS_OFFSET] = "steps_offset",
    [KEY_RESCALE_BETAS_ZERO_SNR] = "rescale_betas_zero_snr",
    [KEY_CLIP_SAMPLE] = "clip_sample",
    [KEY_CLIP_SAMPLE_RANGE] = "clip_sample_range",
    [KEY_SET_ALPHA_TO_ONE] = "set_alpha_to_one",
    [KEY_THRESHOLDING] = "thresholding",
    [KEY_DYNAMIC_THRESHOLDING_RATIO] = "dynamic_thresholding_ratio",
    [KEY_SAMPLE_MAX_VALUE] = "sample_max_value",
    [KEY_VARIANCE_TYPE] = "variance_type",
    [KEY_SKIP_PRK_STEPS] = "skip_prk_steps",
    [KEY_INTERPOLATION_TYPE] = "interpolation_type",
    [KEY_TIMESTEP_TYPE] = "timestep_type",
    [KEY_USE_KARRAS_SIGMAS] = "use_karras_sigmas",
    [KEY_USE_EXPONENTIAL_SIGMAS] = "use_exponential_sigmas",
    [KEY_USE_BETA_SIGMAS] = "use_beta_sigmas",
    [KEY_USE_LU_LAMBDAS] = "use_lu_lambdas",
    [KEY_USE_FLOW_SIGMAS] = "use_flow_sigmas",
    [KEY_FLOW_SHIFT] = "flow_shift",
    [KEY_USE_DYNAMIC_SHIFTING] = "use_dynamic_shifting",
    [KEY_TIME_SHIFT_TYPE] = "time_shift_type",
    [KEY_SHIFT_TERMINAL] = "shift_terminal",
    [KEY_SIGMA_MIN] = "sigma_min",
    [KEY_SIGMA_MAX] = "sigma_max",
    [KEY_FINAL_SIGMAS_TYPE] = "final_sigmas_type",
    [KEY_LAMBDA_MIN_CLIPPED] = "lambda_min_clipped",
    [KEY_SOLVER_ORDER] = "solver_order",
    [KEY_SOLVER_TYPE] = "solver_type",
    [KEY_ALGORITHM_TYPE] = "algorithm_type",
    [KEY_LOWER_ORDER_FINAL] = "lower_order_final",
    [KEY_EULER_AT_FINAL] = "euler_at_final",
    [KEY_PREDICT_X0] = "predict_x0",
    [KEY_DISABLE_CORRECTOR] = "disable_corrector",
    [KEY_SOLVER_P] = "solver_p",
    [KEY_PREDICTOR_ORDER] = "predictor_order",
    [KEY_CORRECTOR_ORDER] = "corrector_order",
    [KEY_TAU_FUNC] = "tau_func",
    [KEY_NOISE_SAMPLER_SEED] = "noise_sampler_seed",
    [KEY_ORIGINAL_INFERENCE_STEPS] = "original_inference_steps",
    [KEY_TIMESTEP_SCALING] = "timestep_scaling",
    [KEY_SIGMA_DATA] = "sigma_data",
    [KEY_SIGMA_SCHEDULE] = "sigma_schedule",
    [KEY_RHO] = "rho",
    [KEY_S_NOISE] = "s_noise",
    [KEY_CLIP_DENOISED] = "clip_denoised",
    [KEY_SHIFT] = "shift",
    [KEY_BASE_SHIFT] = "base_shift",
    [KEY_MAX_SHIFT] = "max_shift",
    [KEY_BASE_IMAGE_SEQ_LEN] = "base_image_seq_len",
    [KEY_MAX_IMAGE_SEQ_LEN] = "max_image_seq_len",
    [KEY_INVERT_SIGMAS] = "invert_sigmas",
    [KEY_STOCHASTIC_SAMPLING] = "stochastic_sampling",
};

/* What every class takes; then what some do. */
#define COMMON                                                                                                         \
    (KEY(NUM_TRAIN_TIMESTEPS) | KEY(BETA_START) | KEY(BETA_END) | KEY(BETA_SCHEDULE) | KEY(TRAINED_BETAS) |            \
     KEY(PREDICTION_TYPE))
#define SPACED    (COMMON | KEY(TIMESTEP_SPACING) | KEY(STEPS_OFFSET))
#define ZERO_SNR  KEY(RESCALE_BETAS_ZERO_SNR)
#define CLIP      (KEY(CLIP_SAMPLE) | KEY(CLIP_SAMPLE_RANGE))
#define THRESHOLD (KEY(THRESHOLDING) | KEY(DYNAMIC_THRESHOLDING_RATIO) | KEY(SAMPLE_MAX_VALUE))
#define SIGMAS    (KEY(USE_KARRAS_SIGMAS) | KEY(USE_EXPONENTIAL_SIGMAS) | KEY(USE_BETA_SIGMAS))
#define FLOW      (KEY(USE_FLOW_SIGMAS) | KEY(FLOW_SHIFT))
#define SHIFTING  (KEY(USE_DYNAMIC_SHIFTING) | KEY(TIME_SHIFT_TYPE))
#define RANGE     (KEY(SIGMA_MIN) | KEY(SIGMA_MAX))
#define SOLVER    (KEY(SOLVER_ORDER) | KEY(SOLVER_TYPE) | KEY(LOWER_ORDER_FINAL))
#define LAMBDA    (KEY(LAMBDA_MIN_CLIPPED) | KEY(VARIANCE_TYPE))
#define DISTILLED                                                                                                      \
    (CLIP | THRESHOLD | ZERO_SNR | KEY(SET_ALPHA_TO_ONE) | KEY(ORIGINAL_INFERENCE_STEPS) | KEY(TIMESTEP_SCALING))

#define EDM                                                                                                            \
    (KEY(NUM_TRAIN_TIMESTEPS) | KEY(PREDICTION_TYPE) | RANGE | KEY(SIGMA_DATA) | KEY(SIGMA_SCHEDULE) | KEY(RHO) |      \
     KEY(FINAL_SIGMAS_TYPE))

/* Of which those for a shift by the picture's size are of no effect without use_dynamic_shifting. */
#define FLOW_IDLE                                                                                                      \
    (KEY(BASE_SHIFT) | KEY(MAX_SHIFT) | KEY(BASE_IMAGE_SEQ_LEN) | KEY(MAX_IMAGE_SEQ_LEN) | KEY(TIME_SHIFT_TYPE))

#define DDPM_BETAS BETA_LINEAR, 0.0001, 0.02 /* Ho et al.'s, the default of most classes */
#define LINEAR_SD  BETA_LINEAR, 0.00085, 0.012
#define SCALED_SD  BETA_SCALED_LINEAR, 0.00085, 0.012

/* clang-format off */
const SchedulerClass scheduler_classes[] = {
    { "DDIMScheduler", "ddim", DDPM_BETAS, SPACING_LEADING,
      .keys = SPACED | ZERO_SNR | CLIP | THRESHOLD | KEY(SET_ALPHA_TO_ONE),
      .clip_sample = true, .set_alpha_to_one = true, .predicts_x0 = true },
    { "DDPMScheduler", "ddpm", DDPM_BETAS, SPACING_LEADING,
      .keys = SPACED | ZERO_SNR | CLIP | THRESHOLD | KEY(VARIANCE_TYPE),
      .clip_sample = true, .set_alpha_to_one = true, .predicts_x0 = true, .extra = BETA_LAPLACE },
    { "PNDMScheduler", "plms", DDPM_BETAS, SPACING_LEADING,
      .keys = SPACED | KEY(SKIP_PRK_STEPS) | KEY(SET_ALPHA_TO_ONE) },
    { "EulerDiscreteScheduler", "euler", DDPM_BETAS, SPACING_LINSPACE,
      .keys = SPACED | ZERO_SNR | SIGMAS | RANGE | KEY(INTERPOLATION_TYPE) | KEY(TIMESTEP_TYPE) | KEY(FINAL_SIGMAS_TYPE),
      .karras_range = true, .predicts_x0 = true },
    { "EulerAncestralDiscreteScheduler", "euler_ancestral", DDPM_BETAS, SPACING_LINSPACE,
      .keys = SPACED | ZERO_SNR },
    { "LMSDiscreteScheduler", "lms", DDPM_BETAS, SPACING_LINSPACE,
      .keys = SPACED | SIGMAS, .predicts_x0 = true },
    { "HeunDiscreteScheduler", "heun", LINEAR_SD, SPACING_LINSPACE,
      .keys = SPACED | SIGMAS | CLIP, .karras_range = true, .predicts_x0 = true, .extra = BETA_EXP },
    { "KDPM2DiscreteScheduler", "dpm_2", LINEAR_SD, SPACING_LINSPACE,
      .keys = SPACED | SIGMAS, .karras_range = true },
    { "KDPM2AncestralDiscreteScheduler", "dpm_2_ancestral", LINEAR_SD, SPACING_LINSPACE,
      .keys = SPACED | SIGMAS, .karras_range = true },
    { "DPMSolverMultistepScheduler", "dpmpp_2m", DDPM_BETAS, SPACING_LINSPACE,
      .keys = SPACED | ZERO_SNR | SIGMAS | THRESHOLD | FLOW | SHIFTING | SOLVER | LAMBDA | KEY(USE_LU_LAMBDAS) | KEY(FINAL_SIGMAS_TYPE) |
          KEY(ALGORITHM_TYPE) | KEY(EULER_AT_FINAL),
      .idle = SHIFTING, .lower_order_final = true, .karras_range = true, .predicts_x0 = true },
    { "DPMSolverSinglestepScheduler", "dpmpp_2s", DDPM_BETAS, SPACING_LINSPACE,
      .keys = COMMON | SIGMAS | THRESHOLD | FLOW | SHIFTING | SOLVER | LAMBDA | KEY(FINAL_SIGMAS_TYPE) | KEY(ALGORITHM_TYPE),
      .idle = SHIFTING, .karras_range = true, .predicts_x0 = true },
    { "DPMSolverSDEScheduler", "dpmpp_sde", LINEAR_SD, SPACING_LINSPACE,
      .keys = SPACED | SIGMAS | KEY(NOISE_SAMPLER_SEED) },
    { "DEISMultistepScheduler", "deis", DDPM_BETAS, SPACING_LINSPACE,
      .keys = SPACED | SIGMAS | THRESHOLD | FLOW | SHIFTING | SOLVER | KEY(ALGORITHM_TYPE), .idle = SHIFTING,
      .lower_order_final = true, .karras_range = true, .predicts_x0 = true },
    { "UniPCMultistepScheduler", "unipc", DDPM_BETAS, SPACING_LINSPACE,
      .keys = SPACED | ZERO_SNR | SIGMAS | RANGE | THRESHOLD | FLOW | SHIFTING | SOLVER | KEY(SHIFT_TERMINAL) | KEY(FINAL_SIGMAS_TYPE) |
          KEY(PREDICT_X0) | KEY(DISABLE_CORRECTOR) | KEY(SOLVER_P),
      .idle = KEY(TIME_SHIFT_TYPE), .lower_order_final = true, .karras_range = true, .predicts_x0 = true },
    { "SASolverScheduler", "sa_solver", DDPM_BETAS, SPACING_LINSPACE,
      .keys = SPACED | SIGMAS | THRESHOLD | FLOW | LAMBDA | KEY(ALGORITHM_TYPE) | KEY(LOWER_ORDER_FINAL) | KEY(PREDICTOR_ORDER) |
          KEY(CORRECTOR_ORDER) | KEY(TAU_FUNC), .lower_order_final = true, .karras_range = true, .predicts_x0 = true },
    { "LCMScheduler", "lcm", SCALED_SD, SPACING_LEADING,
      .keys = SPACED | DISTILLED, .idle = KEY(TIMESTEP_SPACING) | KEY(STEPS_OFFSET) | KEY(SET_ALPHA_TO_ONE),
      .set_alpha_to_one = true, .predicts_x0 = true },
    { "TCDScheduler", "tcd", SCALED_SD, SPACING_LEADING,
      .keys = SPACED | DISTILLED,
      .idle = KEY(TIMESTEP_SPACING) | KEY(STEPS_OFFSET) | KEY(SET_ALPHA_TO_ONE) | KEY(TIMESTEP_SCALING) | CLIP | THRESHOLD,
      .set_alpha_to_one = true, .predicts_x0 = true },
    { "EDMEulerScheduler", "euler", DDPM_BETAS, SPACING_LINSPACE, .keys = EDM, .kind = NETWORK_EDM },
    { "EDMDPMSolverMultistepScheduler", "dpmpp_2m", DDPM_BETAS, SPACING_LINSPACE,
      .keys = EDM | THRESHOLD | SOLVER | KEY(ALGORITHM_TYPE) | KEY(EULER_AT_FINAL), .lower_order_final = true, .kind = NETWORK_EDM },
    { "CMStochasticIterativeScheduler", "cm", DDPM_BETAS, SPACING_LINSPACE,
      .keys = KEY(NUM_TRAIN_TIMESTEPS) | RANGE | KEY(SIGMA_DATA) | KEY(RHO) | KEY(S_NOISE) | KEY(CLIP_DENOISED),
      .kind = NETWORK_CONSISTENCY },
    { "FlowMatchEulerDiscreteScheduler", "flow_euler", DDPM_BETAS, SPACING_LINSPACE,
      .keys = KEY(NUM_TRAIN_TIMESTEPS) | SIGMAS | KEY(SHIFT) | KEY(USE_DYNAMIC_SHIFTING) | KEY(SHIFT_TERMINAL) |
          KEY(INVERT_SIGMAS) | KEY(STOCHASTIC_SAMPLING) | FLOW_IDLE,
      .idle = FLOW_IDLE, .kind = NETWORK_FLOW },
    { SCHEDULER_RECTIFIED, "flow_euler", DDPM_BETAS, SPACING_LINSPACE, .keys = KEY(NUM_TRAIN_TIMESTEPS), .kind = NETWORK_FLOW },
    { 0 },
};
/* clang-format on */

const SchedulerClass *scheduler_class_find(const char *name)
{
    for (const SchedulerClass *c = scheduler_classes; name && c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

SchedulerKey scheduler_key_find(const char *name)
{
    for (SchedulerKey k = 0; k < KEY_COUNT; k++)
        if (strcmp(scheduler_keys[k], name) == 0) return k;
    return KEY_COUNT;
}

/* The constructors in diffusers 0.42's pipelines/; those of SD XL, ControlNet, pix2pix and LCM leave the scheduler as it is. */
static const PipelineChanges pipelines[] = {
    { "StableDiffusionPipeline", true, true, false },
    { "StableDiffusionImg2ImgPipeline", true, true, false },
    { "StableDiffusionInpaintPipeline", true, false, true },
    { "StableDiffusionPAGPipeline", true, true, false },
    { "StableDiffusionPAGImg2ImgPipeline", true, true, false },
    { "StableDiffusionPAGInpaintPipeline", true, true, false },
    { "StableDiffusionPipelineSafe", true, true, false },
    { "OnnxStableDiffusionPipeline", true, true, false },
};

const PipelineChanges *pipeline_changes(const char *name)
{
    static const PipelineChanges none = { 0 };
    for (size_t i = 0; name && i < sizeof pipelines / sizeof *pipelines; i++)
        if (strcmp(pipelines[i].name, name) == 0) return &pipelines[i];
    return &none;
}
