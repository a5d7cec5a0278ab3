/*
 * mem_free.c - mem_available() and mem_free() of mem.h. A process's memory is limited by its control group and by every group
 * above it, of version 1 (memory.limit_in_bytes) or 2 (memory.max, memory.high): batch systems, containers and systemd use them
 * so. What such a group holds of files can be dropped and counts as free. Source: Linux, Documentation/admin-guide/cgroup-v2.rst
 * and cgroup-v1/memory.rst.
 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/groups.h"
#include "base/str.h"

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* The number after `key` in a file of "key value" lines, or the first number where key is "". False: not there. */
static bool number_in(const char *path, const char *key, size_t *out)
{
    char line[256];
    unsigned long long v = 0;
    bool found = false;
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f))
        if (str_starts(line, key)) found = sscanf(line + strlen(key), "%llu", &v) == 1;
    if (f) fclose(f);
    *out = (size_t)v;
    return found;
}

/* The same for a file of a folder; 0 where it is not there. */
static size_t number_of(const char *dir, const char *file, const char *key, bool *found)
{
    Str path = { 0 };
    size_t n;
    str_addf(&path, "%s/%s", dir, file);
    *found = number_in(path.s, key, &n);
    str_release(&path);
    return n;
}

/* ---- control groups ---- */

/* How a version's files are called. */
typedef struct {
    const char *limits[2], *used;
    const char *cached[2]; /* lines of memory.stat */
} Names;

static const Names first = { { "memory.limit_in_bytes", NULL },
                             "memory.usage_in_bytes",
                             { "total_inactive_file ", "total_active_file " } },
                   second = { { "memory.max", "memory.high" }, "memory.current", { "inactive_file ", "active_file " } };

/* Version 1 writes the greatest number of whole pages for none. */
static const size_t NO_LIMIT = (size_t)1 << 60;

/* What one group leaves. */
static size_t left_in(const char *dir, const Names *v)
{
    bool has_limit, has_used, found;
    size_t limit = SIZE_MAX;
    for (int i = 0; i < 2 && v->limits[i]; i++) {
        size_t n = number_of(dir, v->limits[i], "", &has_limit); /* "max" is none */
        if (has_limit) limit = smaller(limit, n);
    }
    if (limit >= NO_LIMIT) return SIZE_MAX;
    size_t used = number_of(dir, v->used, "", &has_used), cached = 0;
    if (!has_used) return SIZE_MAX;
    for (int i = 0; i < 2; i++) cached += number_of(dir, "memory.stat", v->cached[i], &found);
    used -= smaller(cached, used);
    return limit > used ? limit - used : 0;
}

static void see_group(void *ctx, bool is_second, const char *dir)
{
    size_t *left = ctx;
    *left = smaller(*left, left_in(dir, is_second ? &second : &first));
}

/* ---- all of it ---- */

size_t mem_free_under(const char *root)
{
    size_t left = SIZE_MAX, n;
    Str path = { 0 };
    groups_each(root, "memory", see_group, &left);
    str_addf(&path, "%s/proc/meminfo", root);
    if (number_in(path.s, "MemAvailable:", &n)) left = smaller(left, n * 1024);
    str_release(&path);
    return left;
}

size_t mem_free(void) { return mem_free_under(""); }

/* What the limit on address space leaves; SIZE_MAX: there is none. */
static size_t address_space_left(size_t mapped)
{
    struct rlimit limit;
    size_t pages;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        !number_in("/proc/self/statm", "", &pages))
        return SIZE_MAX;
    size_t taken = pages * (size_t)sysconf(_SC_PAGESIZE) + mapped;
    return limit.rlim_cur > taken ? limit.rlim_cur - taken : 0;
}

static atomic_size_t most; /* a process has one, as it has one ulimit */

void mem_limit(size_t bytes) { atomic_store(&most, bytes); }

/* What that leaves in addition to this process's own memory: pages of files do not count. SIZE_MAX: there is no limit. */
static size_t limit_left(void)
{
    size_t limit = atomic_load(&most);
    unsigned long long resident, shared;
    FILE *f = limit ? fopen("/proc/self/statm", "r") : NULL;
    if (!f) return SIZE_MAX;
    bool read = fscanf(f, "%*u %llu %llu", &resident, &shared) == 2 && shared <= resident;
    fclose(f);
    size_t own = read ? (size_t)(resident - shared) * (size_t)sysconf(_SC_PAGESIZE) : 0;
    return limit > own ? limit - own : 0;
}

size_t mem_available(size_t mapped, char text[MEM_FREE_TEXT])
{
    size_t space = address_space_left(mapped), memory = mem_free(), limit = limit_left();
    size_t left = smaller(limit, smaller(space, memory));
    double mb = (double)left * 1e-6;
    const char *words = left == limit   ? "%.*f MB of --memory-limit are left"
                        : left == space ? "%.*f MB of address space are left (ulimit -v)"
                                        : "%.*f MB are free";
    if (text) snprintf(text, MEM_FREE_TEXT, words, mb < 10, mb);
    return left;
}
