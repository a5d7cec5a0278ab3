/* tune.c - see tune.h. Each size is timed twice and the better one counts: the first run of a size also touches new memory. */
#include "batch/tune.h"

enum { RUNS = 2 };

static const double WORTH = 0.97; /* a larger size must take less than this of the time */

int tune_size(const Tune *t)
{
    if (t->settled) return t->best;
    return t->size ? t->size : 1;
}

void tune_ran(Tune *t, int size, double seconds)
{
    if (t->settled || size != tune_size(t)) return;
    double each = seconds / size;
    t->size = size;
    if (!t->runs++ || each < t->least_time) t->least_time = each;
    if (t->runs < RUNS) return;
    if (t->best && t->least_time > t->best_time * WORTH) {
        t->settled = 1;
        return;
    }
    t->best = size;
    t->best_time = t->least_time;
    t->runs = 0;
    t->size = 2 * size;
    if (t->size > TUNE_MOST) t->settled = 1;
}

void tune_limit(Tune *t, int size)
{
    if (!t->best || t->best > size) t->best = size;
    t->settled = 1;
}
