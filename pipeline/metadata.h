/*
 * metadata.h - what a PNG says about how it was made: A1111's `parameters` text, and limn's own JSON under `limn`.
 */
#ifndef LIMN_PIPELINE_METADATA_H
#define LIMN_PIPELINE_METADATA_H

#include "base/err.h"
#include "base/str.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/* One picture: seed is that of this picture. */
void metadata_a1111(const Job *j, const Model *m, uint64_t seed, Str *out);
void metadata_json(const Job *j, const Model *m, uint64_t seed, Str *out);

/* Back from limn's JSON: the job (count 1, its seed set), the model's hash (65 bytes). Error: not limn's, or broken. */
int metadata_parse(const char *json, Job *j, char *sha256, Err *e);

#endif
