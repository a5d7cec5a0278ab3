/* control_unit.h - a line of --control and the like as a unit of A1111's ControlNet extension, for its `parameters` text. */
#ifndef LIMN_PIPELINE_CONTROL_UNIT_H
#define LIMN_PIPELINE_CONTROL_UNIT_H

#include <stdbool.h>

#include "base/str.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/* The i-th of all lines. Appends "Module: canny, Model: x [d14c016b], Weight: 1, ..."; false: there are no more. */
bool control_unit_text(const Job *j, const Model *m, int i, Str *out);

#endif
