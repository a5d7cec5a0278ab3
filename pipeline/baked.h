/*
 * baked.h - a file's weights with adapters merged in, under the file's names: for limn merge. The networks are bound as for
 * drawing, and values are found by their position in the file.
 */
#ifndef LIMN_PIPELINE_BAKED_H
#define LIMN_PIPELINE_BAKED_H

#include "pipeline/job.h"
#include "pipeline/watch.h"
#include "weights/weights.h"

typedef struct Baked Baked;

/* w: the file's tensors, mapped elsewhere. Error: the file is no model; an adapter does not fit. */
Baked *baked_new(const char *path, Weights *w, const Job *j, const Watch *watch, Err *e);
void baked_free(Baked *b);

/* Returns whether an adapter changes that tensor of w. b may be NULL: none does. */
bool baked_has(const Baked *b, const Weight *t);

/* Its elements from .. from + n - 1, with the adapters. */
void baked_values(const Baked *b, const Weight *t, size_t from, size_t n, float *out);

#endif
