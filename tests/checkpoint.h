/*
 * checkpoint.h - single-file checkpoints of the real sizes for the tests: sparse files, whose tensors are zeros that take no
 * room on the disk and that nobody reads.
 */
#ifndef LIMN_TESTS_CHECKPOINT_H
#define LIMN_TESTS_CHECKPOINT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/str.h"

/* One line of tests/golden/ldm/NAME.tsv: see ldm.py. */
typedef struct {
    char name[160], shape[32], part[16], diffusers[160], new_shape[32];
    size_t row;
} CheckpointLine;

bool checkpoint_line(FILE *f, CheckpointLine *l);

/* "3072x1024" -> "3072,1024"; the number of elements to *count */
void checkpoint_dims(const char *shape, Str *out, size_t *count);

/* A file being made; zero-initialise. */
typedef struct {
    Str header;
    size_t bytes;
} Checkpoint;

void checkpoint_add(Checkpoint *c, const char *name, const char *shape);   /* F16 */
char *checkpoint_finish(const char *dir, const char *name, Checkpoint *c); /* the path, on the heap */

/* The tensors of a golden list, but for those whose name begins with `without`, and `extra` (shape "1"); both may be NULL. */
char *checkpoint_put(const char *dir, const char *name, const char *list, const char *without, const char *extra);

#endif
