/*
 * checking.h - a large model's weights are checked for NaN and infinity in the background, by a thread that takes only
 * time that nobody else wants, so that the first step need not wait until the whole file is read.
 */
#ifndef LIMN_PIPELINE_CHECKING_H
#define LIMN_PIPELINE_CHECKING_H

#include "pipeline/model.h"

/* Notes the tensors whose finite check binding deferred (weights_defer_check()). */
void model_check_later(Model *m);

/* Starts the thread: other work begins now. */
void model_check_begin(Model *m);

/*
 * Waits for the thread, and helps it. To be called before anything is written that was computed with the weights. Error, each time: the file,
 * the tensor and the element, as binding says it.
 */
int model_check(Model *m, Err *e);

void model_check_drop(Model *m); /* model_free()'s part: ends the thread */

#endif
