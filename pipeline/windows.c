/* windows.c - see windows.h. */
#include "pipeline/windows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int windows_count(int size, int window, int overlap)
{
    int stride = window - overlap;
    return size <= window ? 1 : (size - window + stride - 1) / stride + 1;
}

int windows_start(int size, int window, int overlap, int i)
{
    int at = i * (window - overlap);
    return size <= window ? 0 : at + window > size ? size - window : at;
}

bool windows_wanted(const Recipe *r) { return r->window && (r->w > r->window || r->h > r->window); }

static int across(const Recipe *r) { return windows_wanted(r) ? windows_count(r->w, r->window, r->overlap) : 1; }

int windows_all(const Recipe *r)
{
    return windows_wanted(r) ? across(r) * windows_count(r->h, r->window, r->overlap) : 1;
}

Region windows_at(const Recipe *r, int i)
{
    if (!windows_wanted(r)) return (Region){ 0, 0, r->w, r->h };
    return (Region){ windows_start(r->w, r->window, r->overlap, i % across(r)),
                     windows_start(r->h, r->window, r->overlap, i / across(r)), r->w < r->window ? r->w : r->window,
                     r->h < r->window ? r->h : r->window };
}

Tensor windows_crop(Arena *a, Tensor x, Region at)
{
    Tensor out = tensor_new(a, x.n, at.h, at.w, x.c);
    size_t row = (size_t)at.w * (size_t)x.c;
    for (int n = 0; out.data && n < x.n; n++)
        for (int y = 0; y < at.h; y++)
            memcpy(out.data + ((size_t)n * (size_t)at.h + (size_t)y) * row,
                   x.data + (((size_t)n * (size_t)x.h + (size_t)(at.y + y)) * (size_t)x.w + (size_t)at.x) * (size_t)x.c,
                   row * sizeof *out.data);
    return out;
}

static void add(Tensor sum, Tensor part, Region at)
{
    size_t row = (size_t)at.w * (size_t)sum.c;
    for (int n = 0; sum.data && n < sum.n; n++)
        for (int y = 0; y < at.h; y++) {
            float *to = sum.data + (((size_t)n * (size_t)sum.h + (size_t)(at.y + y)) * (size_t)sum.w + (size_t)at.x) *
                                       (size_t)sum.c;
            const float *from = part.data + ((size_t)n * (size_t)at.h + (size_t)y) * row;
            for (size_t k = 0; k < row; k++) to[k] += from[k];
        }
}

/* How many windows of one axis a place lies in. */
static int times_covered(const Recipe *r, int size, int place)
{
    int count = 0;
    for (int i = 0; i < windows_count(size, r->window, r->overlap); i++) {
        int start = windows_start(size, r->window, r->overlap, i);
        count += place >= start && place < start + r->window;
    }
    return count;
}

static void average(const Recipe *r, Tensor sum)
{
    size_t c = (size_t)sum.c;
    for (size_t i = 0; sum.data && i < tensor_rows(sum); i++) {
        int x = (int)(i % (size_t)sum.w), y = (int)(i / (size_t)sum.w % (size_t)sum.h);
        float count = (float)(times_covered(r, sum.w, x) * times_covered(r, sum.h, y));
        for (size_t k = 0; k < c; k++) sum.data[i * c + k] /= count;
    }
}

int windows_evaluate(Generator *g, Tensor out, const Evaluation *ev, Err *e)
{
    const Recipe *r = &g->recipe;
    int failed = 0;
    if (out.data) memset(out.data, 0, tensor_len(out) * sizeof *out.data);
    for (int i = 0; i < windows_all(r) && !failed; i++) {
        size_t mark = g->nn.arena->used;
        Region at = windows_at(r, i);
        if ((failed = generator_check(g, e))) break;
        Nn nn = generator_nn(g);
        Evaluation part = *ev;
        part.x = windows_crop(g->nn.arena, ev->x, at);
        g->run.part = at;
        g->run.window = i;
        UNetInputs in = told_inputs(g, &part);
        add(out, unet_forward(&nn, g->m->unet, part.x, part.t, &in), at);
        arena_reset(g->nn.arena, mark);
    }
    g->run.part = (Region){ 0 };
    g->run.window = 0;
    if (failed) return -1;
    average(r, out);
    return 0;
}
