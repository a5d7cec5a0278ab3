/* skyline.c - see skyline.h. */
#include "image/skyline.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A level piece of the skyline, from x to the next one's x. */
typedef struct {
    int x, y;
} Step;

typedef struct {
    Step *steps; /* ends with one at x == w */
    size_t count;
    int w, h;
} Skyline;

/* How high a box of that width would stand from step i on; -1: it does not fit. *waste: the area that it would cover up. */
static int rest_on(const Skyline *s, size_t i, const Box *b, long long *waste)
{
    int end = s->steps[i].x + b->w, y = 0;
    if (end > s->w) return -1;
    for (size_t k = i; s->steps[k].x < end; k++)
        if (s->steps[k].y > y) y = s->steps[k].y;
    if (y > s->h - b->h) return -1;
    *waste = 0;
    for (size_t k = i; s->steps[k].x < end; k++) {
        int right = s->steps[k + 1].x < end ? s->steps[k + 1].x : end;
        *waste += (long long)(right - s->steps[k].x) * (y - s->steps[k].y);
    }
    return y;
}

static void raise(Skyline *s, size_t i, const Box *b)
{
    int end = b->x + b->w;
    size_t last = i; /* the step under the right end */
    while (s->steps[last + 1].x < end) last++;
    bool whole = s->steps[last + 1].x == end;
    Step rest = { end, s->steps[last].y };

    size_t gone = last - i + 1, put = whole ? 1 : 2;
    memmove(s->steps + i + put, s->steps + i + gone, (s->count - i - gone) * sizeof *s->steps);
    s->count = s->count - gone + put;
    s->steps[i] = (Step){ b->x, b->y + b->h };
    if (!whole) s->steps[i + 1] = rest;
}

static bool place(Skyline *s, Box *b)
{
    int best = INT_MAX;
    long long least = LLONG_MAX;
    size_t at = 0;
    for (size_t i = 0; i + 1 < s->count; i++) {
        long long waste;
        int y = rest_on(s, i, b, &waste);
        if (y < 0 || y > best || (y == best && waste >= least)) continue;
        best = y;
        least = waste;
        at = i;
    }
    if (best == INT_MAX) return false;
    b->x = s->steps[at].x;
    b->y = best;
    raise(s, at, b);
    return true;
}

size_t skyline_pack(Box *const *order, size_t count, int w, int h, int *used_w, int *used_h)
{
    Skyline s = { .steps = mem_array(2 * count + 3, sizeof *s.steps), .count = 2, .w = w, .h = h };
    size_t placed = 0;
    s.steps[1].x = w;
    *used_w = *used_h = 0;
    for (size_t i = 0; i < count; i++) {
        Box *b = order[i];
        b->x = -1;
        if (!place(&s, b)) continue;
        if (b->x + b->w > *used_w) *used_w = b->x + b->w;
        if (b->y + b->h > *used_h) *used_h = b->y + b->h;
        placed++;
    }
    free(s.steps);
    return placed;
}

static int by_height(const void *a, const void *b)
{
    const Box *p = *(Box *const *)a, *q = *(Box *const *)b;
    if (p->h != q->h) return p->h > q->h ? -1 : 1;
    if (p->w != q->w) return p->w > q->w ? -1 : 1;
    return p < q ? -1 : p > q;
}

void skyline_order(Box **order, Box *boxes, size_t count)
{
    for (size_t i = 0; i < count; i++) order[i] = &boxes[i];
    qsort(order, count, sizeof(Box *), by_height);
}
