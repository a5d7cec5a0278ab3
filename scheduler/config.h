/*
 * config.h - scheduler_config.json, as diffusers 0.42 reads it: X.from_config(file) for a class X, whatever class the file is of.
 *
 * A key counts if X accepts it. A key that the file leaves out, or lists in _use_default_values, has X's default. A key of other
 * classes is ignored; one that no class accepts is skipped and listed in Noise.passed_over; a value that limn cannot honour is
 * refused, with the key's name.
 */
#ifndef LIMN_SCHEDULER_CONFIG_H
#define LIMN_SCHEDULER_CONFIG_H

#include "base/err.h"
#include "base/file.h"
#include "scheduler/noise.h"

typedef struct {
    Bytes json;
    const char *where; /* for messages: the file's path */
    const char
        *of; /* the scheduler's class in model_index.json, which counts more than the file's; NULL: the file's own */
    const char *pipeline; /* the pipeline's class, whose constructor may change a few keys; NULL: it changes none */
} SchedulerFile;

/* Not a class of diffusers: a sampler that only k-diffusion and tools like it have, with the model's own noise. */
#define SCHEDULER_KDIFFUSION "k-diffusion"

/* Not diffusers at all: the settings of the model's training in the file, or Stable Diffusion's where it has none. */
#define SCHEDULER_TRAINING "training"

/* Not diffusers': InstaFlow's RectifiedFlowPipeline steps itself, whatever its scheduler's file says. */
#define SCHEDULER_RECTIFIED "RectifiedFlow"

/* What is run. */
typedef struct {
    const char *name; /* a class of scheduler_classes[], or one of the two above; NULL: the file's own */
    bool
        named; /* the solver's order and algorithm are said, as X.from_config(file, solver_order=..., algorithm_type=...) */
    Algorithm algorithm; /* then */
} SchedulerRun;

/*
 * The noise of a model for the class to run; NULL: the file's own class. What the
 * pipeline's constructor changes, it changes in the file's own class, so that a class put in its place has the changes of the
 * keys that the file has, and its own defaults for the others, as pipe.scheduler = X.from_config(pipe.scheduler.config) has.
 * Error: a class, key or value that limn cannot honour, broken JSON. noise_release() it also after an error.
 */
int scheduler_read(Noise *n, const SchedulerFile *f, const SchedulerRun *run, Err *e);

#endif
