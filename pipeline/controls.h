/*
 * controls.h - the networks that --control, --adapter and --ip-adapter name: opened and bound once, and kept with the model while
 * jobs name them.
 */
#ifndef LIMN_PIPELINE_CONTROLS_H
#define LIMN_PIPELINE_CONTROLS_H

#include "pipeline/control_file.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/*
 * Opens the networks of the job's lines and checks that they fit the model; closes those of other jobs if this one names any.
 * Error: what is wrong with a file, that it is of another kind, or for another family of models. Then none is open.
 */
int controls_use(Model *m, const Job *j, Err *e);
void controls_drop(Model *m); /* model_free()'s part */

/* The line's network; NULL: it is not open. */
const ControlFile *controls_find(const Model *m, const ControlLine *l);

/* The job's lines of a kind's option; NULL: none. */
const char *controls_of(const Job *j, ControlKind kind);

/* The file of the first --control's picture (heap), whose size is the default; NULL: there is none. */
char *controls_first_picture(const Job *j);

#endif
