/* draw.c - see draw.h. The sums are made anew on the way up, never subtracted from, so that nothing is lost by rounding. */
#include "batch/draw.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

struct Draw {
    const double *weights;
    size_t count, leaves; /* leaves: a power of two, count at least */
    double *sum;          /* [2 * leaves]: 1 is the root, 2i and 2i + 1 are below i, leaves + k is option k */
    bool level;           /* those that are left weigh the same */
};

static void set(Draw *d, size_t k, double weight)
{
    size_t i = d->leaves + k;
    d->sum[i] = weight;
    while (i /= 2) d->sum[i] = d->sum[2 * i] + d->sum[2 * i + 1];
}

static void add_up(Draw *d)
{
    for (size_t i = d->leaves; --i > 0;) d->sum[i] = d->sum[2 * i] + d->sum[2 * i + 1];
}

static void fill(Draw *d)
{
    d->level = false;
    for (size_t k = 0; k < d->count; k++) d->sum[d->leaves + k] = d->weights[k];
    add_up(d);
}

/* All that weigh something are taken. */
static void make_level(Draw *d)
{
    d->level = true;
    for (size_t k = 0; k < d->count; k++) d->sum[d->leaves + k] = d->weights[k] > 0 ? 0 : 1;
    add_up(d);
}

Draw *draw_new(const double *weights, size_t count)
{
    Draw *d = mem_alloc(sizeof *d);
    d->weights = weights;
    d->count = count;
    for (d->leaves = 1; d->leaves < count;) d->leaves *= 2;
    d->sum = mem_array(2 * d->leaves, sizeof *d->sum);
    fill(d);
    return d;
}

void draw_free(Draw *d)
{
    if (!d) return;
    free(d->sum);
    free(d);
}

size_t draw_take(Draw *d, double share)
{
    if (!(d->sum[1] > 0)) make_level(d);
    double at = share * d->sum[1];
    size_t i = 1;
    while (i < d->leaves) {
        i *= 2;
        if (at < d->sum[i] || !(d->sum[i + 1] > 0)) continue;
        at -= d->sum[i];
        i++;
    }
    set(d, i - d->leaves, 0);
    return i - d->leaves;
}

void draw_put_back(Draw *d, const size_t *taken, size_t count)
{
    for (size_t k = 0; k < count && !d->level; k++) set(d, taken[k], d->weights[taken[k]]);
    if (d->level) fill(d);
}
