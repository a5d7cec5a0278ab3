/* seen_told.h - the UNet inputs that a model of seen.h gets from its picture. Internal to pipeline/. */
#ifndef LIMN_PIPELINE_SEEN_TOLD_H
#define LIMN_PIPELINE_SEEN_TOLD_H

#include "pipeline/generator.h"
#include "pipeline/seen.h"

/*
 * unCLIP: computes the picture's vector, once per generator; and, in a dry arena, the memory for it. Does nothing for others.
 * Error: damaged weights.
 */
void seen_measure(Generator *g);
int seen_encode(Generator *g, Err *e);

/*
 * Draws the noise on the input pictures of x.n pictures, each from its own generator before the latent's, as in diffusers: into
 * g->run.beside or g->run.label. Nothing for other models.
 */
void seen_draw(Generator *g, Tensor x, Rng *rng);

#endif
