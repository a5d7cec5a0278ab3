/*
 * refine.h - a second model that takes over before the end of a run, with the same latent and noise: SDXL's refiner, or any expert
 * for low noise (Balaji et al. 2022, arXiv:2211.01324). Internal to pipeline/.
 *
 * Where it takes over, by the tool that is followed: diffusers (denoising_end, denoising_start) counts timesteps and runs the scheduler
 * anew from there; ComfyUI (end_at_step, start_at_step) counts steps and does the same; A1111 asks before each call of the network how
 * far the run is, and lets the sampler go on.
 */
#ifndef LIMN_PIPELINE_REFINE_H
#define LIMN_PIPELINE_REFINE_H

#include "pipeline/generator.h"

/* --refiner-at where it is not given. */
#define REFINER_AT 0.8

/*
 * The second model's generator and the step at which it begins, into g, and its hash into the job; nothing where that has no --refiner, or where
 * a second pass (hires.h) will have it. To be called when g's
 * own memory is reserved. Error: the two models have not the same latents, or the sampler cannot be parted.
 */
int refine_begin(Generator *g, Err *e);
void refine_end(Generator *g);

/* Returns whether b can go on with a's latents. Error: what differs. */
int refine_fits(const Model *a, const Model *b, Err *e);

/* What its pictures need of it: the prompts' embeddings, in its arena. Before it takes over in a run of these requests. */
int refine_prepare(Generator *g, const Request *requests, int n, Err *e);

/* After the run: its memory goes back. Error: its weights are damaged, or its file was changed. */
int refine_finish(Generator *g, Err *e);

/* --compat a1111: whether the second model is to answer a call at timestep t. */
bool refine_due(const Generator *g, float t);

#endif
