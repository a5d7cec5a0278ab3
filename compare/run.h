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
} Run;

/* The cells, before they are drawn: what is wrong with them is found out, and how much work they are. */
int plan_cells(Run *r, Err *e);

/* Opens the model that the job asks for. */
int run_model(Run *r, const Job *j, Err *e);

/* Evaluations of the network that a picture of the job takes; 0: the sampler chooses its steps. */
int run_evals(const Model *m, const Job *j, int *evals, Err *e);

#endif
