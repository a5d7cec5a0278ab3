/*
 * compose.h - prompts of several parts, "a castle AND a ship :0.5": each is evaluated, and guides by its weight.
 * Source: A1111 modules/prompt_parser.py (get_multicond_prompt_list); Liu et al. 2022, arXiv:2206.01714.
 */
#ifndef LIMN_CLIP_COMPOSE_H
#define LIMN_CLIP_COMPOSE_H

#include <stdbool.h>

#include "base/err.h"

enum { CLAUSES_MAX = 16 };

typedef struct {
    char *text;
    double weight; /* finite, |weight| <= 1e6 */
} Clause;

typedef struct {
    Clause at[CLAUSES_MAX];
    int count;
} Clauses;

/*
 * Cuts at each AND that is a word, and takes ": weight" off the end of each part. alone: also where there is no AND, as A1111 does.
 * At least one. Error (ERR_USAGE): too many, or a weight out of range. clauses_release() in any case.
 */
int clauses_parse(const char *text, bool alone, Clauses *out, Err *e);
void clauses_release(Clauses *c);

#endif
