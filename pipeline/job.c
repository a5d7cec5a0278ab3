/*
 * job.c - the table of options, see job.h. To add an option: a field in Job and a row in the file of its kind; what its type
 * alone cannot check is a function in job_checks.c. Pictures and keys hold the options in the order of the rows.
 */
#include "pipeline/job_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/control_line.h"
#include "pipeline/embeddings.h"
#include "pipeline/loras.h"
#include "pipeline/regions.h"
#include "pipeline/precision.h"
#include "pipeline/selfs.h"
#include "weights/quantise.h"
#include "scheduler/names.h"

#define JOB(field) offsetof(Job, field)

enum { RUN = false, PICTURE = true };

/* clang-format off */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* a row without aliases ends with its help */
const Option job_options[] = {
#include "pipeline/options_what.inc"
#include "pipeline/options_how.inc"
#include "pipeline/options_run.inc"
    { .name = NULL },
};
#pragma GCC diagnostic pop
/* clang-format on */

void job_init(Job *j)
{
    *j = (Job){ .negative_prompt = mem_strdup("") };
    for (const Option *o = job_options; o->name; o++) {
        Err e;
        if (o->type == OPT_FLOAT && !o->dflt) *(double *)option_field(j, o) = -1; /* open, as job.h's fields say */
        int failed = o->dflt && job_set(j, o, o->dflt, &e);
        assert(!failed); /* a default is inside its own option's range */
        (void)failed;
    }
}

void job_release(Job *j)
{
    for (const Option *o = job_options; o->name; o++)
        if (option_is_text(o)) free(*(char **)option_field(j, o));
    *j = (Job){ 0 };
}
