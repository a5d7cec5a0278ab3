/* control_when.h - in which steps a control counts: start= and end=, as each tool has it. */
#ifndef LIMN_PIPELINE_CONTROL_WHEN_H
#define LIMN_PIPELINE_CONTROL_WHEN_H

#include "pipeline/control_line.h"
#include "pipeline/generator.h"

/* Returns whether it counts in the call of the network that is being made; in a dry arena always. */
bool control_active(const Generator *g, const ControlLine *l, const Evaluation *ev);

#endif
