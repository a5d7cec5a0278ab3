/*
 * plan.h - what expanding a job file is in the middle of: one record, and which of its pictures is next. Of expand.c and open_record.c only.
 */
#ifndef LIMN_BATCH_PLAN_H
#define LIMN_BATCH_PLAN_H

#include "batch/expand.h"

/* A prompt's templates: one, or those of a list; in combinatorial mode each has as many values as it has choices. */
typedef struct {
    Field *field;     /* NULL: the command line's */
    Node **nodes;     /* [count] */
    uint64_t *before; /* [count]: values of the nodes before each */
    size_t count;
    uint64_t values;
} Prompt;

enum { PROMPT, NEGATIVE, PROMPT_2, NEGATIVE_2, HIRES_PROMPT, HIRES_NEGATIVE, PROMPTS };

/* The options that they are. */
extern const char *const plan_prompt_names[PROMPTS];

struct Plan {
    Jobs *jobs;
    const Setup *setup;
    Job usual;      /* every option at its default */
    uint64_t index; /* pictures so far */

    Record record;
    Prompt prompts[PROMPTS];
    uint64_t count, next; /* pictures of the record */
    uint64_t copies;      /* its `count` */
    uint64_t *digit;      /* [record.count]: the value of each field for the picture at hand */
    const Item *item;     /* at hand, for the names in templates */
};

/* Parses the prompts of p->record, counts its pictures and makes room for their digits. Error: names the field. */
int plan_open_record(Plan *p, Err *e);

/* Returns whether it is one of plan_prompt_names. */
bool plan_is_prompt(const Option *o);

/* Returns whether the job gives the option a value. */
bool plan_is_said(const Job *j, const Option *o);

/* The template of names from the command line; NULL: there is none. */
const char *plan_pattern(const Plan *p);

/* How many values a field has by itself. */
uint64_t plan_values(const Plan *p, const Field *f);

#endif
