/* share.c - what of a comparison is a shard's own. Every shard plans the same cells and comes to the same parts. */
#include <stdlib.h>

#include "base/mem.h"
#include "compare/run.h"

typedef struct {
    double work;
    int index;  /* of the cells and, behind them, the references */
    bool *mine; /* the place that tells */
} Portion;

/* The largest first, and in the order of the plan. */
static int by_work(const void *a, const void *b)
{
    const Portion *x = a, *y = b;
    if (x->work != y->work) return x->work < y->work ? 1 : -1;
    return x->index - y->index;
}

void plan_shards(Comparison *c)
{
    size_t count = (size_t)c->count + (size_t)c->reference_count, n = 0;
    size_t of = c->shard.of < count ? (size_t)c->shard.of : count; /* the others have nothing to do */
    Portion *portions = mem_array(count + 1, sizeof *portions);
    double *load = mem_array(of + 1, sizeof *load);
    for (int i = 0; i < c->count; i++) portions[n++] = (Portion){ c->cells[i].work, i, &c->cells[i].mine };
    for (int i = 0; i < c->reference_count; i++)
        portions[n++] = (Portion){ REFERENCE_WORK + DECODING, c->count + i, &c->references[i].mine };
    qsort(portions, n, sizeof *portions, by_work);
    for (size_t i = 0; i < n; i++) {
        size_t least = 0;
        for (size_t k = 1; k < of; k++)
            if (load[k] < load[least]) least = k;
        load[least] += portions[i].work;
        *portions[i].mine = least + 1 == c->shard.at;
    }
    free(portions);
    free(load);
}
