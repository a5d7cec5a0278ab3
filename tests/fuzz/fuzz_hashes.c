/*
 * fuzz_hashes.c - hashes.json of any bytes: whatever it says, a model's hash is 64 hexadecimal digits, and the file is
 * JSON afterwards.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "pipeline/model.h"
#include "tests/fuzz/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Model *m;
    Err e;
    if (!m) {
        m = model_open(&(ModelPaths){ .path = "tests/golden/pipeline/sd1", .no_weights = true }, &e);
        if (!m) abort();
        setenv("XDG_CACHE_HOME", work_folder(), 1);
    }
    work_file("limn/hashes.json", data, size);
    m->sha256[0] = 0;
    m->looked = false;
    if (model_hash(m, &e) || strlen(m->sha256) != 64) abort();
    return 0;
}
