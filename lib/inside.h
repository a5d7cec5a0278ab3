/*
 * inside.h - what limn.h's handles hold. For lib/ and for the program's own server, which draws through them: there a job is a Job.
 */
#ifndef LIMN_LIB_INSIDE_H
#define LIMN_LIB_INSIDE_H

#include "image/image.h"
#include "lib/limn.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/* A file in memory that jobs share. */
typedef struct HeldFile HeldFile;

struct limn_job {
    Job job;
    HeldFile **files;
    size_t file_count;
};

struct limn_picture {
    uint8_t *pixels; /* [h, w, channels] */
    int w, h, channels;
    Bytes png; /* heap */
    uint64_t seed;
    char *settings, *infotext;
    Job told; /* the job of this one picture */
};

/* A job that begins as j; limn_job_free() it. */
limn_job *job_of(const Job *j);

/* Returns whether the library takes the option: what says what is drawn, and of the run what concerns more than files and words. */
bool job_option_here(const Option *o);

/* The model that is open; NULL: none is. */
const Model *limn_model(const limn *l);

/*
 * The reserve of small memory (limn_on_no_memory()): `spent` counts how often it was needed. A call that finds the count higher than it was
 * at its beginning has lost what it could not get, and fails. Error: it cannot be had again.
 */
int memory_ready(unsigned *spent, Err *e);
bool memory_spent(unsigned since);

/* The caller's error from limn's own; whatever it was, where the reserve was spent since, that is the error. Returns 0 or -1. */
int outcome(int failed, unsigned since, const Err *from, limn_error *e);

#endif
