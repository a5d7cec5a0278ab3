/* mem.c - see mem.h. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

void mem_exhausted(size_t size)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    static _Thread_local bool here;
    char text[96];
    if (here) _exit(ERR_FAILED); /* what follows ran out itself */
    here = true;
    if (atomic_flag_test_and_set(&told))
        for (;;) pause(); /* another thread ends the program */
    int n = snprintf(text, sizeof text, "limn: out of memory: %zu more bytes could not be had\n", size);
    fflush(stdout); /* the paths of what is done */
    file_remove_temporary();
    ssize_t unused = write(STDERR_FILENO, text, (size_t)n);
    (void)unused;
    _exit(ERR_FAILED);
}

static void *checked(void *p, size_t size)
{
    if (!p) mem_exhausted(size);
    return p;
}

/* For the message alone. */
static size_t product(size_t a, size_t b) { return b && a > SIZE_MAX / b ? SIZE_MAX : a * b; }

void *mem_array(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1), product(count, size));
}

void *mem_alloc(size_t size) { return mem_array(1, size); }
void *mem_plain(size_t size) { return checked(malloc(size ? size : 1), size); }
void *mem_grow(void *old, size_t size) { return checked(realloc(old, size ? size : 1), size); }

void *mem_try(size_t size)
{
    void *p = NULL;
    return posix_memalign(&p, MEM_ALIGN, size ? size : 1) ? NULL : p;
}

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

void mem_tell_free(char text[MEM_FREE_TEXT], size_t left)
{
    double mb = (double)left * 1e-6;
    bool limited = left < mem_free(); /* by the limit on address space alone */
    snprintf(text, MEM_FREE_TEXT, limited ? "%.*f MB of address space are left (ulimit -v)" : "%.*f MB are free",
             mb < 10, mb);
}
