/*
 * batch.h - a batch from its jobs to its files: open, survey, draw, merge. It prints nothing and knows no command line: the
 * caller passes callbacks in a BatchWatch.
 *
 *     batch_open(&b, options, "jobs.jsonl", takes, &watch, e);
 *     batch_draw(&b, e);      or batch_look(), batch_survey(); or batch_merge()
 *     batch_close(&b);
 */
#ifndef LIMN_BATCH_BATCH_H
#define LIMN_BATCH_BATCH_H

#include "batch/expand.h"
#include "batch/index.h"
#include "batch/manifest.h"
#include "batch/place.h"
#include "image/image.h"
#include "pipeline/model.h"
#include "pipeline/watch.h"

typedef struct Batch Batch;
typedef struct Task Task;

/* Any member may be NULL. All are called on the thread that draws. */
typedef struct {
    Watch watch;                              /* step: of the pictures at hand; say "": what was begun is done */
    void (*begin)(void *ctx, const Batch *b); /* survey and folder are ready, the first picture comes */
    void (*drawing)(void *ctx, const char *prompt, int pictures);  /* so many at once, the first of that prompt */
    int (*task)(void *ctx, const Batch *b, const Task *t, Err *e); /* in its place, or failed. Error: stops the batch */
    void (*end)(void *ctx, const Batch *b, double seconds);
    void (*file)(void *ctx, const char *path); /* a file made of all pictures */
    void (*merging)(void *ctx, const Batch *b, const char *what, const Item *i,
                    const char *why); /* "missing", "failed" */
} BatchWatch;

/* A model whose pictures are in the folder. */
typedef struct {
    char *path; /* as the manifest has it */
    char sha256[65];
} SeenModel;

enum { MAX_SEEN_MODELS = 16 };

struct Batch {
    const Job *options; /* the command line's */
    BatchWatch watch;
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

    /* of the run: pictures of this shard */
    struct {
        uint64_t total;        /* but for those that are left alone */
        uint64_t done, failed; /* done: those that were there too */
        uint64_t refused;      /* of the failed: the model cannot draw such jobs */
        uint64_t drawn;        /* tried in this run */
    } run;
};

/* A picture on its way to its file; the run fills it, the worker works on it, the watch hears of it. */
struct Task {
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
};

/* What merging found; the rest of Batch.total is whole. */
typedef struct {
    uint64_t missing, failed, damaged;
} MergeCount;

/*
 * open.c. options and what w points to stay the caller's. takes: whether an option is one of the batch's. cancelled may be asked
 * on any thread. Error: what is wrong with options and job file. batch_close() also then.
 */
int batch_open(Batch *b, const Job *options, const char *jobs, bool (*takes)(const Option *o), const BatchWatch *w,
               bool (*cancelled)(void), Err *e);
void batch_close(Batch *b);
/* The folder as it is, without touching it. */
int batch_look(Batch *b, Err *e);
/* The folder is the batch's from now on: the lock, and the place for half-written files. */
int batch_take_folder(Batch *b, Err *e);
/* Everything from the folder to what is made of all pictures. 0 also where pictures failed: Batch.run tells. */
int batch_draw(Batch *b, Err *e);

/* survey.c: everything that can be refused before the first picture; what is there. Error: as jobs_next(). */
int batch_survey(Batch *b, Err *e);
bool batch_wants(const Batch *b, uint64_t index);

/* run.c: draws what the survey wants. */
int batch_run(Batch *b, Err *e);

/* save.c: encodes, writes, and appends to the manifest; on the worker's thread. */
void batch_save(void *batch, void *task);
void task_free(Task *t);

/* merge.c: the shards' manifests become one, in the order of the jobs. batch_take_folder() comes before. */
int batch_merge(Batch *b, MergeCount *count, Err *e);

/* sheet.c: what is made of all pictures at the end. */
int batch_extras(Batch *b, Err *e);

#endif
