/*
 * deepcache.h - DeepCache: of every N steps one runs the whole UNet, the others only its outermost part, with what the deeper ones made
 * then. Ma et al. 2023, arXiv:2312.00858. Each branch of a step has a cache of its own; an evaluation for which one is not there yet is
 * a whole one. Steps are counted, not evaluations: where a sampler evaluates twice in a step, both are whole, or neither.
 */
#ifndef LIMN_PIPELINE_DEEPCACHE_H
#define LIMN_PIPELINE_DEEPCACHE_H

#include "pipeline/generator.h"

bool deepcache_on(const Generator *g);

/* Room in the arena for a run of latents x; nothing is there yet. */
void deepcache_begin(Generator *g, Tensor x);

/* A teller of told.c; and after the forward, keeps what a whole one left. */
void deepcache_tell(const Generator *g, const Evaluation *ev, UNetInputs *in);
void deepcache_keep(Generator *g, const Evaluation *ev, const UNetInputs *in);

#endif
