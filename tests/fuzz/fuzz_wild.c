/* fuzz_wild.c - wildcard files a.txt, b.txt, c/d.txt and prompts, cut at NUL; the first byte is the mode. */
#include <stdint.h>
#include <string.h>

#include "batch/expand.h"
#include "tests/fuzz/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PICTURES = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const files[] = { "a.txt", "b.txt", "c/d.txt" };
    if (!size) return 0;
    const uint8_t *at = data + 1, *end = data + size;
    for (int i = 0; i < 3; i++) {
        const uint8_t *nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
        if (!nul) nul = end;
        work_file(files[i], at, (size_t)(nul - at));
        at = nul < end ? nul + 1 : end;
    }
    Err e;
    Item item;
    Job defaults;
    NamePlan names;
    ExpandMode mode = (ExpandMode)(data[0] % 3);
    job_init(&defaults);
    name_plan(&names, NULL, "x.txt", &e);
    Wildcards *wildcards = wildcards_new(work_folder(), mode, NULL);
    Jobs *jobs = jobs_of((Bytes){ at, (size_t)(end - at) }, JOBS_TXT, "x", NULL, &e);
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
