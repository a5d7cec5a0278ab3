/*
 * memo.h - first evaluations of the UNet that runs share: runs from the same noise, prompt and first timestep begin with the
 * same one, whatever their sampler and number of steps.
 */
#ifndef LIMN_PIPELINE_MEMO_H
#define LIMN_PIPELINE_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/tensor.h"

/* A Memo serves the runs of one model, on one kernel row, with one set of options of the network (padding). */
typedef struct Memo Memo;

/* SHA-256 of all that the network is given. */
typedef struct {
    uint8_t digest[32];
} MemoKey;

/* Keeps at most so many evaluations; what was used longest ago goes first. */
Memo *memo_new(int entries);
void memo_free(Memo *m);

/*
 * x [n, h, w, c], context [n, tokens, 1, width], cond [cond_len] or NULL; way: whatever else the evaluation depends on
 * (precision, tiling), as the caller numbers it.
 */
MemoKey memo_key(Tensor x, float t, Tensor context, const float *cond, size_t cond_len, unsigned way);

/* Copies what was kept to out; false: there is nothing of that key. */
bool memo_get(Memo *m, const MemoKey *key, Tensor out);
void memo_put(Memo *m, const MemoKey *key, Tensor out);

/* How often memo_get() has saved an evaluation. */
int memo_hits(const Memo *m);

#endif
