/*
 * grid.h - the grid of a comparison: rows and columns of settings applied to one job.
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
    GRID_SEVERAL_SEEDS = 3, /* where --seeds does not say: for a spread, or a verdict that costs little */
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
    bool extra;      /* it is there for the model's default alone */
} Choice;

typedef struct {
    Choice *rows, *columns;
    int row_count, column_count;
    const Option *axes[GRID_MAX_AXES]; /* what varies, rows' first */
    int axis_count;
    char *corner; /* "sampler, schedule / steps" */
    int seeds;    /* of a cell; 0: what suits the sampler and the model */
    bool by_evaluations;
    bool converged;    /* the cells are measured against the converged picture */
    int against[2];    /* else against the cell of this row and column */
    bool case_rows;    /* rows are no choice of a solver but cases for which one is sought, such as prompts */
    bool case_columns; /* likewise */
    int dflt[2];       /* row and column of the model's default sampler, schedule and steps; -1: not shown */
} Grid;

/*
 * From a job's --samplers, --schedules, --steps, --axis, --seeds, --by, --against. Every value is checked as the command line
 * would. Error (ERR_USAGE): an option that cannot be an axis, a bad value, too many cells. grid_release() also then.
 */
int grid_init(Grid *g, const Job *j, Err *e);
void grid_release(Grid *g);

/*
 * Shows the place that has the model's default sampler, schedule and steps. row, column: which of the grid's have them, -1: none,
 * then one is added that has this place alone. Not for a grid of --axis.
 */
void grid_add_default(Grid *g, const Job *dflt, int row, int column);

/* Cells that differ only in such options solve the same equation: solver_options of reference.h. */
bool grid_is_solver(const Option *o);

/* Returns whether there is a cell at that place. */
bool grid_has(const Grid *g, int row, int column);

/* The job of a cell: j with the row's and the column's settings. job_release() it. */
void grid_job(const Grid *g, const Job *j, int row, int column, Job *out);

#endif
