/*
 * tiles.h - the tile registers (AMX) of the processor: eight of 16 rows of 64 bytes. For kernels; tests/tiles_emulated.h has the same
 * names in C.
 */
#ifndef LIMN_NN_TILES_H
#define LIMN_NN_TILES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileSetup;

/* A thread's tiles, all of the full size; their contents are any until they are loaded. */
static inline void tiles_begin(void)
{
    static const TileSetup all = { .palette = 1,
                                   .bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
                                   .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };
    __asm__ volatile("ldtilecfg %0" ::"m"(all));
}
/* They are given back, so that nobody has to save them. */
static inline void tiles_end(void) { __asm__ volatile("tilerelease"); }
/* Tile t, a number in the source: its rows are `stride` bytes apart. gcc 12's intrinsics do not say that they read memory. */
#define TILE_LOAD(t, from, stride)                                                                                     \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"((const void *)(from)), "r"((size_t)(stride)) : "memory")
#define TILE_STORE(t, to, stride)                                                                                      \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"((void *)(to)), "r"((size_t)(stride)) : "memory")
#define TILE_ZERO(t)            __asm__ volatile("tilezero %tmm" #t)
#define TILE_MULTIPLY(to, a, b) __asm__ volatile("tdpbf16ps %tmm" #b ", %tmm" #a ", %tmm" #to)
/* The same of 8-bit integers with a sign, 64 a row; sums of 32 bits. */
#define TILE_MULTIPLY_I8(to, a, b) __asm__ volatile("tdpbssd %tmm" #b ", %tmm" #a ", %tmm" #to)

#endif
