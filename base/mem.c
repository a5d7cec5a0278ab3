/* mem.c - see mem.h. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void (*_Atomic make_room)(void);
static void (*_Atomic end_process)(size_t size);

void mem_last_resort(void (*release)(void), void (*end)(size_t size))
{
    atomic_store(&end_process, end);
    atomic_store(&make_room, release);
}

void mem_exhausted(size_t size)
{
    void (*end)(size_t) = atomic_load(&end_process);
    if (end) end(size);
    abort();
}

/* There is none: whether it is worth another try. */
static bool room(int tried)
{
    void (*release)(void) = tried ? NULL : atomic_load(&make_room);
    if (release) release();
    return release != NULL;
}

/* For the message alone. */
static size_t product(size_t a, size_t b) { return b && a > SIZE_MAX / b ? SIZE_MAX : a * b; }

void *mem_array(size_t count, size_t size)
{
    void *p;
    int tried = 0;
    while (!(p = calloc(count ? count : 1, size ? size : 1)) && room(tried)) tried++;
    if (!p) mem_exhausted(product(count, size));
    return p;
}

void *mem_alloc(size_t size) { return mem_array(1, size); }
void *mem_plain(size_t size) { return mem_grow(NULL, size); }

void *mem_grow(void *old, size_t size)
{
    void *p;
    int tried = 0;
    while (!(p = realloc(old, size ? size : 1)) && room(tried)) tried++;
    if (!p) mem_exhausted(size);
    return p;
}

/* Large blocks lie in large pages where the system has them: half of a short run went into clearing 4 KB pages one by one. */
void *mem_try(size_t size)
{
    enum { LARGE_PAGE = 2 << 20 };
    void *p = NULL;
    bool large = size >= 2 * (size_t)LARGE_PAGE;
    if (posix_memalign(&p, large ? LARGE_PAGE : MEM_ALIGN, size ? size : 1)) return NULL;
#ifdef MADV_HUGEPAGE
    if (large) madvise(p, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a wish: without it all is as before */
#endif
    return p;
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1);
    memcpy(copy, s, n);
    return copy;
}
