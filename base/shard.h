/*
 * shard.h - which part of some work is this process's: every piece belongs to one shard, by its number alone, so that shards are
 * disjoint and complete in whatever order they run.
 */
#ifndef LIMN_BASE_SHARD_H
#define LIMN_BASE_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef struct {
    uint64_t at, of; /* 1 .. of; of 1: everything */
} Shard;

enum { SHARD_MAX = 100000 };

/*
 * "3/8", or "auto": the place in a job array of whatever runs this (Slurm, Kubernetes, AWS Batch, SGE, PBS, LSF, GNU parallel),
 * from the environment. NULL: everything. Error (ERR_USAGE): neither, or a variable that is missing.
 */
int shard_parse(Shard *s, const char *text, Err *e);

/* index: of a piece, from 1. */
bool shard_has(const Shard *s, uint64_t index);

/* "auto" without a job array, and what the variables are called, for --help and errors. */
void shard_variables(Str *out);

#endif
