/*
 * record.h - one entry of a job file: fields with a value or a list of values, before the product of the lists is made.
 */
#ifndef LIMN_BATCH_RECORD_H
#define LIMN_BATCH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "pipeline/job.h"

/* Some values in a row: one text, or numbers that are not written out ("1-1000000000" is one span). */
typedef struct {
    char *text; /* NULL: numbers */
    uint64_t first, step, count;
} Span;

typedef struct {
    char *name;           /* as written; an option's own name once it is known to be one */
    const Option *option; /* NULL: a field of the user's own */
    Span *spans;
    size_t span_count;
    uint64_t count; /* of values; at most UINT64_MAX, which stands for "or more" */
    bool used;      /* by a prompt or a name */
} Field;

typedef struct {
    Field *fields;
    size_t count;
    size_t line;   /* where it begins, from 1 */
    size_t number; /* among the records, from 1 */
} Record;

void record_release(Record *r);

/* A new field without values; the pointer is good until the next one is added. */
Field *record_add(Record *r, const char *name, size_t len);
void field_add_text(Field *f, const char *text);
void field_add_range(Field *f, uint64_t first, uint64_t last, uint64_t step);

Field *record_find(const Record *r, const char *name); /* by name, '_' as '-'; NULL */

/* The k-th value, k < f->count. */
void field_value(const Field *f, uint64_t k, Str *out);

/*
 * Says what the fields are: options by limn's names and A1111's, ranges ("1-100", "1-9:2") and lists in text ("1,2,5-8")
 * where an option is a number. Checks every value that is written out. Error (ERR_USAGE): a field that a job cannot have, a
 * wrong value, one field twice.
 */
int record_resolve(Record *r, Err *e);

/* Whether an option may be a field of a job, and not only stand on the command line. */
bool option_is_field(const Option *o);

/* a * b, and UINT64_MAX where that is too much. */
uint64_t times(uint64_t a, uint64_t b);
uint64_t plus(uint64_t a, uint64_t b);

#endif
