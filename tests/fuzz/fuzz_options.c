/*
 * fuzz_options.c - the first byte chooses an option, the rest is its text: what is accepted is accepted again as it is
 * written. Also lists.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/slug.h"
#include "base/str.h"
#include "pipeline/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const Option *o, const char *text)
{
    Job job, again;
    Err e;
    Str value = { 0 };
    job_init(&job);
    job_init(&again);
    if (job_set(&job, o, text, &e) == 0 && job_get(&job, o, &value) && job_set(&again, o, str_text(&value), &e)) {
        fprintf(stderr, "--%s \"%s\" -> \"%s\": %s\n", o->name, text, str_text(&value), e.text);
        abort();
    }
    str_release(&value);
    job_release(&job);
    job_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    Err e;
    List list;
    Str slugs = { 0 };
    if (!size) return 0;
    while (job_options[count].name) count++;
    char *text = mem_strndup((const char *)data + 1, size - 1);
    there_and_back(&job_options[data[0] % count], text);
    list_split(&list, text, &e);
    list_release(&list);
    slug_add(&slugs, text, true);
    slug_add(&slugs, text, false);
    str_release(&slugs);
    free(text);
    return 0;
}
