/*
 * verdict.h - what to use: the cheapest sampler, schedule and steps whose pictures are within the target on each seed and prompt
 * that was tried, and the model's default. Where cells are measured against one of themselves, or differ in nothing but what
 * they show, there is none.
 */
#ifndef LIMN_COMPARE_VERDICT_H
#define LIMN_COMPARE_VERDICT_H

#include "compare/conclude.h"

/* Finds the candidates, and adds the section that says which to use. */
void verdict_add(Conclusions *k, const Comparison *c);

/* "PSNR 35 dB or more": what --target asks for. */
void verdict_target(Str *out, const char *target);

#endif
