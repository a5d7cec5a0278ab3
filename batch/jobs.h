/*
 * jobs.h - a file of jobs, read record by record: .jsonl (an object a line), .json (an array of them), .csv (fields named in the
 * first line), .txt (a prompt a line, or A1111's `--prompt "..." --steps 20`). Only one record is in memory at a time.
 */
#ifndef LIMN_BATCH_JOBS_H
#define LIMN_BATCH_JOBS_H

#include "base/err.h"
#include "base/file.h"
#include "batch/record.h"

typedef enum { JOBS_JSONL, JOBS_JSON, JOBS_CSV, JOBS_TXT } JobsFormat;

enum { JOBS_MAX_RECORD = 8 << 20 }; /* bytes: a prompt of JOB_MAX_TEXT, every character of it escaped */

typedef struct Jobs Jobs;

/*
 * host may be NULL. path: a file, or "-" for stdin. format: "auto" (the name's ending, or else the first character), or a name of JobsFormat in
 * small letters. The text is read once, in any encoding that text.h knows: what becomes of the file later is nothing to these jobs.
 */
Jobs *jobs_open(const char *path, const char *format, const JobsHost *host, Err *e);
/* The same from memory. name: for messages. */
Jobs *jobs_of(Bytes text, JobsFormat format, const char *name, const JobsHost *host, Err *e);
void jobs_free(Jobs *j);

const char *jobs_name(const Jobs *j); /* for messages: the path, or "stdin" */

/*
 * The next record, with its fields resolved (record_resolve()); record_release() frees, also after an error. Returns 1, 0 at the
 * end, or -1: the error (ERR_USAGE) begins with file and line.
 */
int jobs_next(Jobs *j, Record *out, Err *e);
/* The same as it is written, for tables of something else than jobs: no field is an option. */
int jobs_next_row(Jobs *j, Record *out, Err *e);
void jobs_rewind(Jobs *j);

/* "jobs.csv:12: " before the error. Returns -1. */
int jobs_blame(const Jobs *j, size_t line, Err *e);

#endif
