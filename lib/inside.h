/*
 * inside.h - the contents of limn.h's handles. For lib/ and for the program's own server, which draws through them and uses Job
 * directly.
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

/*
 * Returns whether the library accepts the option: those that affect the picture, and of the run those not about files and
 * messages.
 */
bool job_option_here(const Option *o);

/* The model that is open; NULL: none is. */
const Model *limn_model(const limn *l);

/*
 * The reserve of small memory (limn_on_no_memory()): `spent` counts how often it was needed. A call that finds the count higher
 * than it was at its beginning has lost what it could not get, and fails. Error: it cannot be had again.
 */
int memory_ready(unsigned *spent, Err *e);
bool memory_spent(unsigned since);

/* Converts limn's error to the caller's; if the reserve was used since, that is the error. Returns 0 or -1. */
int outcome(int failed, unsigned since, const Err *from, limn_error *e);

#endif
