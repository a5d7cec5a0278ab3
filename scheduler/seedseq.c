/* seedseq.c - see seedseq.h. All arithmetic is modulo 2^32. */
#include "scheduler/seedseq.h"

#include <assert.h>

enum { SHIFT = 16, MAX_KEYS = 8 };

/* One word, hashed with a constant that moves on. */
static uint32_t hash(uint32_t value, uint32_t *constant, uint32_t multiplier)
{
    value ^= *constant;
    *constant *= multiplier;
    value *= *constant;
    return value ^ (value >> SHIFT);
}

static uint32_t join(uint32_t x, uint32_t y)
{
    uint32_t z = 0xca01f9ddu * x - 0x4973f715u * y;
    return z ^ (z >> SHIFT);
}

/* A number as words of 32 bits, the lowest first; 0 is one word. */
static int push(uint32_t *words, int count, uint64_t value)
{
    words[count++] = (uint32_t)value;
    if (value >> 32) words[count++] = (uint32_t)(value >> 32);
    return count;
}

void seedseq(uint32_t *out, int count, uint64_t entropy, const uint64_t *keys, int key_count, int pool)
{
    enum { MOST = SEEDSEQ_MAX_POOL + 2 * MAX_KEYS };
    const uint32_t mult_a = 0x931e8875u, mult_b = 0x58f38dedu;
    uint32_t words[MOST] = { 0 }, state[SEEDSEQ_MAX_POOL], constant = 0x43b0d7e5u;
    assert(pool >= 4 && pool <= SEEDSEQ_MAX_POOL && key_count <= MAX_KEYS);

    int n = push(words, 0, entropy);
    if (key_count) n = pool; /* spawned: the entropy is padded with zeros */
    for (int k = 0; k < key_count; k++) n = push(words, n, keys[k]);

    for (int i = 0; i < pool; i++) state[i] = hash(i < n ? words[i] : 0, &constant, mult_a);
    for (int from = 0; from < pool; from++)
        for (int to = 0; to < pool; to++)
            if (from != to) state[to] = join(state[to], hash(state[from], &constant, mult_a));
    for (int from = pool; from < n; from++)
        for (int to = 0; to < pool; to++) state[to] = join(state[to], hash(words[from], &constant, mult_a));

    constant = 0x8b51f9ddu;
    for (int i = 0; i < count; i++) out[i] = hash(state[i % pool], &constant, mult_b);
}
