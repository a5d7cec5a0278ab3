/*
 * brownian.c - see brownian.h.
 *
 * A node of the tree is a stretch of time with the increment W over it. Its halves' increments follow from W and one more draw
 * (a Brownian bridge), whose seed is a hash of the tree's seed and the node's place. A query is the sum of the largest nodes
 * that fill it, from left to right. torchsde works in float32, and so are the bits here.
 */
#include "scheduler/brownian.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/seedseq.h"

enum { POOL = 24, DECIMALS = 6, MAX_DEPTH = 40 };

typedef struct {
    const Brownian *tree;
    double from, to; /* what is asked for */
    size_t count;
    float *sum, *noise;
    float *level; /* [depth][count] increments of the nodes on the way down */
    bool empty;   /* nothing is in sum yet */
} Query;

typedef struct {
    double start, end;
    uint64_t key;
    int depth;
} Node;

/* Python's round(t, 6). */
static double round_time(double t)
{
    char text[64];
    snprintf(text, sizeof text, "%.*f", DECIMALS, t);
    return strtod(text, NULL);
}

static void draw(const Brownian *tree, float *out, size_t count, uint32_t seed)
{
    Rng rng;
    rng_init(&rng, tree->kind, seed);
    rng_randn(&rng, out, count);
}

/* The left half's increment, from the node's. */
static void split(Query *q, const Node *n, double middle, const float *w, float *left)
{
    uint64_t keys[] = { n->key, (uint64_t)n->depth };
    uint32_t seed;
    seedseq(&seed, 1, q->tree->seed, keys, 2, POOL);
    draw(q->tree, q->noise, q->count, seed);

    double before = middle - n->start, after = n->end - middle, reciprocal = 1 / (n->end - n->start);
    float part = (float)before, whole = (float)reciprocal, deviation = (float)sqrt(before * after * reciprocal);
    for (size_t k = 0; k < q->count; k++) {
        float mean = part * w[k] * whole, spread = deviation * q->noise[k];
        left[k] = mean + spread;
    }
}

/* Adds the part of node n that lies in the query; its increment is q->level[n.depth]. */
static void visit(Query *q, Node n)
{
    float *w = q->level + (size_t)n.depth * q->count;
    if (q->from <= n.start && n.end <= q->to) {
        for (size_t k = 0; k < q->count; k++) q->sum[k] = q->empty ? w[k] : q->sum[k] + w[k];
        q->empty = false;
        return;
    }
    double middle = round_time(0.5 * (n.end + n.start));
    if (n.depth + 1 >= MAX_DEPTH || middle <= n.start || middle >= n.end) return; /* no time lies between */

    float *half = w + q->count;
    split(q, &n, middle, w, half);
    if (q->from < middle) visit(q, (Node){ n.start, middle, 2 * n.key, n.depth + 1 });
    if (q->to <= middle) return;
    for (size_t k = 0; k < q->count; k++) half[k] = w[k] - half[k];
    visit(q, (Node){ middle, n.end, 2 * n.key + 1, n.depth + 1 });
}

/* How many levels a tree of this length can have, down to stretches of 1e-6. */
static int depth_of(double length)
{
    int depth = 2;
    while (length > 1e-6 && depth < MAX_DEPTH) {
        length /= 2;
        depth++;
    }
    return depth;
}

void brownian_increment(const Brownian *tree, float *out, size_t count, double a, double b, Arena *arena)
{
    size_t mark = arena->used;
    Query q = { .tree = tree, .count = count, .sum = out, .empty = true };
    q.noise = arena_alloc(arena, count * sizeof *q.noise);
    q.level = arena_alloc(arena, (size_t)depth_of(tree->high - tree->low) * count * sizeof *q.level);
    if (!arena_dry(arena)) {
        q.from = fmax(round_time(a), round_time(tree->low));
        q.to = fmin(round_time(b), round_time(tree->high));
        for (size_t k = 0; k < count; k++) out[k] = 0;

        uint32_t seed;
        seedseq(&seed, 1, tree->seed, NULL, 0, POOL);
        draw(tree, q.level, count, seed);
        float whole = (float)sqrt(tree->high - tree->low);
        for (size_t k = 0; k < count; k++) q.level[k] *= whole;
        if (q.from < q.to) visit(&q, (Node){ round_time(tree->low), round_time(tree->high), 0, 0 });
    }
    arena_reset(arena, mark);
}

void brownian_noise(Tensor out, const Brownian *trees, double sigma, double to, Arena *arena)
{
    size_t mark = arena->used, count = tensor_len(out) / (size_t)out.n;
    float *nchw = arena_alloc(arena, count * sizeof *nchw);
    double low = fmin(sigma, to), high = fmax(sigma, to);
    float sign = sigma < to ? 1 : -1, length = sqrtf((float)high - (float)low);
    for (int k = 0; k < out.n; k++) {
        brownian_increment(&trees[k], nchw, count, low, high, arena);
        if (!out.data) break;
        for (size_t i = 0; i < count; i++) nchw[i] = sign * nchw[i] / length;
        tensor_from_nchw(tensor_slice(out, k, 1), nchw);
    }
    arena_reset(arena, mark);
}
