/* describe_adapter.h - `limn info` of an adapter: text for a person, or JSON. */
#ifndef LIMN_PIPELINE_DESCRIBE_ADAPTER_H
#define LIMN_PIPELINE_DESCRIBE_ADAPTER_H

#include "base/file.h"
#include "base/str.h"
#include "weights/weights.h"

/* Error: what is wrong with the file. */
int describe_adapter(const char *path, Weights *w, Bytes file, bool json, Str *out, Err *e);

/* "LoRA for SD XL, rank 16; ink, drawing": one line of the file; or why it cannot be used. */
void describe_adapter_line(const char *path, Str *out);

#endif
