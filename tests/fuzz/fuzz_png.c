/* fuzz_png.c - PNG texts, pixels and limn's JSON from any bytes; the checksums are made right. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "image/png.h"
#include "pipeline/metadata.h"
#include "tests/fuzz/png_mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
