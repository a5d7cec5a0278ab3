/*
 * steps.h - --save-steps: each step's prediction of the clean picture, as files and in a strip. These are not the pictures of
 * fewer steps: a run of 5 steps goes down in 5 large steps, the fifth of 20 has come down a quarter of the way.
 */
#ifndef LIMN_OUTPUT_STEPS_H
#define LIMN_OUTPUT_STEPS_H

#include "base/err.h"
#include "base/str.h"
#include "pipeline/generate.h"

/*
 * Writes p->steps into the folder of the picture whose file is `path`: "x_step-01.png", ... and "x_steps.png" for "x.png". Every
 * file says in its Comment which step it is. *written: their paths, each with a newline.
 */
int steps_write(const Job *j, const Picture *p, const char *path, Str *written, Err *e);

#endif
