/*
 * checking.h - a large model's weights are looked over for NaN and infinity beside the first work with them, by a thread that
 * takes only time that nobody else wants, so that the first step need not wait for a reading of the whole file.
 */
#ifndef LIMN_PIPELINE_CHECKING_H
#define LIMN_PIPELINE_CHECKING_H

#include "pipeline/model.h"

/* Notes what binding put off (weights_put_off()). */
void model_check_later(Model *m);

/* There is work that it can be done beside. */
void model_check_begin(Model *m);

/*
 * Waits for it, and helps. To be called before anything is written that was computed with the weights. Error, each time: the file,
 * the tensor and the element, as binding says it.
 */
int model_check(Model *m, Err *e);

void model_check_drop(Model *m); /* model_free()'s part: ends the thread */

#endif
