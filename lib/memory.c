/*
 * memory.c - out-of-memory handling in a foreign process: see limn_on_no_memory(). limn's small allocations never return NULL
 * (base/mem.h); here they take from a reserve, and the work ends at the next place where it can be cancelled.
 *
 * The process has one heap, so this is the only state of the library that does not belong to a handle.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lib/inside.h"

enum { RESERVE = 8 << 20 };

static _Atomic(void *) reserve;
static atomic_uint times_spent;
static _Atomic(void *) handler_ctx;
static void (*_Atomic handler)(size_t bytes, void *ctx);

void limn_on_no_memory(void (*f)(size_t bytes, void *ctx), void *ctx)
{
    atomic_store(&handler, NULL);
    atomic_store(&handler_ctx, ctx);
    atomic_store(&handler, f);
}

static void spend(void)
{
    void *all = atomic_exchange(&reserve, NULL);
    if (all) atomic_fetch_add(&times_spent, 1);
    free(all);
}

static void end(size_t bytes)
{
    void (*f)(size_t, void *) = atomic_load(&handler);
    if (f) f(bytes, atomic_load(&handler_ctx));
    abort();
}

int memory_ready(unsigned *spent, Err *e)
{
    void *none = NULL, *fresh = atomic_load(&reserve) ? NULL : malloc(RESERVE);
    mem_last_resort(spend, end);
    if (fresh && !atomic_compare_exchange_strong(&reserve, &none, fresh)) free(fresh);
    *spent = atomic_load(&times_spent);
    if (atomic_load(&reserve)) return 0;
    return err_set(e, "out of memory: a reserve of %d MB cannot be had", RESERVE >> 20);
}

bool memory_spent(unsigned since) { return atomic_load(&times_spent) != since; }
