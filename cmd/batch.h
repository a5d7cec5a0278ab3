/*
 * batch.h - what limn batch says, and what it shows in place of a run (--dry-run). Private to cmd/batch*.c.
 */
#ifndef LIMN_CMD_BATCH_H
#define LIMN_CMD_BATCH_H

#include "batch/batch.h"
#include "cmd/progress.h"

/* What is said while a batch runs. */
typedef struct {
    bool json, quiet, names; /* names: of pictures, on stdout */
    Progress progress;
    const Batch *b; /* of the run; NULL before it begins */
    double start;   /* of drawing */
    double shown;   /* when the line was drawn last */
    Str prompt;     /* of the picture at hand */
    int at_hand;    /* pictures being drawn */
} Report;

/* batch_report.c */
void report_init(Report *r, const Job *options);
void report_release(Report *r);
BatchWatch report_watch(Report *r);
void report_say(Report *r, const char *what); /* on the terminal, in place of the bar */
void report_clear(Report *r);
/* Error: some failed, and how they are tried again. */
int report_failures(const Batch *b, Err *e);
int report_merged(const Batch *b, const MergeCount *n, Err *e);

/* batch_dry.c */
int batch_dry_run(Batch *b, Report *r, Err *e);

#endif
