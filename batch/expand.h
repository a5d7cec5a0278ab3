/*
 * expand.h - expands the jobs of a file to pictures: the product of all lists, with choices made, defaults filled in, and a name
 * for each. One picture at a time, so that a million of them take no more memory than one.
 */
#ifndef LIMN_BATCH_EXPAND_H
#define LIMN_BATCH_EXPAND_H

#include "batch/choice.h"
#include "batch/jobs.h"
#include "batch/name.h"
#include "batch/wildcards.h"
#include "pipeline/job.h"

/* Pictures of one batch; a larger product is a mistake in a list, and is refused before anything is done. */
#define EXPAND_MAX UINT64_C(10000000)

enum { EXPAND_KEY = 32 }; /* hexadecimal digits */

/* What all jobs share. */
typedef struct {
    const Job *defaults; /* the command line's options */
    Wildcards *wildcards;
    ExpandMode mode;
    const NamePlan *names;
    const char *date;        /* {date}: when this folder's batch began, 2026-11-22 */
    bool (*cancelled)(void); /* asked for each picture; may be NULL */
} Setup;

/* One picture. */
typedef struct {
    Job job;                   /* seed set, prompts final, count 1 */
    uint64_t index;            /* 1 .. over the whole batch */
    uint64_t number;           /* 1 .. within its job */
    size_t line;               /* of its job in the file */
    char *id;                  /* the field, or NULL */
    Str fields;                /* the job's own fields: a JSON object, or "" */
    Str file;                  /* below the output folder */
    char key[EXPAND_KEY + 1];  /* of all that decides the picture, as it was asked for */
    char kind[EXPAND_KEY + 1]; /* the same but for prompts and seed: such pictures can be drawn at once */
} Item;

void item_release(Item *i);

/* Sets key and kind from the job. usual: a job of defaults (job_init()). */
void item_set_keys(Item *i, const Job *usual);
/* Returns whether the option decides what the file holds, and so is part of the key. */
bool item_counts(const Option *o);

/* The pictures of a job file in order. */
typedef struct Plan Plan;
Plan *plan_new(Jobs *jobs, const Setup *setup); /* borrows both */
void plan_free(Plan *p);

/* The next picture; item_release() frees it when 1 was returned. 0 at the end; -1: the error begins with file and line, or is
 * ERR_INTERRUPTED. */
int plan_next(Plan *p, Item *out, Err *e);
/* Back to the first. */
void plan_rewind(Plan *p);

#endif
