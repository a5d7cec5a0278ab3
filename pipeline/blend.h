/*
 * blend.h - a prompt on the way to another one (--blend-prompt, --blend): between the two embeddings, in a straight line, as diffusers'
 * community pipeline interpolate_stable_diffusion goes (torch.lerp). Internal to pipeline/.
 */
#ifndef LIMN_PIPELINE_BLEND_H
#define LIMN_PIPELINE_BLEND_H

#include "pipeline/generator.h"

/* How far, for a request: its own share, or the job's. NULL (a dry pass): somewhere between, where the job has a second prompt. */
double blend_share(const Generator *g, const Request *request);

/*
 * g->run's embeddings of n pictures' prompts go as far as their requests say to the job's --blend-prompt; the negative prompts stay. Nothing
 * where there is none. requests NULL: a dry pass. Error: it needs another number of rows of tokens than the prompt.
 */
int blend_prompts(Generator *g, const Prompts *const *prompts, const Request *requests, int n, Err *e);

#endif
