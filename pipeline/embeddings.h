/*
 * embeddings.h - textual inversion: the words of a job's prompts that have vectors of their own, set in tokenizers and
 * text encoders.
 */
#ifndef LIMN_PIPELINE_EMBEDDINGS_H
#define LIMN_PIPELINE_EMBEDDINGS_H

#include "base/err.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/watch.h"

/*
 * The model's words become those of the job: --embedding FILE[=TOKEN]; embedding:name in a prompt, but with --compat a1111; and with
 * that every name of the folder that is in a prompt. The same ones again cost nothing. Returns whether anything changed; -1: error.
 */
int embeddings_use(Model *m, const Job *j, const Watch *w, Err *e);
void embeddings_drop(Model *m); /* model_free()'s part */

/* What --embedding-sha256 is for them, "SHA256:A1111's hash:name", a line each; heap. NULL: there are none. */
char *embeddings_facts(const Model *m);

/* Returns whether embedding:name in the job's prompts is such a word. */
bool embeddings_in_prompt(const Job *j);

/* What decides which words the prompts have, so that prompts with others are not drawn at once; heap. */
char *embeddings_tags(const Job *j);

/* "FILE" or "FILE=TOKEN"; --embedding's check. Both heap; token NULL: the file says it. Error (ERR_USAGE). */
int embedding_line_parse(const char *line, char **path, char **token, Err *e);
int embedding_lines_check(const char *line, Err *e);

#endif
