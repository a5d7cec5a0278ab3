/*
 * merge.h - limn merge: makes a checkpoint from several, tensor by tensor: a weighted sum (including A + x (B - C)), with
 * adapters merged in. Only a piece of a tensor is in memory at a time.
 */
#ifndef LIMN_PIPELINE_MERGE_H
#define LIMN_PIPELINE_MERGE_H

#include "pipeline/job.h"
#include "pipeline/watch.h"
#include "weights/weights.h"

enum { MERGE_MOST = 8 };

typedef struct {
    const char *path
        [MERGE_MOST]; /* single files; the first says which tensors there are, of what type, and brings its metadata */
    double weight[MERGE_MOST];
    int count;
    const Job *job; /* its adapters are merged in, with their strengths as for drawing */
    const char *to; /* .safetensors or .gguf; never one of the inputs */
    DType type;     /* of matrices, where retype */
    bool retype;
    const Watch *watch;
    void (*progress)(void *ctx, double share); /* with the watch's ctx; NULL */
} Merge;

/* *notes: lines for a person. Error: names what does not fit together; then nothing is written. */
int merge_run(const Merge *m, Str *notes, Err *e);

#endif
