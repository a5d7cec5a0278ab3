/* adapters.h - applies a job's adapters (LoRA and the like, loras.h) to a model's networks between runs. */
#ifndef LIMN_PIPELINE_ADAPTERS_H
#define LIMN_PIPELINE_ADAPTERS_H

#include "base/err.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/watch.h"

/*
 * Makes the model's adapters those of the job and removes the previous ones. The same ones again cost nothing; other weights read
 * the adapters' files again, never the model's. Skipped tensors are reported to w. Returns whether anything changed, so that
 * earlier embeddings are out of date; -1: error, then no adapter is applied.
 */
int adapters_use(Model *m, const Job *j, const Watch *w, Err *e);
void adapters_drop(Model *m); /* model_free()'s part */

/* "ink, 264 matrices and 0 vectors", one line each, for a person; heap. NULL: there are none. */
char *adapters_words(const Model *m);

/* Their value of --lora-sha256, "SHA256:A1111's hash:name", one line each; heap. NULL: there are none. */
char *adapters_facts(const Model *m);

/* The first of them that was made for few steps; its `what` is NULL if there is none. */
FewSteps adapters_few(const Model *m);

#endif
