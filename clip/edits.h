/*
 * edits.h - prompts that change while a picture is drawn: [cat:dog:0.5], [cat:10], [cat::10], [cat|dog].
 * Source: A1111 1.10 modules/prompt_parser.py, the grammar and get_learned_conditioning_prompt_schedules().
 */
#ifndef LIMN_CLIP_EDITS_H
#define LIMN_CLIP_EDITS_H

#include "base/err.h"

/* Of the run that a text is read for. Evaluations, as A1111 counts: a step of a sampler of second order has two. */
typedef struct {
    int steps;
    int first; /* the second pass of a hires fix: those of the first pass; else 0 */
} EditSteps;

/* A text that holds up to an evaluation: A1111 counts from 0, so the first text of a schedule holds for until + 1 of them. */
typedef struct {
    int until;
    char *text;
} Edit;

typedef struct {
    Edit *at; /* by until; the last one's is the run's steps */
    int count;
} Edits;

/*
 * A text that does not parse, as A1111's grammar has it, is one Edit of itself. A number with a point is a share of the steps, another one
 * a step; in a second pass shares from 1 on and steps from `first` on are its own. Error (ERR_USAGE): brackets too deep, or texts too many and long. edits_release() in any case.
 */
int edits_parse(const char *text, EditSteps steps, Edits *out, Err *e);
void edits_release(Edits *x);

/* Which holds in an evaluation, from 0: the first whose until it does not exceed; beyond the last one the first. */
int edits_at(const Edits *x, int evaluation);

#endif
