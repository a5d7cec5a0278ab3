/* merge.c - see merge.h. */
#include "unet/merge.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL = 2,
    BLOCK = 1024, /* sources whose scores are computed at once */
    CHANNELS = 64 /* that one thread sums up */
};

/* ---- token merging ---- */

static size_t destinations(int h, int w) { return (size_t)(h / CELL) * (size_t)(w / CELL); }

static bool is_destination(int h, int w, size_t i)
{
    size_t y = i / (size_t)w, x = i % (size_t)w;
    return y % CELL == 0 && x % CELL == 0 && y / CELL < (size_t)(h / CELL) && x / CELL < (size_t)(w / CELL);
}

int merge_left(int h, int w, double ratio)
{
    int tokens = h * w, sources = tokens - (int)destinations(h, w), gone = (int)(tokens * ratio);
    return sources == tokens ? tokens : tokens - (gone < sources ? gone : sources);
}

static void unit(float *to, const float *from, size_t c)
{
    double sum = 0;
    for (size_t k = 0; k < c; k++) sum += (double)from[k] * (double)from[k];
    float norm = (float)sqrt(sum);
    for (size_t k = 0; k < c; k++) to[k] = norm > 0 ? from[k] / norm : 0;
}

typedef struct {
    float score;
    int token, best; /* the destination that it is nearest to, by its number */
} Source;

/* The nearest first; of equal ones the first token. */
static int nearest_first(const void *a, const void *b)
{
    const Source *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

/* Each source's best destination: a product of all with all, block by block. sources [count, c] and targets: unit vectors. */
static void score(Nn *nn, Source *s, Tensor sources, Tensor targets)
{
    Nn exact = *nn;
    exact.precision = (Precision){ 0 };
    exact.evict_rows = 0;
    exact.profile = NULL;
    const Linear l = {
        .w = { .data = { (const unsigned char *)targets.data }, .type = { DT_F32 }, .k = targets.c, .n = targets.h },
        .in = targets.c,
        .out = targets.h
    };
    for (int first = 0; first < sources.h; first += BLOCK) {
        size_t mark = nn->arena->used;
        int count = sources.h - first < BLOCK ? sources.h - first : BLOCK;
        Tensor part = { sources.data ? sources.data + (size_t)first * (size_t)sources.c : NULL, 1, count, 1,
                        sources.c };
        Tensor scores = nn_linear(&exact, &l, part);
#pragma omp parallel for num_threads(nn->threads) schedule(static)
        for (int i = 0; i < count; i++) {
            const float *row = scores.data ? scores.data + (size_t)i * (size_t)scores.c : NULL;
            int best = 0;
            if (!row || !s) continue; /* a pass that only counts memory */
            for (int k = 1; k < scores.c; k++)
                if (row[k] > row[best]) best = k;
            s[first + i].score = row[best];
            s[first + i].best = best;
        }
        arena_reset(nn->arena, mark);
    }
}

void merge_match(Nn *nn, Tensor x, int left, int *place)
{
    size_t mark = nn->arena->used, c = (size_t)x.c, tokens = tensor_rows(x), to_count = destinations(x.h, x.w);
    int gone = (int)tokens - left, from_count = (int)(tokens - to_count), kept = from_count - gone;
    assert(to_count && gone >= 0 && kept >= 0);
    Tensor targets = tensor_new(nn->arena, 1, (int)to_count, 1, x.c),
           sources = tensor_new(nn->arena, 1, from_count, 1, x.c);
    Source *s = arena_alloc(nn->arena, (size_t)from_count * sizeof *s);
    int at[2] = { 0 };
    for (size_t i = 0; s && i < tokens; i++) {
        bool to = is_destination(x.h, x.w, i);
        if (to) place[i] = kept + at[to];
        else s[at[to]].token = (int)i;
        at[to]++;
    }
#pragma omp parallel for num_threads(nn->threads) schedule(static)
    for (int i = 0; i < from_count; i++)
        if (s) unit(sources.data + (size_t)i * c, x.data + (size_t)s[i].token * c, c);
#pragma omp parallel for num_threads(nn->threads) schedule(static)
    for (int i = 0; i < (int)tokens; i++)
        if (s && is_destination(x.h, x.w, (size_t)i))
            unit(targets.data + (size_t)(place[i] - kept) * c, x.data + (size_t)i * c, c);
    score(nn, s, sources, targets);
    if (s) qsort(s, (size_t)from_count, sizeof *s, nearest_first);
    for (int i = 0; s && i < from_count; i++) place[s[i].token] = i < gone ? kept + s[i].best : i - gone;
    arena_reset(nn->arena, mark);
}

void merge_tokens(Nn *nn, Tensor to, Tensor x, const int *place)
{
    size_t mark = nn->arena->used, c = (size_t)x.c, tokens = tensor_rows(x), left = tensor_rows(to);
    int *count = arena_alloc(nn->arena, left * sizeof *count);
    arena_reset(nn->arena, mark);
    if (!to.data) return;
    memset(count, 0, left * sizeof *count);
    memset(to.data, 0, tensor_len(to) * sizeof *to.data);
    for (size_t i = 0; i < tokens; i++) count[place[i]]++;
#pragma omp parallel for num_threads(nn->threads) schedule(static)
    for (size_t first = 0; first < c; first += CHANNELS) { /* each sum by one thread, in the tokens' order */
        size_t end = first + CHANNELS < c ? first + CHANNELS : c;
        for (size_t i = 0; i < tokens; i++)
            for (size_t k = first; k < end; k++) to.data[(size_t)place[i] * c + k] += x.data[i * c + k];
        for (size_t i = 0; i < left; i++)
            for (size_t k = first; k < end && count[i] > 1; k++) to.data[i * c + k] /= (float)count[i];
    }
}

void merge_undo(Tensor to, Tensor merged, const int *place)
{
    size_t c = (size_t)to.c;
    for (size_t i = 0; to.data && i < tensor_rows(to); i++)
        memcpy(to.data + i * c, merged.data + (size_t)place[i] * c, c * sizeof *to.data);
}

/* ---- tiles ---- */

int tiles_of(int size, int least)
{
    for (int tile = least < size ? least : size; tile < size; tile++)
        if (size % tile == 0) return size / tile;
    return 1;
}

/* The tokens of tiles in turn; cut: from rows to tiles. */
static void move(Tensor rows, Tensor tiles, int down, int across, bool cut)
{
    size_t h = (size_t)tiles.h, w = (size_t)tiles.w, line = w * (size_t)rows.c;
    for (int n = 0; rows.data && n < rows.n; n++)
        for (int t = 0; t < down * across; t++)
            for (size_t y = 0; y < h; y++) {
                size_t row = (size_t)(t / across) * h + y;
                float *a =
                    rows.data +
                    (((size_t)n * (size_t)rows.h + row) * (size_t)rows.w + (size_t)(t % across) * w) * (size_t)rows.c;
                float *b = tiles.data + ((size_t)(n * down * across + t) * h + y) * line;
                memcpy(cut ? b : a, cut ? a : b, line * sizeof *a);
            }
}

void tiles_cut(Tensor to, Tensor x, int down, int across) { move(x, to, down, across, true); }
void tiles_join(Tensor to, Tensor tiles, int down, int across) { move(to, tiles, down, across, false); }
