/*
 * seedseq.h - numpy's SeedSequence, which torchsde seeds its Brownian trees with: words of entropy hashed into a pool, and
 * numbers drawn from it. Source: numpy/random/bit_generator.pyx; O'Neill 2015, "Developing a seed_seq alternative".
 */
#ifndef LIMN_SCHEDULER_SEEDSEQ_H
#define LIMN_SCHEDULER_SEEDSEQ_H

#include <stdint.h>

enum { SEEDSEQ_MAX_POOL = 24 };

/*
 * out[count] = SeedSequence(entropy, spawn_key=keys[key_count], pool_size=pool).generate_state(count). pool 4 ..
 * SEEDSEQ_MAX_POOL; at most 8 keys.
 */
void seedseq(uint32_t *out, int count, uint64_t entropy, const uint64_t *keys, int key_count, int pool);

#endif
