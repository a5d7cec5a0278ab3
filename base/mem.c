/* mem.c - see mem.h. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
