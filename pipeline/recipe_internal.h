/* recipe_internal.h - what recipe.c and recipe_checks.c share. */
#ifndef LIMN_PIPELINE_RECIPE_INTERNAL_H
#define LIMN_PIPELINE_RECIPE_INTERNAL_H

#include "pipeline/recipe.h"

/* Whether the model's parts belong together, and can do what the completed job asks for. Error: the first thing that is wrong. */
int recipe_check_model(const Model *m, const Job *j, Err *e);

#endif
