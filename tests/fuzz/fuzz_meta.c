/* fuzz_meta.c - limn's JSON in a PNG, there and back: what was read is written so that it reads as the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    Job job, again;
    Origin from, back;
    Err e;
    if (metadata_parse(text, &job, &from, &e) == 0) {
        Model m = { .name = from.model, .path = (char *)(size_t) "x" };
        Str one = { 0 }, two = { 0 }, a1111 = { 0 };
        metadata_json(&job, &m, job.seed, &one);
        metadata_a1111(&job, &m, job.seed, &a1111);
        if (metadata_parse(one.s, &again, &back, &e)) {
            fprintf(stderr, "not read again: %s\n%s\n", e.text, one.s);
            abort();
        }
        m.name = back.model;
        metadata_json(&again, &m, again.seed, &two);
        if (strcmp(one.s, two.s) != 0) abort();
        job_release(&again);
        job_release(&job);
        str_release(&one);
        str_release(&two);
        str_release(&a1111);
    }
    free(text);
    return 0;
}
