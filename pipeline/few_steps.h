/*
 * few_steps.h - recognises models and adapters that were distilled to draw in a few steps, and gives their settings.
 *
 * They have the shapes of the models that they were distilled from (except a network with a guidance input: LCM). The class of
 * the scheduler identifies some, the name of the file the others.
 */
#ifndef LIMN_PIPELINE_FEW_STEPS_H
#define LIMN_PIPELINE_FEW_STEPS_H

#include <stdbool.h>

#include "base/file.h"
#include "base/str.h"
#include "scheduler/compat.h"

typedef struct {
    const char *what;      /* "SDXL-Lightning"; NULL: nothing says that it is such a model */
    const char *by;        /* how it was recognised: "its name" */
    const char *sampler;   /* rows of the tables */
    const char *schedule;  /* NULL: the model's own */
    const char *elsewhere; /* that schedule in A1111's and ComfyUI's tables */
    int steps;
    bool exact;            /* made for exactly that number of steps, which is in its name */
    double cfg_scale;      /* 1: without guidance */
    double eta;            /* 0: the sampler's own */
    int side;              /* pixels that it was trained at, if they differ from its UNet's config; 0 */
    const char *timesteps; /* its timesteps, if no schedule has them; NULL */
} FewSteps;

/*
 * By the name of a file or folder, or a path with it (the hub's cache has the name above the folder). adapter: of a LoRA's file.
 */
FewSteps few_steps_named(const char *name, bool adapter);

/*
 * Of an adapter's file, by its name; where that says nothing (pytorch_lora_weights), by its folder's; or by the
 * trainer's name in it.
 */
FewSteps few_steps_of_adapter(const char *path, Bytes file);

/* scheduler: the class of the folder's scheduler, or NULL; told: the UNet has a guidance input (time_cond_proj_dim). */
FewSteps few_steps_of_model(const char *path, const char *scheduler, bool told);

/* The schedule that suits it under that tool's rules; NULL: the usual one. */
const char *few_steps_schedule(const FewSteps *f, Compat compat);

/* "SDXL-Lightning, by its name: euler, trailing, 4 steps, no guidance" */
void few_steps_line(const FewSteps *f, Str *out);

#endif
