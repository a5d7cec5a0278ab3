/* read.c - see read.h. */
#include "weights/read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "weights/gguf.h"
#include "weights/safetensors.h"
#include "weights/scales.h"

int weights_read(Weights *w, Bytes file, Err *e)
{
    if (gguf_is(file)) return gguf_read(w, file, e);
    return safetensors_read(w, file, e) || scales_fold(w, file, e) ? -1 : 0;
}

char *weights_metadata(Bytes file, const char *key)
{
    return gguf_is(file) ? gguf_metadata(file, key) : safetensors_metadata(file, key);
}

char **weights_texts(Bytes file) { return gguf_is(file) ? gguf_texts(file) : safetensors_texts(file); }

void weights_texts_free(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++) free(texts[i]);
    free(texts);
}

size_t weights_ending(const char *name)
{
    static const char *const ends[] = { ".safetensors", ".gguf" };
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (len > n && strcasecmp(name + len - n, ends[i]) == 0) return n;
    }
    return 0;
}
