/* recipe_internal.h - what recipe.c and the files beside it share. */
#ifndef LIMN_PIPELINE_RECIPE_INTERNAL_H
#define LIMN_PIPELINE_RECIPE_INTERNAL_H

#include <stdlib.h>

#include "base/mem.h"
#include "pipeline/recipe.h"

static inline void recipe_set_text(char **field, const char *text)
{
    free(*field);
    *field = mem_strdup(text);
}

/*
 * Returns whether the model's parts belong together, and can do what the completed job asks for. Error: the first thing
 * that is wrong.
 */
int recipe_check_model(const Model *m, const Job *j, Err *e);

/*
 * The size that the job leaves open, by the picture that it starts from; else it stays open. Error (ERR_USAGE): a size that no model draws.
 */
int recipe_size_of_picture(const Model *m, Job *j, Err *e);

/* The latent's size, which sides wrap, and what the UNet sees at once. Error: a size that this model does not draw, or not so. */
int recipe_choose_size(Recipe *r, const Model *m, Err *e);

/* The recipe's timeline. given: the one to take; NULL: by its schedule or its timesteps. */
int recipe_choose_sigmas(Recipe *r, const Timeline *given, Err *e);

/* The sampler's settings, once the timeline is there. */
void recipe_tune(Recipe *r);

/*
 * The recipe's guidance, and what of the network it disturbs. Error (ERR_USAGE): methods that cannot act together, or
 * in this model.
 */
int recipe_choose_guidance(Recipe *r, const Model *m, Err *e);

/* The language of the recipe's prompts (recipe_prompts.c), and with it what the job left open of that. */
void recipe_choose_language(Recipe *r);

#endif
