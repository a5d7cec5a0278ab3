/*
 * fields.h - tables of other tools' settings: one row per name, with limn's equivalent. For a value that is not honoured
 * the row says how much that matters.
 */
#ifndef LIMN_AGAIN_FIELDS_H
#define LIMN_AGAIN_FIELDS_H

#include "again/reading.h"

typedef struct {
    const char *key;     /* as the tool writes it; case does not count. Several parted by '|' */
    const char *to;      /* an option of limn's; "@model", "@size", ...: fields.c; NULL: it is not honoured */
    const char *neutral; /* "|0|false|": values with which nothing is lost; "*": all; NULL: none */
    Matters how;
    const char *says; /* why it is not honoured */
} Field;

/* The row of a key; NULL: it is none of the table's, which ends with a key of NULL. */
const Field *fields_find(const Field *table, const char *key);

/* Returns whether nothing is lost with that value, and it is not taken over. */
bool fields_neutral(const Field *f, const char *value);

/* Takes the value of a key over as its row says. A key of no row is remembered as unknown. */
void fields_read(const Field *table, Reading *r, const char *key, const char *value);

#endif
