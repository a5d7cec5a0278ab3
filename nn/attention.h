/*
 * attention.h - what a kernel set does of attention. Private to nn/.
 *
 * First every block of keys of a head is packed, once; then blocks of queries are attended to, in any order on any thread.
 * Neither a block's size nor a query's place in it changes the bits of its result.
 */
#ifndef LIMN_NN_ATTENTION_H
#define LIMN_NN_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>

/* One head of one picture: d columns of wider rows, which are `stride` floats apart. */
typedef struct {
    const float *q, *k, *v;
    float *out;
    size_t q_stride, k_stride, v_stride, out_stride;
    size_t queries, keys, d;
    bool causal;   /* query i sees keys 0 .. i */
    float *packed; /* packed_floats() of them, aligned to 64 bytes */
} AttentionHead;

typedef struct {
    size_t queries, keys; /* of one block, at most */
    size_t (*packed_floats)(size_t keys, size_t d);
    size_t (*scratch_floats)(size_t d);                                   /* what attend() needs, a thread */
    void (*pack)(const AttentionHead *h, size_t first);                   /* keys from `first` on, one block */
    void (*attend)(const AttentionHead *h, size_t first, float *scratch); /* queries from `first` on, one block */
} AttentionKernel;

#endif
