/* describe_embedding.h - `limn info` of a textual inversion, and its line in `limn list embeddings`. */
#ifndef LIMN_PIPELINE_DESCRIBE_EMBEDDING_H
#define LIMN_PIPELINE_DESCRIBE_EMBEDDING_H

#include <stdbool.h>

#include "base/str.h"
#include "weights/weights.h"

/* Error: what is wrong with the file. */
int describe_embedding(const char *path, Weights *w, bool json, Str *out, Err *e);

/* "4 vectors for SD XL"; or why it cannot be used. */
void describe_embedding_line(const char *path, Str *out);

#endif
