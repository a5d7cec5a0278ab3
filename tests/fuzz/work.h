/*
 * work.h - files for targets whose reader wants a path: a folder of the process's own, in memory where there is such a place; it goes
 * as the process ends.
 */
#ifndef LIMN_TESTS_FUZZ_WORK_H
#define LIMN_TESTS_FUZZ_WORK_H

#include <stddef.h>

/* The folder; the first call makes it. */
const char *work_folder(void);

/* Writes FOLDER/name (folders on the way are made); returns its path, which the next call overwrites. */
const char *work_file(const char *name, const void *data, size_t size);

void work_remove(const char *name);

#endif
