/*
 * convert.h - converts a model to another layout (a diffusers folder, a single file in LDM's names) or precision. The result
 * draws the same pictures: it is opened again and compared before it appears.
 */
#ifndef LIMN_CONVERT_CONVERT_H
#define LIMN_CONVERT_CONVERT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "pipeline/watch.h"

typedef struct {
    const char *in, *out;
    const char *vae, *tokenizer; /* as in ModelPaths; NULL */
    const char *precision;       /* "f16", "bf16", "f32"; NULL: each tensor's own */
    const char *type;            /* "q8_0", ...: of matrices, in a single file; NULL */
    const char *layout;          /* "diffusers", "file"; NULL: as out is named */
    bool prune;
} ConvertJob;

typedef struct {
    char sha256[65];       /* of the file, or of the folder's UNet file, as limn info tells it */
    size_t bytes, tensors; /* of all weights */
} Converted;

/*
 * Makes out, whole or not at all; no file is replaced. w receives what is skipped, and may cancel. Error: what is wrong with in;
 * what the other layout cannot express; a number that the precision cannot hold.
 */
int convert(const ConvertJob *j, const Watch *w, Converted *made, Err *e);

#endif
