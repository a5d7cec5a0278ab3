/*
 * tiles_emulated.h - tile registers by AVX-512, to the bit what kernels_tiles.inc asks of the processor (its source says how sums
 * are rounded). For tests.
 */
#ifndef LIMN_TESTS_TILES_EMULATED_H
#define LIMN_TESTS_TILES_EMULATED_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef union {
    unsigned char bytes[16][64];
    uint16_t halves[16][32];
    float sums[16][16];
    int32_t ints[16][16];
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

static inline __m512 emulated_number(uint16_t h)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32((int)((uint32_t)h << 16)));
}

static __attribute__((noinline)) void emulated_multiply(int to, int a, int b)
{
    enum { SUBNORMALS_ARE_ZERO = 0x40 };
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | _MM_FLUSH_ZERO_ON | SUBNORMALS_ARE_ZERO);
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    for (int m = 0; m < 16; m++) {
        __m512 even = _mm512_setzero_ps(), odd = even, sum = _mm512_loadu_ps(emulated_tiles[to].sums[m]);
        for (int k = 0; k < 16; k++) {
            __m512i pairs = _mm512_loadu_si512(emulated_tiles[b].bytes[k]);
            const uint16_t *left = &emulated_tiles[a].halves[m][2 * k];
            even = _mm512_fmadd_ps(emulated_number(left[0]), _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)), even);
            odd = _mm512_fmadd_ps(emulated_number(left[1]), _mm512_castsi512_ps(_mm512_and_si512(pairs, upper)), odd);
        }
        _mm512_storeu_ps(emulated_tiles[to].sums[m], _mm512_add_ps(sum, _mm512_add_ps(even, odd)));
    }
    _mm_setcsr(mode);
}

static __attribute__((noinline)) void emulated_multiply_i8(int to, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            int32_t sum = 0;
            for (int k = 0; k < 64; k++)
                sum += (int8_t)emulated_tiles[a].bytes[m][k] * (int8_t)emulated_tiles[b].bytes[k / 4][4 * n + k % 4];
            emulated_tiles[to].ints[m][n] = (int32_t)((uint32_t)emulated_tiles[to].ints[m][n] + (uint32_t)sum);
        }
}

#define TILE_LOAD(t, from, stride) emulated_load(t, from, stride)
#define TILE_STORE(t, to, stride)  emulated_store(t, to, stride)
#define TILE_ZERO(t)               memset(&emulated_tiles[t], 0, sizeof emulated_tiles[t])
#define TILE_MULTIPLY(to, a, b)    emulated_multiply(to, a, b)
#define TILE_MULTIPLY_I8(to, a, b) emulated_multiply_i8(to, a, b)

#endif
