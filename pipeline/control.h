/*
 * control.h - the conditioning of the UNet other than the prompt: ControlNets, T2I-Adapters and IP-Adapters, and their pictures.
 * A part of the numbered steps of generate.h; internal to pipeline/.
 */
#ifndef LIMN_PIPELINE_CONTROL_H
#define LIMN_PIPELINE_CONTROL_H

#include "pipeline/controls.h"
#include "pipeline/generator.h"

/* 1. The recipe's lines and their networks, which controls_use() has opened. */
int control_begin(Generator *g, Err *e);
/* Reads their pictures at the picture's size; puts their SHA-256 into the recipe's job. Error: what is wrong with them. */
int control_read(Generator *g, Err *e);
void control_release(Generator *g);

/* Computes what does not depend on the step: in a dry arena, and for real. */
void control_measure(Generator *g);
int control_encode(Generator *g, Err *e);

/*
 * 3. Computes what depends on a run's prompts; and a teller of told.c, the last one, since ControlNets get the UNet's other
 * inputs.
 */
void control_prepare(Generator *g);
void control_tell(const Generator *g, const Evaluation *ev, UNetInputs *in);
void control_key(const Generator *g, CacheKey *key);

#endif
