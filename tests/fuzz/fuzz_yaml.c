/* fuzz_yaml.c - any bytes as a configuration in YAML: an error, or scalars that each can be found by its path. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "weights/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Yaml y;
    Err e = { .text = "" };
    if (yaml_parse(&y, (Bytes){ data, size }, &e))
        assert(strncmp(e.text, "line ", 5) == 0 || size > YAML_MAX_BYTES || memchr(data, 0, size));
    else
        for (size_t i = 0; i < y.count; i++) assert(yaml_get(&y, y.items[i].path) == y.items[i].text);
    yaml_release(&y);
    return 0;
}
