/*
 * describe_file.h - `limn info` of a weights file that is not a whole model (a VAE, a LoRA), and of any
 * set of tensors.
 */
#ifndef LIMN_PIPELINE_DESCRIBE_FILE_H
#define LIMN_PIPELINE_DESCRIBE_FILE_H

#include "base/err.h"
#include "base/str.h"
#include "weights/weights.h"

struct cJSON;

/* Totals of a set of tensors. */
typedef struct {
    size_t tensors, parameters, bytes;
    bool types[DT_COUNT];
} Sum;

Sum describe_sum(Weights *w);
const char *describe_types(const Sum *s, Str *out); /* "f16, f32", in out, which is emptied first */
void describe_add_sum(struct cJSON *to, const Sum *s);
void describe_print(struct cJSON *root, Str *out); /* appends the text and a line's end; frees root */

/* *done: the file was no model and is described. -1: it cannot be read. */
int describe_file(const char *path, bool json, Str *out, bool *done, Err *e);

#endif
