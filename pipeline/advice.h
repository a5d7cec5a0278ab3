/*
 * advice.h - notes that a user may want before waiting for a picture: words that the model does not know, a size that is not
 * the model's, options that have no effect. None of it is an error.
 */
#ifndef LIMN_PIPELINE_ADVICE_H
#define LIMN_PIPELINE_ADVICE_H

#include "pipeline/recipe.h"

/* Checks a job's prompts if the model has a word list; the negative prompt only if it has an effect. Reports each word once. */
void advise_prompts(const Model *m, const Prompts *p, bool guided, const Watch *w);

/* The same for a job that is not drawn yet. */
void advise_texts(const Model *m, const Job *j, const Watch *w);

/* Checks size and options. asked: the job from which the recipe was made, with its unset options still unset. */
void advise_job(const Model *m, const Recipe *r, const Job *asked, const Watch *w);

/* Checks options that need no model. */
void advise_run(const Job *j, const Watch *w);

#endif
