/* fuzz_store.c - compare's record of a cell, and --latents, of any bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compare/store.h"
#include "pipeline/latents.h"
#include "tests/fuzz/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY  "0123456789ab"
#define CELL "cells/x-" KEY ".png"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Store store;
    Err e;
    Drawn drawn;
    if (!store.folder.path) {
        uint8_t pixel[3] = { 0 };
        Bytes png;
        if (store_open(&store, work_folder(), &e) ||
            png_encode(&(Image){ .w = 1, .h = 1, .rgb = pixel }, NULL, 0, &png, &e))
            abort();
        work_file(CELL, png.data, png.len);
        free((void *)(size_t)png.data);
    }
    const char *path = work_file("cells/latents/x-" KEY ".safetensors", data, size);
    free(latents_read(path, (Tensor){ .n = 1, .h = 2, .w = 2, .c = 4 }, &e));
    if (store_read(&store, CELL, KEY, &drawn)) drawn_release(&drawn);
    return 0;
}
