/* patch_internal.h - what the files of patches share. */
#ifndef LIMN_NN_PATCH_INTERNAL_H
#define LIMN_NN_PATCH_INTERNAL_H

#include "nn/patch.h"

enum { PATCH_CHUNK = 256 /* inputs at once, on the stack; a multiple of every format's block */ };

/* Returns whether a panel has one of the patch's rows. */
bool patch_touches(const Patch *p, const Panels *w, size_t panel);

/* A patch of that size, zeroed, with so many floats behind it, aligned. NULL: out of memory. */
void *patch_new(size_t size, size_t floats, float **data, Err *e);

#endif
