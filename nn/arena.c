/* arena.c - see arena.h. */
#include "nn/arena.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGN = 64 };

int arena_init(Arena *a, size_t size, Err *e)
{
    *a = (Arena){ .size = size ? size : ALIGN };
    a->base = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a->base == MAP_FAILED) {
        a->base = NULL;
        return err_set(e, "cannot reserve %.2f GB for activations: %s", (double)size / 1e9, strerror(errno));
    }
    return 0;
}

void arena_init_dry(Arena *a) { *a = (Arena){ .base = NULL }; }

void arena_release(Arena *a)
{
    if (a->base) munmap(a->base, a->size);
    *a = (Arena){ .base = NULL };
}

void *arena_alloc(Arena *a, size_t bytes)
{
    size_t at = a->used;
    a->used += (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->used > a->peak) a->peak = a->used;
    if (arena_dry(a)) return NULL;
    assert(a->used <= a->size && "arena too small: the dry pass measured another shape");
    return a->base + at;
}

void arena_rest(Arena *a)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), from = (a->used + page - 1) / page * page;
    if (a->base && from < a->size) madvise(a->base + from, a->size - from, MADV_DONTNEED);
}

void arena_reset(Arena *a, size_t mark) { a->used = mark; }
