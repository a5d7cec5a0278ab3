/* fuzz_jobs.c - a file of jobs, its choices and its names, from any bytes. The first byte chooses the format and the mode. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "batch/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PICTURES = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    Err e;
    Item item;
    Job defaults;
    NamePlan names;
    ExpandMode mode = (ExpandMode)(data[0] / 4 % 3);
    job_init(&defaults);
    name_plan(&names, data[0] & 64 ? "out/{id}-{seed}{prompt_slug}{colour:04}.png" : NULL, "x.jsonl", &e);
    Wildcards *wildcards = wildcards_new("tests/fuzz", mode, NULL);
    Jobs *jobs = jobs_of((Bytes){ data + 1, size - 1 }, (JobsFormat)(data[0] % 4), "x", NULL, &e);
    Setup setup = { &defaults, wildcards, mode, &names, "2026-11-22", NULL };
    Plan *plan = jobs ? plan_new(jobs, &setup) : NULL;
    for (int i = 0; plan && i < PICTURES && plan_next(plan, &item, &e) > 0; i++) item_release(&item);
    plan_free(plan);
    jobs_free(jobs);
    wildcards_free(wildcards);
    name_plan_release(&names);
    job_release(&defaults);
    return 0;
}
