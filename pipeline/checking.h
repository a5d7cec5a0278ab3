/*
 * checking.h - checks a large model's weights for NaN and infinity in the background, in a thread that uses only
 * idle processor time, so that the first step need not wait until the whole file is read.
 */
#ifndef LIMN_PIPELINE_CHECKING_H
#define LIMN_PIPELINE_CHECKING_H

#include "pipeline/model.h"

/* Collects the tensors whose check binding deferred (weights_defer_check()). */
void model_check_later(Model *m);

/* Starts the thread. To be called when other work begins. */
void model_check_begin(Model *m);

/*
 * Waits for the thread, and helps it. To be called before anything is written that was computed with the weights. Error, each
 * time: the file, the tensor and the element, as binding reports them.
 */
int model_check(Model *m, Err *e);

void model_check_drop(Model *m); /* model_free()'s part: ends the thread */

#endif
