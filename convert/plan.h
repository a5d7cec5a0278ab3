/*
 * plan.h - the tensors of a file to be written: their names, and the model's tensors that they are made from. Internal to
 * convert/.
 */
#ifndef LIMN_CONVERT_PLAN_H
#define LIMN_CONVERT_PLAN_H

#include "base/folder.h"
#include "convert/convert.h"
#include "pipeline/parts.h"

enum { PLAN_JOINED = 3 /* query, key and value */ };

typedef struct {
    char *name;
    DType dtype;
    int ndim;
    int64_t shape[WEIGHT_MAX_DIMS];
    const Weight *from[PLAN_JOINED]; /* one after the other along the first dimension; borrowed */
    int count;                       /* of them; 0: it has no numbers */
    bool turned;                     /* rows become columns */
} PlanTensor;

typedef struct {
    PlanTensor *tensors;
    size_t count, cap;
    DType dtype;        /* of all floating-point numbers; DT_COUNT: each its own */
    Str metadata;       /* JSON, an object of texts */
    DType packed;       /* of matrices, as quantise_choice() has it; DT_COUNT: dtype says */
    const Watch *watch; /* who may stop the writing */
} Plan;

void plan_init(Plan *p, const ConvertJob *j, const Watch *w);
void plan_release(Plan *p);

/* A tensor as it is, by another name. Error: its numbers have no place in safetensors, so a precision must be said. */
int plan_add(Plan *p, const char *name, const Weight *t, Err *e);
/* One whose numbers do not matter, as a mark. */
void plan_mark(Plan *p, const char *name);

/* A network in LDM's names behind the prefix. Error: a tensor that has none. */
int plan_back(Plan *p, const char *prefix, const Weights *w, NameTable table, NameShape shape, Err *e);

/* The metadata of a safetensors file, but for hashes of what it was, and what it predicts, in the words of modelspec. */
void plan_metadata(Plan *p, Bytes file, const char *prediction);

/* The same with packed types, into .gguf or safetensors; one that is there is replaced. */
int plan_pack(const Plan *p, const char *path, Converted *made, Err *e);

/* The whole file; the bytes and the hash of it into *made, added and replaced. */
int plan_write(const Plan *p, const Folder *f, const char *name, Converted *made, Err *e);

#endif
