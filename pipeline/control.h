/*
 * control.h - what steers the UNet beside the prompt: ControlNets, T2I-Adapters and IP-Adapters, and the pictures that they go by.
 * A part of the numbered steps of generate.h; internal to pipeline/.
 */
#ifndef LIMN_PIPELINE_CONTROL_H
#define LIMN_PIPELINE_CONTROL_H

#include "pipeline/controls.h"
#include "pipeline/generator.h"

/* 1. The recipe's lines and their networks, which controls_use() has opened. */
int control_begin(Generator *g, Err *e);
/* Their pictures at the size drawn; the recipe's job is told their SHA-256. Error: what is wrong with them. */
int control_read(Generator *g, Err *e);
void control_release(Generator *g);

/* What does not depend on the step: in a dry arena, and for good. */
void control_measure(Generator *g);
int control_encode(Generator *g, Err *e);

/* 3. What depends on a run's prompts; and a teller of told.c, which comes last: ControlNets are told what is told already. */
void control_prepare(Generator *g);
void control_tell(const Generator *g, const Evaluation *ev, UNetInputs *in);
void control_key(const Generator *g, CacheKey *key);

#endif
