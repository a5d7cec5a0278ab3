/*
 * blend.h - interpolation to another prompt (--blend-prompt, --blend): linear between the two embeddings, as diffusers'
 * community pipeline interpolate_stable_diffusion (torch.lerp). Internal to pipeline/.
 */
#ifndef LIMN_PIPELINE_BLEND_H
#define LIMN_PIPELINE_BLEND_H

#include "pipeline/generator.h"

/* The share for a request: its own, or the job's. NULL (a dry pass): any value between, if the job has a second prompt. */
double blend_share(const Generator *g, const Request *request);

/*
 * Moves g->run's embeddings of n pictures' prompts towards the job's --blend-prompt by their requests' shares; the negative
 * prompts stay. Does nothing if there is none. requests NULL: a dry pass. Error: it needs another number of token rows than the
 * prompt.
 */
int blend_prompts(Generator *g, const Prompts *const *prompts, const Request *requests, int n, Err *e);

#endif
