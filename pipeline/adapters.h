/* adapters.h - --lora: a model's adapters, laid over its networks between runs. */
#ifndef LIMN_PIPELINE_ADAPTERS_H
#define LIMN_PIPELINE_ADAPTERS_H

#include "base/err.h"
#include "pipeline/model.h"

/* One line of --lora: "FILE[:WEIGHT[:TEXT_WEIGHT]]". False: a weight is no number. file: heap. */
bool adapters_split(const char *line, char **file, double *weight, double *text_weight);

/*
 * The model's adapters become those of these lines (NULL: none); what was laid over it before is taken off. The same lines again cost
 * nothing. Returns whether anything changed, so that what was computed before is out of date; -1: error, then none is laid.
 */
int adapters_use(Model *m, const char *lines, Err *e);
void adapters_drop(Model *m); /* model_free()'s part */

#endif
