/*
 * targets.h - the fuzz targets in one program (tests/test_corpus.c). The Makefile writes the table from the files that are there.
 */
#ifndef LIMN_TESTS_FUZZ_TARGETS_H
#define LIMN_TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

typedef int (*FuzzFn)(const uint8_t *data, size_t size);

typedef struct {
    const char *name; /* "fuzz_png" */
    FuzzFn run;
} FuzzTarget;

extern const FuzzTarget fuzz_targets[]; /* ends with a name of NULL */

#endif
