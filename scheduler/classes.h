/*
 * classes.h - diffusers' scheduler classes: which keys of a scheduler_config.json each accepts, and its default for a key that
 * the file leaves out. Source: the constructors in diffusers 0.42's schedulers/; tests/test_classes.c compares the table with
 * them.
 */
#ifndef LIMN_SCHEDULER_CLASSES_H
#define LIMN_SCHEDULER_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "scheduler/noise.h"

/* Every key that a class below accepts, in the order of scheduler_keys[]. */
typedef enum {
    KEY_NUM_TRAIN_TIMESTEPS,
    KEY_BETA_START,
    KEY_BETA_END,
    KEY_BETA_SCHEDULE,
    KEY_TRAINED_BETAS,
    KEY_PREDICTION_TYPE,
    KEY_TIMESTEP_SPACING,
    KEY_STEPS_OFFSET,
    KEY_RESCALE_BETAS_ZERO_SNR,
    KEY_CLIP_SAMPLE,
    KEY_CLIP_SAMPLE_RANGE,
    KEY_SET_ALPHA_TO_ONE,
    KEY_THRESHOLDING,
    KEY_DYNAMIC_THRESHOLDING_RATIO,
    KEY_SAMPLE_MAX_VALUE,
    KEY_VARIANCE_TYPE,
    KEY_SKIP_PRK_STEPS,
    KEY_INTERPOLATION_TYPE,
    KEY_TIMESTEP_TYPE,
    KEY_USE_KARRAS_SIGMAS,
    KEY_USE_EXPONENTIAL_SIGMAS,
    KEY_USE_BETA_SIGMAS,
    KEY_USE_LU_LAMBDAS,
    KEY_USE_FLOW_SIGMAS,
    KEY_FLOW_SHIFT,
    KEY_USE_DYNAMIC_SHIFTING,
    KEY_TIME_SHIFT_TYPE,
    KEY_SHIFT_TERMINAL,
    KEY_SIGMA_MIN,
    KEY_SIGMA_MAX,
    KEY_FINAL_SIGMAS_TYPE,
    KEY_LAMBDA_MIN_CLIPPED,
    KEY_SOLVER_ORDER,
    KEY_SOLVER_TYPE,
    KEY_ALGORITHM_TYPE,
    KEY_LOWER_ORDER_FINAL,
    KEY_EULER_AT_FINAL,
    KEY_PREDICT_X0,
    KEY_DISABLE_CORRECTOR,
    KEY_SOLVER_P,
    KEY_PREDICTOR_ORDER,
    KEY_CORRECTOR_ORDER,
    KEY_TAU_FUNC,
    KEY_NOISE_SAMPLER_SEED,
    KEY_ORIGINAL_INFERENCE_STEPS,
    KEY_TIMESTEP_SCALING,
    KEY_SIGMA_DATA,
    KEY_SIGMA_SCHEDULE,
    KEY_RHO,
    KEY_S_NOISE,
    KEY_CLIP_DENOISED,
    KEY_SHIFT,
    KEY_BASE_SHIFT,
    KEY_MAX_SHIFT,
    KEY_BASE_IMAGE_SEQ_LEN,
    KEY_MAX_IMAGE_SEQ_LEN,
    KEY_INVERT_SIGMAS,
    KEY_STOCHASTIC_SAMPLING,
    KEY_COUNT
} SchedulerKey;

extern const char *const scheduler_keys[KEY_COUNT + 1]; /* ends with NULL */

#define KEY(name) (UINT64_C(1) << KEY_##name)

typedef struct {
    const char *name;    /* "EulerDiscreteScheduler" */
    const char *sampler; /* its row of samplers[], unless the file's keys choose a variant of it */
    BetaSchedule betas;
    double beta_start, beta_end;
    Spacing spacing;
    uint64_t keys;         /* that its constructor accepts */
    uint64_t idle;         /* those of them that its steps never read */
    bool clip_sample;      /* the defaults */
    bool set_alpha_to_one; /* where the class takes the key; else its steps end at 0 */
    bool lower_order_final;
    bool karras_range;  /* sigma_min and sigma_max apply to its karras sigmas too, whatever class wrote them */
    bool predicts_x0;   /* prediction_type "sample" is possible */
    NetworkKind kind;   /* other than NETWORK_DISCRETE: the noise is of this kind whatever class is run */
    BetaSchedule extra; /* a beta_schedule beyond the common three: the first of them; BETA_LINEAR: none */
} SchedulerClass;

extern const SchedulerClass scheduler_classes[]; /* ends with name NULL */

/*
 * The class of a file (of: its name, NULL: not given), and the one whose keys count. asked: the class to run, a name as in
 * SchedulerRun; NULL: the file's own. *file stays as it is where `of` is NULL. Error: a class that limn does not have; one that
 * is for a network of another kind.
 */
int scheduler_choose(const SchedulerClass **file, const SchedulerClass **run, const char *of, const char *asked,
                     Err *e);

/* NULL when there is none of that name. */
const SchedulerClass *scheduler_class_find(const char *name);

/* The key's place in scheduler_keys[], or KEY_COUNT. */
SchedulerKey scheduler_key_find(const char *name);

/* What a diffusers pipeline's constructor changes in its scheduler, whatever the file says. */
typedef struct {
    const char *name;    /* "StableDiffusionPipeline" */
    bool steps_offset;   /* becomes 1 */
    bool clip_sample;    /* becomes false */
    bool skip_prk_steps; /* becomes true */
} PipelineChanges;

/* The changes of a pipeline's class; NULL and names that are not listed change nothing. */
const PipelineChanges *pipeline_changes(const char *name);

#endif
