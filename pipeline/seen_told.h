/* seen_told.h - what a model of seen.h is told of its picture. Internal to pipeline/. */
#ifndef LIMN_PIPELINE_SEEN_TOLD_H
#define LIMN_PIPELINE_SEEN_TOLD_H

#include "pipeline/generator.h"
#include "pipeline/seen.h"

/*
 * unCLIP: the picture's vector, once a generator; and, in a dry arena, what that takes. Nothing for others. Error:
 * damaged weights.
 */
void seen_measure(Generator *g);
int seen_encode(Generator *g, Err *e);

/*
 * The noise on what is seen of x.n pictures, each from its own generator before the latent's, as diffusers draws: into g->run.beside or
 * g->run.label. Nothing for other models.
 */
void seen_draw(Generator *g, Tensor x, Rng *rng);

#endif
