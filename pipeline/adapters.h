/* adapters.h - a model's adapters (LoRA and its kin), laid over its networks between runs: those that a job wants (loras.h). */
#ifndef LIMN_PIPELINE_ADAPTERS_H
#define LIMN_PIPELINE_ADAPTERS_H

#include "base/err.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/watch.h"

/*
 * The model's adapters become those of the job; what was laid over it before is taken off. The same ones again cost nothing; other
 * weights read the adapters' files again, never the model's. What is passed over is told. Returns whether anything changed, so that
 * what was computed before is out of date; -1: error, then none is laid.
 */
int adapters_use(Model *m, const Job *j, const Watch *w, Err *e);
void adapters_drop(Model *m); /* model_free()'s part */

/* "ink, 264 matrices and 0 vectors", a line each, for a person; heap. NULL: none is laid. */
char *adapters_words(const Model *m);

/* What --lora-sha256 is for them, "SHA256:A1111's hash:name", a line each; heap. NULL: none is laid. */
char *adapters_facts(const Model *m);

/* The first of them that was made for few steps; what NULL: none. */
FewSteps adapters_few(const Model *m);

#endif
