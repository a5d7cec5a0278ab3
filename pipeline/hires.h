/*
 * hires.h - a second pass at a larger size (--hires): A1111's hires fix. The first pass's latent, or its picture, is enlarged,
 * noise of the same seed is added, and the last steps of a longer schedule are run, --hires-steps of them. A --refiner takes over
 * in this pass (A1111's hires_fix_refiner_pass as it comes); a --trace has its numbers behind "hires.". Internal to pipeline/.
 * Source: A1111's modules/processing.py, StableDiffusionProcessingTxt2Img.sample_hr_pass().
 */
#ifndef LIMN_PIPELINE_HIRES_H
#define LIMN_PIPELINE_HIRES_H

#include "pipeline/generator.h"

/* Returns whether the job has a second pass. */
static inline bool hires_wanted(const Job *j) { return j->hires > 1; }

/*
 * Makes the second pass's generator in g, and puts its choices into g's job; does nothing if the job has no --hires. asked: the
 * job with its open options. To be called before g's own memory is reserved. Error: an impossible size, a network that cannot be
 * read, options that cannot be combined.
 */
int hires_begin(Generator *g, const Job *asked, Err *e);
void hires_end(Generator *g);

/* Replaces out's prompts by the second pass's own, if said has them; both text encoders of SDXL read them. */
void hires_prompts(Job *out, const Job *said);
/* Whether a picture of the job has prompts that fit into g's second pass, as generator_takes(). */
bool hires_takes(const Generator *g, const Job *j);

/* The second pass over the first one's latents x [n, h, w, c], in g's arena: pictures. */
int hires_run(Generator *g, const Request *requests, Tensor x, Picture *out, Err *e);

/* generator_memory() of the second pass, where the job asks for one: the first one's memory is given back by then. */
size_t hires_memory(const Generator *g, int batch);

#endif
