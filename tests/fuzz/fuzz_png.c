/* fuzz_png.c - PNG texts, pixels and limn's JSON from any bytes; the checksums are made right. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "image/png.h"
#include "image/png_chunk.h"
#include "pipeline/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));

/* A change leaves the checksums right, so that what lies behind them is reached too. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max);
    for (size_t at = PNG_SIGNATURE, n; seed % 16 && size - at >= PNG_CHUNK && size >= at; at += PNG_CHUNK + n) {
        n = png_u32(data + at);
        if (n > size - at - PNG_CHUNK) break;
        uint32_t crc = png_crc32(data + at + 4, n + 4);
        for (int i = 0; i < 4; i++) data[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes file = { data, size };
    PngTexts texts;
    Err e;
    int w, h;
    if (png_read_texts(file, &texts, &w, &h, &e) == 0) {
        const char *json = png_text(&texts, METADATA_KEY);
        Job j;
        Origin from;
        if (json && metadata_parse(json, &j, &from, &e) == 0) job_release(&j);
        png_texts_release(&texts);
    }

    /* a broken text does not matter to the pixels; large pictures only cost time */
    bool small = size > 24 && !data[16] && !data[17] && !data[20] && !data[21];
    Image im;
    if (small && png_decode(file, &im, &e) == 0) image_release(&im);
    return 0;
}
