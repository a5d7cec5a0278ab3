/*
 * batch.h - the parts of limn batch: a survey of what is to be drawn and what is there already, the run, its words, and what is
 * done instead of a run (--dry-run, --merge). Private to cmd/batch*.c.
 */
#ifndef LIMN_CMD_BATCH_H
#define LIMN_CMD_BATCH_H

#include "batch/expand.h"
#include "batch/index.h"
#include "batch/manifest.h"
#include "batch/place.h"
#include "image/image.h"
#include "pipeline/model.h"

/* What is said while a batch runs. */
typedef struct {
    bool json, quiet, bar, names; /* names: of pictures, on stdout */
    uint64_t total, done, failed; /* of this shard; done: those that were there too */
    uint64_t refused;             /* of the failed: the model cannot draw such jobs */
    double start;                 /* of drawing */
    uint64_t drawn;               /* since then */
    double shown;                 /* when the line was drawn last */
    Str prompt;                   /* of the picture at hand */
} Report;

/* A model whose pictures are in the folder. */
typedef struct {
    char *path; /* as the manifest has it */
    char sha256[65];
} SeenModel;

enum { MAX_SEEN_MODELS = 16 };

typedef struct {
    const Job *options; /* the command line */
    Jobs *jobs;
    NamePlan names;
    Wildcards *wildcards;
    Setup setup;
    Plan *plan;
    Shard shard;
    Folder folder; /* of the pictures; not open while it is not there */
    Manifest *manifest;
    Place place;
    char date[16];
    Report report;
    bool full; /* the worker's: a write was fatal */

    /* from the survey */
    uint64_t total;         /* pictures of all shards */
    uint64_t mine, there;   /* of this shard; those that are in place */
    uint64_t todo;          /* to draw now */
    uint64_t left, damaged; /* refused before and left alone; in place but not whole */
    uint8_t *wanted;        /* a bit for each of `total` */
    Index files;            /* hashes of all names -> line */
    SeenModel seen[MAX_SEEN_MODELS];
    int seen_count;
} Batch;

/* A picture on its way to its file; the run fills it, the worker works on it, the report tells it. */
typedef struct {
    Item item;
    Job job;        /* with the model's defaults; of the item's own prompts and seed */
    const Model *m; /* NULL: it failed before there was one */
    Image image;
    double seconds;
    int failed;
    bool refused, fatal; /* fatal: nothing further can be written either */
    bool dropped;        /* not written, since an earlier one was fatal */
    Err e;
    Str line; /* the manifest's */
} Task;

/* batch.c: "limn: note: ..."; ctx is a Batch. */
void batch_note(void *ctx, const char *text);

/* batch_survey.c: everything that can be refused before the first picture; what is there. Error: as jobs_next(). */
int batch_survey(Batch *b, Err *e);
bool batch_wants(const Batch *b, uint64_t index);

/* batch_run.c */
int batch_run(Batch *b, Err *e);

/* batch_save.c: encodes, writes, and appends to the manifest; on the worker's thread. */
void batch_save(void *batch, void *task);
void task_free(Task *t);

/* batch_report.c */
void report_init(Report *r, const Job *options);
void report_release(Report *r);
void report_say(Report *r, const char *what); /* on the terminal, in place of the bar */
void report_plan(Report *r, const Batch *b);
void report_prompt(Report *r, const char *prompt);
void report_step(Report *r, int done, int steps, int pictures); /* of the pictures at hand */
int report_task(Report *r, const Batch *b, const Task *t, Err *e);
void report_end(Report *r, const Batch *b, double seconds);
/* Error: some failed, and how they are tried again. */
int report_failures(const Report *r, const Batch *b, Err *e);
void report_clear(Report *r);
/* A failure, or a warning, in one line on stderr. */
void report_line(Report *r, const char *text);

/* batch_dry.c */
int batch_dry_run(Batch *b, Err *e);
/* batch_merge.c */
int batch_merge(Batch *b, Err *e);
/* batch_sheet.c: what is made of all pictures at the end. */
int batch_extras(Batch *b, Err *e);

#endif
