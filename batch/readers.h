/* readers.h - the formats of jobs.h, each as what takes the next record off a cursor. Private to batch/. */
#ifndef LIMN_BATCH_READERS_H
#define LIMN_BATCH_READERS_H

#include "batch/jobs.h"

/* Where a reader is. */
typedef struct {
    const char *at, *end;
    size_t line;    /* of `at`, from 1 */
    bool first;     /* nothing was read yet */
    bool array;     /* json: within [ ] */
    Record columns; /* csv: the header's names */
    char separator; /* csv */
} Cursor;

/* Each returns 1 with a record (fields as they are written), 0 at the end, -1. c->line is where the blame goes on an error. */
int read_jsonl(Cursor *c, Record *out, Err *e);
int read_json(Cursor *c, Record *out, Err *e);
int read_csv(Cursor *c, Record *out, Err *e);
int read_txt(Cursor *c, Record *out, Err *e);

static inline bool is_space(int c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* The next line without its end, false at the end of the text. *start: its line. */
bool next_line(Cursor *c, Bytes *line);

/* Error: so many bytes are too many for a record. */
int check_record(Bytes text, Err *e);

#endif
