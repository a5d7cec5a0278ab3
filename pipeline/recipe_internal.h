/* recipe_internal.h - what recipe.c and the other files recipe_*.c share. */
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
 * 0 if the model's parts belong together, and can do what the completed job requests. Error: the first thing
 * that is wrong.
 */
int recipe_check_model(const Model *m, const Job *j, Err *e);

/*
 * Sets an unset size from the picture that the job starts from; without one it stays unset. Error (ERR_USAGE): a size that no
 * model draws.
 */
int recipe_size_of_picture(const Model *m, Job *j, Err *e);

/* Chooses the latent's size, which sides wrap, and the UNet's window. Error: a size that this model cannot draw this way. */
int recipe_choose_size(Recipe *r, const Model *m, Err *e);

/* Chooses the recipe's timeline. given: the one to use; NULL: from its schedule or its timesteps. */
int recipe_choose_sigmas(Recipe *r, const Timeline *given, Err *e);

/* Sets the sampler's settings; the timeline must be there. */
void recipe_tune(Recipe *r);

/*
 * Chooses the recipe's guidance, and which layers it perturbs. Error (ERR_USAGE): methods that cannot be combined, or not
 * in this model.
 */
int recipe_choose_guidance(Recipe *r, const Model *m, Err *e);

/* Chooses the syntax of the recipe's prompts (recipe_prompts.c), and the options that depend on it. */
void recipe_choose_language(Recipe *r);

#endif
