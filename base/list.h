/*
 * list.h - "a, b, c" as its values. A value with a comma in it stands in double quotes, in which "" is a quote (RFC 4180).
 */
#ifndef LIMN_BASE_LIST_H
#define LIMN_BASE_LIST_H

#include "base/err.h"

typedef struct {
    char **items; /* heap */
    int count;
} List;

/* Spaces around a value do not count. Error: an empty value, a quote that does not end; then the list is empty. */
int list_split(List *l, const char *text, Err *e);
void list_release(List *l);

enum { LIST_MOST_COUNTS = 1000 }; /* numbers that ranges may stand for */

/* The same, where a value may be a range of whole numbers: "1-4" stands for 1, 2, 3, 4 and "5-20:5" for 5, 10, 15, 20. */
int list_split_counts(List *l, const char *text, Err *e);

#endif
