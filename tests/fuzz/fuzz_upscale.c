/* fuzz_upscale.c - an upscaler of any bytes; where it opens, one small picture through it. */
#include <stdint.h>

#include "tests/fuzz/work.h"
#include "upscale/upscale.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t pixels[5 * 3 * 3] = { 9 };
    Image in = { .w = 5, .h = 3, .rgb = pixels }, out;
    Err e;
    Upscaler *u = upscaler_open(work_file("x.safetensors", data, size), &e);
    if (u && upscaler_run(u, &in, &(UpscaleHow){ .threads = 1 }, &out, &e) == 0) image_release(&out);
    upscaler_free(u);
    work_remove("x.safetensors");
    return 0;
}
