/* fuzz_load.c - a picture that a user starts from: PNG, JPEG or WebP of any bytes, turned upright. */
#include <stdint.h>

#include "image/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { PIXELS = 1 << 16 }; /* large pictures only cost time */
    Bytes file = { data, size };
    Image im;
    const char *note;
    Err e;
    int w, h;
    if (image_decode_size(file, &w, &h, &e) || (int64_t)w * h > PIXELS) return 0;
    if (image_decode(file, &im, &note, &e) == 0) image_release(&im);
    return 0;
}
