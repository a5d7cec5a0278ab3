/*
 * metadata.h - a PNG's record of how it was made: A1111's `parameters` text, and limn's own JSON under `limn`.
 */
#ifndef LIMN_PIPELINE_METADATA_H
#define LIMN_PIPELINE_METADATA_H

#include "base/err.h"
#include "base/str.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

#define METADATA_KEY       "limn" /* the PNG texts' keys */
#define METADATA_A1111_KEY "parameters"

/* What else is needed for the same bytes, in addition to the job's options. */
typedef struct {
    char version[32], kernels[32]; /* of limn; the kernel row */
    char model[768], sha256[65]; /* the model's name, of at most 255 bytes, each of which may become three; its hash */
} Origin;

/*
 * One picture: seed is that of this picture. The job's open fields were filled by generator_new(), the model's hash by
 * model_hash().
 */
void metadata_a1111(const Job *j, const Model *m, uint64_t seed, Str *out);

/*
 * {"limn": version, "kernels": row, "model": {"name", "path", "sha256"}, "options": {every option marked `picture`}}.
 * A flag is present if it is true.
 * Numbers are JSON numbers, except a seed that is too large for a double: metadata_seed().
 */
void metadata_json(const Job *j, const Model *m, uint64_t seed, Str *out);

/* A seed as JSON: a number, or a string above 2^53. */
void metadata_seed(uint64_t seed, Str *out);

/* Back from limn's JSON: the job (count 1, its seed set, its model the recorded path). Error: not limn's, or broken. */
int metadata_parse(const char *json, Job *j, Origin *from, Err *e);

#endif
