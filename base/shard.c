/*
 * shard.c - see shard.h. What the job arrays say: Slurm's sbatch(1) "OUTPUT ENVIRONMENT VARIABLES"; Kubernetes, "Indexed Job";
 * AWS Batch, "Job environment variables"; qsub(1) of Grid Engine, PBS Professional, LSF and GNU parallel.
 */
#include "base/shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *who;
    const char *at;    /* this task's number */
    const char *first; /* of the first task, a variable; NULL: `base` */
    uint64_t base;
    const char *step;  /* from task to task; NULL: 1 */
    const char *count; /* of tasks; NULL: none is said */
    const char *last;  /* else the last task's number */
} arrays[] = {
    { "Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", 0, "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT",
      "SLURM_ARRAY_TASK_MAX" },
    { "Kubernetes", "JOB_COMPLETION_INDEX", NULL, 0, NULL, "JOB_COMPLETIONS", NULL },
    { "AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", NULL, 0, NULL, "AWS_BATCH_JOB_ARRAY_SIZE", NULL },
    { "Grid Engine", "SGE_TASK_ID", "SGE_TASK_FIRST", 1, "SGE_TASK_STEPSIZE", NULL, "SGE_TASK_LAST" },
    { "LSF", "LSB_JOBINDEX", NULL, 1, "LSB_JOBINDEX_STEP", NULL, "LSB_JOBINDEX_END" },
    { "PBS", "PBS_ARRAY_INDEX", NULL, 1, NULL, NULL, NULL },
    { "GNU parallel", "PARALLEL_SEQ", NULL, 1, NULL, NULL, NULL },
};

enum { ARRAYS = sizeof arrays / sizeof *arrays };

static const char count_variable[] = "LIMN_SHARDS"; /* where the array does not say how many there are */

static bool whole(const char *text, uint64_t *out)
{
    if (!text || !*text || text[strspn(text, "0123456789")] || strlen(text) > 18) return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

/* A variable as a number. 1; 0: not set (Grid Engine says "undefined"); -1: something else. */
static int number(const char *name, uint64_t *out, Err *e)
{
    const char *text = name ? getenv(name) : NULL;
    if (!text || !*text || strcmp(text, "undefined") == 0) return 0;
    return whole(text, out) ? 1 : err_usage(e, "--shard auto: %s is \"%.60s\", a whole number is expected", name, text);
}

static int check(Shard *s, const char *what, Err *e)
{
    if (s->of < 1 || s->of > SHARD_MAX)
        return err_usage(e, "%s: 1 to %d shards are expected, not %llu", what, SHARD_MAX, (unsigned long long)s->of);
    if (s->at < 1 || s->at > s->of)
        return err_usage(e, "%s: %llu is not one of the shards 1 to %llu", what, (unsigned long long)s->at,
                         (unsigned long long)s->of);
    return 0;
}

static int from_array(Shard *s, int i, uint64_t at, Err *e)
{
    uint64_t first = arrays[i].base, step = 1, last = 0;
    int has_count, has_last;
    if (number(arrays[i].first, &first, e) < 0 || number(arrays[i].step, &step, e) < 0) return -1;
    if (!step) step = 1;
    has_count = number(count_variable, &s->of, e);
    if (has_count == 0) has_count = number(arrays[i].count, &s->of, e);
    has_last = has_count == 0 ? number(arrays[i].last, &last, e) : 0;
    if (has_count < 0 || has_last < 0) return -1;
    if (has_last && last >= first) s->of = (last - first) / step + 1;
    if (!has_count && !has_last)
        return err_usage(e, "--shard auto: %s says which task this is (%s=%llu) and not of how many; set %s",
                         arrays[i].who, arrays[i].at, (unsigned long long)at, count_variable);
    if (at < first || (at - first) % step)
        return err_usage(e, "--shard auto: %s=%llu does not fit the array's first task (%llu) and step (%llu)",
                         arrays[i].at, (unsigned long long)at, (unsigned long long)first, (unsigned long long)step);
    s->at = (at - first) / step + 1;
    if (s->at > s->of)
        return err_usage(
            e, "--shard auto: %s=%llu in an array of %llu: its tasks must follow on each other; --shard I/N says it",
            arrays[i].at, (unsigned long long)at, (unsigned long long)s->of);
    return check(s, "--shard auto", e);
}

void shard_variables(Str *out)
{
    for (int i = 0; i < ARRAYS; i++) str_addf(out, "%s%s", i ? ", " : "", arrays[i].at);
}

int shard_parse(Shard *s, const char *text, Err *e)
{
    *s = (Shard){ 1, 1 };
    if (!text) return 0;
    if (strcmp(text, "auto") == 0) {
        for (int i = 0; i < ARRAYS; i++) {
            uint64_t at = 0;
            int got = number(arrays[i].at, &at, e);
            if (got) return got < 0 ? -1 : from_array(s, i, at, e);
        }
        Str names = { 0 };
        shard_variables(&names);
        err_usage(e, "--shard auto: this is no task of a job array: none of %s is set", str_text(&names));
        str_release(&names);
        return -1;
    }
    const char *slash = strchr(text, '/');
    char at[24] = "";
    if (slash && (size_t)(slash - text) < sizeof at) memcpy(at, text, (size_t)(slash - text));
    if (!slash || !whole(at, &s->at) || !whole(slash + 1, &s->of))
        return err_usage(e, "--shard: \"%.60s\" is neither I/N (such as 1/8) nor auto", text);
    return check(s, "--shard", e);
}

bool shard_has(const Shard *s, uint64_t index) { return (index - 1) % s->of == s->at - 1; }
