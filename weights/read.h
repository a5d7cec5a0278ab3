/*
 * read.h - a file of weights of whatever format limn reads: safetensors or GGUF. What tells of other tensors (scales of 8-bit
 * floats) is folded into them: scales.h.
 */
#ifndef LIMN_WEIGHTS_READ_H
#define LIMN_WEIGHTS_READ_H

#include "weights/weights.h"

/* Adds every tensor of a mapped file to w. Error: whatever is wrong with it. */
int weights_read(Weights *w, Bytes file, Err *e);

/* A text that the file carries under that key, on the heap; NULL when absent. */
char *weights_metadata(Bytes file, const char *key);

/* All of them: key, value, key, value, ..., NULL, each on the heap; weights_texts_free() frees. */
char **weights_texts(Bytes file);
void weights_texts_free(char **texts);

/*
 * Returns whether a file of that name would be one of these formats: ".safetensors", ".gguf", in any case. Returns the
 * ending's length, or 0.
 */
size_t weights_ending(const char *name);

#endif
