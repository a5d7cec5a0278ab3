/*
 * values.h - the values of a job's fields, as JSON, tables and lines write them, made into what an option takes: 2.0 and 1e3 for
 * whole numbers, TRUE and False, ranges ("1-100", "1-9:2") and lists in text ("1,2,5-8"). Private to batch/.
 */
#ifndef LIMN_BATCH_VALUES_H
#define LIMN_BATCH_VALUES_H

#include "batch/record.h"

/* Returns whether any text is a value of the option, or of a field of the user's own (NULL). */
bool takes_any_text(const Option *o);

/*
 * Whether a table's program has written its word for an empty cell. 1: it has, and the field is to be left out; 0; -1: it may
 * also be meant as text (text: the field takes any), or is a formula's error (ERR_USAGE).
 */
int values_missing(const Field *f, bool text, Err *e);

/* The values of an option's field, each checked. Error (ERR_USAGE): begins with the field's name. */
int values_read(Field *f, Err *e);

#endif
