/*
 * made.h - files that limn makes under common names (sheet.png, index.html, report.html, compare.csv, compare.json). Each has a
 * mark (a text, a meta element, a member, a column) for the next run; files without it are not limn's, and stay untouched.
 */
#ifndef LIMN_BASE_MADE_H
#define LIMN_BASE_MADE_H

#include "base/folder.h"

/* The mark of a PNG, as a text of it. */
#define MADE_KEY  "Software"
#define MADE_TEXT "limn"

/* Error: the folder has a file of that name that limn did not make. The name's ending says what marks it. */
int made_check(const Folder *f, const char *name, Err *e);

/* Removes it if limn made it; true: there is none any more. */
bool made_remove(const Folder *f, const char *name);

#endif
