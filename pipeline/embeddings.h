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
 * Sets the model's words to those of the job: --embedding FILE[=TOKEN]; embedding:name in a prompt, except with --compat a1111;
 * and with --compat a1111 every name of the folder that is in a prompt. The same ones again cost nothing. Returns whether
 * anything changed; -1: error.
 */
int embeddings_use(Model *m, const Job *j, const Watch *w, Err *e);
void embeddings_drop(Model *m); /* model_free()'s part */

/* Their value of --embedding-sha256, "SHA256:A1111's hash:name", one line each; heap. NULL: there are none. */
char *embeddings_facts(const Model *m);

/* Returns whether embedding:name in the job's prompts is such a word. */
bool embeddings_in_prompt(const Job *j);

/* The text that decides which words the prompts have, so that prompts with others are not drawn in one batch; heap. */
char *embeddings_tags(const Job *j);

/* "FILE" or "FILE=TOKEN"; --embedding's check. Both heap; token NULL: the file has it. Error (ERR_USAGE). */
int embedding_line_parse(const char *line, char **path, char **token, Err *e);
int embedding_lines_check(const char *line, Err *e);

#endif
