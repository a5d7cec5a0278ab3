/* png_mutate.h - a change to a PNG that leaves its checksums right, so that what lies behind them is reached too. */
#ifndef LIMN_TESTS_FUZZ_PNG_MUTATE_H
#define LIMN_TESTS_FUZZ_PNG_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "image/png_chunk.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max);
    for (size_t at = PNG_SIGNATURE, n; seed % 16 && size >= at && size - at >= PNG_CHUNK; at += PNG_CHUNK + n) {
        n = png_u32(data + at);
        if (n > size - at - PNG_CHUNK) break;
        uint32_t crc = png_crc32(data + at + 4, n + 4);
        for (int i = 0; i < 4; i++) data[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    }
    return size;
}

#endif
