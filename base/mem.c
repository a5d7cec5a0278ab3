/* mem.c - see mem.h. */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void *checked(void *p)
{
    if (!p) {
        fputs("limn: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *mem_alloc(size_t size) { return checked(calloc(1, size ? size : 1)); }
void *mem_array(size_t count, size_t size) { return checked(calloc(count ? count : 1, size ? size : 1)); }
void *mem_grow(void *old, size_t size) { return checked(realloc(old, size ? size : 1)); }

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1);
    memcpy(copy, s, n);
    return copy;
}

/* The number after `key` in a file of "key value" lines, or the first number where key is "". False: not there. */
static int number_in(const char *path, const char *key, size_t *out)
{
    char line[256];
    unsigned long long v = 0;
    int found = 0;
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) found = sscanf(line + strlen(key), "%llu", &v) == 1;
    if (f) fclose(f);
    *out = (size_t)v;
    return found;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

size_t mem_free(void)
{
    size_t left = SIZE_MAX, n, used;
    if (number_in("/proc/meminfo", "MemAvailable:", &n)) left = smaller(left, n * 1024);
    if (number_in("/sys/fs/cgroup/memory.max", "", &n) && number_in("/sys/fs/cgroup/memory.current", "", &used))
        left = smaller(left, n > used ? n - used : 0);
    return left;
}

size_t mem_available(size_t mapped)
{
    size_t left = mem_free(), pages;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        number_in("/proc/self/statm", "", &pages)) {
        size_t taken = pages * (size_t)sysconf(_SC_PAGESIZE) + mapped;
        left = smaller(left, limit.rlim_cur > taken ? limit.rlim_cur - taken : 0);
    }
    return left;
}
