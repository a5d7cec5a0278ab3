/* run.h - a comparison on its way: what its files share. For compare/ alone. */
#ifndef LIMN_COMPARE_RUN_H
#define LIMN_COMPARE_RUN_H

#include "compare/compare.h"
#include "engine/engine.h"

enum {
    DECODING = 4,        /* evaluations that the VAE takes, about, for the share of work that is done */
    REFERENCE_WORK = 60, /* evaluations of a reference, before it is known */
};

/* What the cells share, and how far the run is. */
typedef struct {
    Comparison *c;
    const CompareWatch *w;
    Engine *engine;
    Model *model;           /* the one that is open; NULL: none */
    double work, done, now; /* evaluations in all, behind us, of what is drawn */
    double piece;           /* how many that takes; 0: a reference, nobody knows */
    int before, last;       /* steps of its runs that are behind us, of this one */
    const char *what;
    char machine[MACHINE_WORDS]; /* this one */
} Run;

/* The cells, before they are drawn: what is wrong with them is found out, and how much work they are. */
int plan_cells(Run *r, Err *e);

/* Opens the model that the job asks for. */
int run_model(Run *r, const Job *j, Err *e);

/* Something begins, of so many evaluations; 0: a reference. And when it is done. */
void run_begin(Run *r, const char *what, double piece);
void run_behind(Run *r, double work);

/* A picture that may be there: of a completed job, words of its file's name, and what its key has besides. */
typedef struct {
    const Job *said;
    uint64_t seed;
    const char *words, *more;
} Wanted;

/* The file that it has, or will have; heap. */
typedef struct {
    char *file;
    char key[STORE_KEY + 1];
} Found;

/*
 * Whether an earlier run has left it, and then out. Its key has all that decides its bytes, with the kernel set of this machine; for
 * --merge also what other machines have drawn, with other sets, is found. The model is the open one.
 */
bool run_find(const Run *r, const Wanted *w, Found *found, Drawn *out);

/* Which reference a cell has: one that is there, or a new one. start NULL: there is none, and why. */
void reference_plan(const Run *r, Cell *cell, const Start *start, const char *why);

/* Draws a reference, or finds it. Error only when it was interrupted or could not be kept. */
int reference_have(Run *r, Reference *f, Err *e);

/* Where cells are measured against cells. */
void references_choose(Comparison *c);

/* Which cells and references are the shard's own: the largest first, each to whichever has least to do. */
void plan_shards(Comparison *c);

#endif
