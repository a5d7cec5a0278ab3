/*
 * advice.h - what a user may want to know before he waits for a picture: words that the model does not know, a size that is not
 * the model's, options that have no effect. None of it is an error.
 */
#ifndef LIMN_PIPELINE_ADVICE_H
#define LIMN_PIPELINE_ADVICE_H

#include "pipeline/recipe.h"

/* A job's prompts, where the model brings a list of its words. The negative one only where it counts. Each word is told once. */
void advise_prompts(const Model *m, const Prompts *p, bool guided, const Watch *w);

/* The same of a job that is not drawn yet. */
void advise_texts(const Model *m, const Job *j, const Watch *w);

/* Size and options. asked: the job that the recipe was made of, whose open options are open yet. */
void advise_job(const Model *m, const Recipe *r, const Job *asked, const Watch *w);

/* Options of a run of pictures, which need no model to be seen through. */
void advise_run(const Job *j, const Watch *w);

#endif
