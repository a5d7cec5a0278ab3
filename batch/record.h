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

/* How a value was written; a cell of a table may be a number, true or a text. */
typedef enum { VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL, VALUE_CELL } ValueKind;

/* Some values in a row: one text, or numbers that are not written out ("1-1000000000" is one span). */
typedef struct {
    char *text; /* NULL: numbers */
    ValueKind kind;
    uint64_t first, step, count;
    uint64_t before; /* values of the field before these */
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
    size_t line;    /* where it begins, from 1 */
    size_t number;  /* among the records, from 1 */
    Field **sorted; /* [count], by name: record_sort() */
} Record;

/* What batch/ asks of the program around it; all may be NULL. */
typedef struct {
    bool (*takes)(
        const Option *o);        /* whether the batch itself has that option: no field of the user's own is called so */
    bool (*cancelled)(void);     /* Ctrl-C: what is at work ends at once with ERR_INTERRUPTED */
    const char *prompt, *output; /* the command line's, which may use fields */
} JobsHost;

void record_release(Record *r);

/* A new field without values; the pointer is good until the next one is added. */
Field *record_add(Record *r, const char *name, size_t len);
void field_add_text(Field *f, const char *text, ValueKind kind);
void field_add_range(Field *f, uint64_t first, uint64_t last, uint64_t step);
void field_clear(Field *f); /* leaves it without values */
void field_rename(Field *f, const char *name);

/* The k-th value, k < f->count. */
void field_value(const Field *f, uint64_t k, Str *out);

/* Once all fields are there: record_find() works from now on. Returns the later of two fields of one name, or NULL. */
const Field *record_sort(Record *r);
Field *record_find(const Record *r, const char *name); /* by name, '_' as '-'; NULL */

bool same_name(const char *a, const char *b); /* '_' counts as '-' */

/*
 * Says what the fields are (options by limn's names and other tools', or the user's own) and reads the options' values (values.h).
 * Sorts the record. Error (ERR_USAGE): a field that a job cannot have, a wrong value, one field twice.
 */
int record_resolve(Record *r, const JobsHost *host, Err *e);

/* Returns whether an option may be a field of a job, and not only stand on the command line. */
bool option_is_field(const Option *o);

/* a * b, and UINT64_MAX where that is too much. */
uint64_t times(uint64_t a, uint64_t b);
uint64_t plus(uint64_t a, uint64_t b);

#endif
