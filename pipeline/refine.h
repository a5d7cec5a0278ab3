/*
 * refine.h - a second model that takes over before the end of a run, with the same latent and noise: SDXL's refiner, or any
 * expert for low noise (Balaji et al. 2022, arXiv:2211.01324). Internal to pipeline/.
 *
 * When it takes over depends on the tool to follow: diffusers (denoising_end, denoising_start) counts timesteps and runs the
 * scheduler anew from there; ComfyUI (end_at_step, start_at_step) counts steps and does the same; A1111 checks before each call
 * of the network how far the run is, and the sampler continues.
 */
#ifndef LIMN_PIPELINE_REFINE_H
#define LIMN_PIPELINE_REFINE_H

#include "pipeline/generator.h"

/* The default of --refiner-at. */
#define REFINER_AT 0.8

/*
 * Puts the second model's generator and its first step into g, and its hash into the job; does nothing if the job has no
 * --refiner, or if a second pass (hires.h) uses it. To be called when g's own memory is reserved. Error: the two models do not
 * have the same latents, or the sampler cannot be split.
 */
int refine_begin(Generator *g, Err *e);
void refine_end(Generator *g);

/* 0 if b can continue with a's latents. Error: what differs. */
int refine_fits(const Model *a, const Model *b, Err *e);

/* Computes the prompts' embeddings in the second model's arena, before it takes over in a run of these requests. */
int refine_prepare(Generator *g, const Request *requests, int n, Err *e);

/* Frees its memory after the run. Error: its weights are damaged, or its file was changed. */
int refine_finish(Generator *g, Err *e);

/* --compat a1111: returns whether the second model handles a call at timestep t. */
bool refine_due(const Generator *g, float t);

#endif
