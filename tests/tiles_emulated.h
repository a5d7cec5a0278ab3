/* tiles_emulated.h - tile registers in C, to the bit what kernels_tiles.inc asks of the processor. For tests. */
#ifndef LIMN_TESTS_TILES_EMULATED_H
#define LIMN_TESTS_TILES_EMULATED_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef union {
    unsigned char bytes[16][64];
    uint16_t halves[16][32];
    float sums[16][16];
} EmulatedTile;

static _Thread_local EmulatedTile emulated_tiles[8];

static inline void tiles_begin(void) { memset(emulated_tiles, 0, sizeof emulated_tiles); }
static inline void tiles_end(void) {}

static inline void emulated_load(int t, const void *from, size_t stride)
{
    for (size_t i = 0; i < 16; i++) memcpy(emulated_tiles[t].bytes[i], (const char *)from + i * stride, 64);
}

static inline void emulated_store(int t, void *to, size_t stride)
{
    for (size_t i = 0; i < 16; i++) memcpy((char *)to + i * stride, emulated_tiles[t].bytes[i], 64);
}

/* Subnormals are zeros of their sign. */
static inline float emulated_flush(float x) { return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x; }

static inline float emulated_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return emulated_flush(x);
}

static inline void emulated_multiply(int to, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            float part[2] = { 0 };
            for (int k = 0; k < 16; k++)
                for (int j = 0; j < 2; j++)
                    part[j] = emulated_flush(fmaf(emulated_bf16(emulated_tiles[a].halves[m][2 * k + j]),
                                                  emulated_bf16(emulated_tiles[b].halves[k][2 * n + j]), part[j]));
            float *sum = &emulated_tiles[to].sums[m][n];
            *sum = emulated_flush(emulated_flush(*sum) + emulated_flush(part[0] + part[1]));
        }
}

#define TILE_LOAD(t, from, stride) emulated_load(t, from, stride)
#define TILE_STORE(t, to, stride)  emulated_store(t, to, stride)
#define TILE_ZERO(t)               memset(&emulated_tiles[t], 0, sizeof emulated_tiles[t])
#define TILE_MULTIPLY(to, a, b)    emulated_multiply(to, a, b)

#endif
