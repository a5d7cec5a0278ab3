/*
 * grid.h - what is compared with what: rows and columns of settings laid over one job.
 */
#ifndef LIMN_COMPARE_GRID_H
#define LIMN_COMPARE_GRID_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "pipeline/job.h"

enum {
    GRID_MAX_AXES = 3,
    GRID_MAX_SETTINGS = 3, /* of a row: sampler, schedule, steps */
    GRID_MAX_CELLS = 4000,
    GRID_STOCHASTIC_SEEDS = 3, /* for a spread, where --seeds does not say */
};

typedef struct {
    const Option *option;
    char *value; /* heap */
} Setting;

/* A row or a column. */
typedef struct {
    Setting set[GRID_MAX_SETTINGS];
    int count;
    int evaluations; /* > 0: as many steps as take at most so many evaluations of the network */
    char *label;     /* lines: "euler\nkarras"; heap */
} Choice;

typedef struct {
    Choice *rows, *columns;
    int row_count, column_count;
    const Option *axes[GRID_MAX_AXES]; /* what varies, rows' first */
    int axis_count;
    char *corner; /* "sampler, schedule / steps" */
    int seeds;    /* of a cell; 0: GRID_STOCHASTIC_SEEDS for samplers that draw fresh noise, else 1 */
    bool by_evaluations;
    bool converged; /* the cells are measured against the converged picture */
    int against[2]; /* else against the cell of this row and column */
} Grid;

/*
 * From a job's --samplers, --schedules, --steps, --axis, --seeds, --by, --against. Every value is checked as the command line
 * would. Error (ERR_USAGE): an option that cannot be an axis, a bad value, too many cells. grid_release() also then.
 */
int grid_init(Grid *g, const Job *j, Err *e);
void grid_release(Grid *g);

/* The job of a cell: j with the row's and the column's settings. job_release() it. */
void grid_job(const Grid *g, const Job *j, int row, int column, Job *out);

#endif
