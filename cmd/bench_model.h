/* bench_model.h - limn bench -m MODEL: how near and how fast a model's own pictures are in each precision. */
#ifndef LIMN_CMD_BENCH_MODEL_H
#define LIMN_CMD_BENCH_MODEL_H

#include "cmd/command.h"

/* Prints a table, or JSON; a->words: prompts. */
int bench_model(const Args *a, Err *e);

#endif
