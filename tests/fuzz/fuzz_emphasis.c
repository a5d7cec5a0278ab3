/*
 * fuzz_emphasis.c - any text as a prompt with weights, read as A1111 and as ComfyUI read it: pieces whose weights are finite and
 * whose text is no longer than what was written, or an error.
 */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/emphasis.h"

static void check(Emphasis kind, const char *text)
{
    Pieces p = { 0 };
    Err e = { .text = "" };
    size_t len = 0;
    if (emphasis_parse(kind, text, &p, &e)) {
        assert(e.code == ERR_USAGE && e.text[0]);
    } else {
        for (size_t i = 0; i < p.count; i++) {
            assert(isfinite(p.at[i].weight));
            assert(!p.at[i].brk || (kind == EMPHASIS_A1111 && p.at[i].weight == -1));
            len += strlen(p.at[i].text);
        }
        assert(len <= strlen(text));
        assert(kind != EMPHASIS_NONE || (p.count == 1 && strcmp(p.at[0].text, text) == 0));
    }
    pieces_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    check(EMPHASIS_NONE, text);
    check(EMPHASIS_A1111, text);
    check(EMPHASIS_COMFYUI, text);
    free(text);
    return 0;
}
