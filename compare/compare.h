/*
 * compare.h - draws the cells of a grid and measures them. What cells share is done once: the model, the prompt's embedding,
 * the noise, the first evaluation of the UNet. A cell that fails is remembered in its place and the rest goes on.
 */
#ifndef LIMN_COMPARE_COMPARE_H
#define LIMN_COMPARE_COMPARE_H

#include "base/shard.h"
#include "compare/grid.h"
#include "compare/reference.h"
#include "image/measure.h"
#include "pipeline/watch.h"

/* NAN: not measured. */
typedef struct {
    double latent_rmse, psnr, ssim, flip;
    double flip_worst; /* where it is largest: flip.h */
    double spectrum;   /* dB, root mean square over frequencies */
    SpectrumBands bands;
    double *db; /* [bins] of each frequency; heap, or NULL */
    int bins;
} Measures;

typedef struct {
    int row, column, number; /* number: of the place's prompts and, for each, seeds, from 0 */
    int prompt;              /* of Comparison.prompts, 0 where there is one for all */
    uint64_t seed;
    Job job;            /* completed once it was drawn */
    Job said;           /* the same with what the model chooses, before it is drawn */
    double work;        /* evaluations that it takes, about */
    bool mine;          /* this shard's, or there are none */
    bool deterministic; /* it converges to a picture as steps grow */
    bool reused;        /* drawn by an earlier run */
    bool standard;      /* the others are measured against it */
    char *error;        /* why it was not drawn; NULL */
    char *note;         /* why it was not measured; NULL */
    char *file;         /* "cells/....png"; NULL: there is none */
    char key[STORE_KEY + 1];
    Cost cost;
    float *latent;
    size_t len;
    int w, h;
    int reference; /* of Comparison.references, -1: none */
    Measures m;
} Cell;

/* What cells are measured against: a converged picture, or a chosen cell's. */
typedef struct {
    char *identity; /* all that decides the equation: equal texts have the same one */
    Job job;        /* of a cell that it is for, completed; none where a cell is the reference */
    bool mine;      /* this shard's */
    bool done;      /* it was drawn, or that was tried */
    Start start;
    uint64_t seed;
    int cell;    /* of Comparison.cells, -1: it is a converged picture */
    char *file;  /* NULL: it was not drawn */
    char *error; /* why, where that was tried */
    Cost cost;
    float *latent;
    size_t len;
    double *power; /* [bins] its spectrum */
    int bins;
    double step;  /* cycles a pixel between bins */
    Measures own; /* its own error, of a converged picture: what the last refinement changed */
} Reference;

/* watch: its say and step are not called. progress: share, 0 .. 1, of all work is done, and what is drawn now; NULL. */
typedef struct {
    Watch watch;
    void (*progress)(void *ctx, const char *what, double share);
} CompareWatch;

typedef struct {
    const Job *base;
    const char *dir; /* as the user wrote it */
    Store store;     /* opened */
    Grid grid;
    Cell *cells; /* row after row, column after column, seed after seed */
    int count;
    Reference *references;
    int reference_count;
    char **prompts; /* [prompt_count] of --prompts; none: the base's prompt, or an axis's */
    int prompt_count;
    char *model, *sha256; /* of the first cell's model */
    int w, h;             /* pixels of the largest cell */
    int failed;           /* cells that could not be drawn, of this shard's */
    int unmeasured;       /* cells whose picture, or that to measure it against, could not be read or measured */
    char *unmeasured_why; /* of the first */
    Shard shard;          /* of 1: everything. Else only what is its own was drawn, and nothing is measured */
    bool merge;           /* nothing was drawn: what shards have left was put together */
} Comparison;

/*
 * Draws and measures. base: the options that all cells have, and those of limn compare; it has a seed. dir: where the results
 * go; what an earlier run left there is used. Error: the options make no sense (ERR_USAGE), the model cannot be read,
 * interrupted. comparison_release() also then.
 */
int comparison_run(Comparison *c, const Job *base, const char *dir, const CompareWatch *w, Err *e);
void comparison_release(Comparison *c);

/* A cell's picture, from its file. */
int comparison_image(const Comparison *c, const Cell *cell, Image *out, Err *e);

/* NULL where the row, column and number have no cell. */
const Cell *comparison_cell(const Comparison *c, int row, int column, int number);

/* The row's first of that number; NULL: it has not so many. */
const Cell *comparison_first(const Comparison *c, int row, int number);

/* How many pictures the row's places have: a seed of a prompt each. */
int comparison_numbers(const Comparison *c, int row);

/* Returns whether it is of the model's default sampler, schedule and steps, and shown as such. */
bool comparison_is_default(const Comparison *c, const Cell *cell);

/* Measures the cells against their references, whose pictures are each read once: the last thing that comparison_run() does. */
void measure_cells(Comparison *c);

/* Measures of a against b, all NAN before. latents may be NULL. */
int measures_take(Measures *m, const Image *a, const Image *b, Err *e);
void measures_init(Measures *m);
void measures_release(Measures *m);

#endif
