/* cores.c - see cores.h. */
#define _GNU_SOURCE /* sched_getaffinity() */
#include "base/cores.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/groups.h"
#include "base/str.h"

enum { MAX_CORES = 1 << 16 }; /* Linux itself has 8192 at most */

/* The first line of a group's file; false: it is not there. */
static bool line_of(const char *dir, const char *file, char line[64])
{
    Str path = { 0 };
    str_addf(&path, "%s/%s", dir, file);
    FILE *f = fopen(path.s, "r");
    bool read = f && fgets(line, 64, f);
    if (f) fclose(f);
    str_release(&path);
    return read;
}

static void see_group(void *ctx, bool second, const char *dir)
{
    char line[64], more[64];
    long long quota = 0, period = 0;
    int *least = ctx;
    if (second) { /* "max 100000" is no limit */
        if (!line_of(dir, "cpu.max", line) || sscanf(line, "%lld %lld", &quota, &period) != 2) return;
    } else { /* -1 is no limit */
        if (!line_of(dir, "cpu.cfs_quota_us", line) || !line_of(dir, "cpu.cfs_period_us", more)) return;
        if (sscanf(line, "%lld", &quota) != 1 || sscanf(more, "%lld", &period) != 1) return;
    }
    if (quota <= 0 || period <= 0 || quota / period >= MAX_CORES) return;
    int cores = (int)(quota / period + (quota % period != 0));
    if (!*least || cores < *least) *least = cores;
}

int cores_granted_under(const char *root)
{
    int least = 0;
    groups_each(root, "cpu", see_group, &least);
    return least;
}

/* Those that the process may run on. */
static int cores_to_run_on(void)
{
    cpu_set_t *set = CPU_ALLOC(MAX_CORES);
    size_t bytes = CPU_ALLOC_SIZE(MAX_CORES);
    int count = set && sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    if (set) CPU_FREE(set);
    if (count > 0) return count;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int cores_allowed(void)
{
    int run = cores_to_run_on(), granted = cores_granted_under("");
    return granted && granted < run ? granted : run;
}
