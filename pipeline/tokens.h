/* tokens.h - limn tokens: the tokens of a job's prompts, without drawing. */
#ifndef LIMN_PIPELINE_TOKENS_H
#define LIMN_PIPELINE_TOKENS_H

#include "base/str.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/watch.h"

/*
 * Appends lines for a person, or JSON: of the prompt and, where one is given, the negative prompt, each chunk's ids, their text
 * and weights, and what is dropped. w receives what is not read, and words that the model does not know. The model may be one
 * without weights. Error: a prompt cannot be read.
 */
int tokens_describe(Model *m, const Job *j, const Watch *w, Str *out, Err *e);

#endif
