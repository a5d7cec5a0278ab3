/* chunks.c - see chunks.h. */
#include "clip/chunks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/concepts.h"

enum { LARGE_PIECE = 8 }; /* ids; ComfyUI's max_word_length */

/* The rows as they are written: the last is open. */
typedef struct {
    const Tokenizer *t;
    Ids out;
    size_t max, used; /* ids of a row; of the last row, with bos */
    bool weighted;
    bool one; /* only one row is wanted */
} Rows;

static size_t room(const Rows *r) { return r->max - 1 - r->used; } /* one for the eos */

/* A new row, empty: padding with eos and bos before it. */
static void begin_row(Rows *r)
{
    size_t at = (size_t)r->out.rows++ * r->max, all = at + r->max;
    r->out.ids = mem_grow(r->out.ids, all * sizeof *r->out.ids);
    r->out.weight = mem_grow(r->out.weight, all * sizeof *r->out.weight);
    for (size_t i = at; i < all; i++) {
        r->out.ids[i] = tokenizer_pad(r->t);
        r->out.weight[i] = 1;
    }
    r->out.ids[at] = tokenizer_bos(r->t);
    r->out.ids[at + 1] = tokenizer_eos(r->t);
    r->used = 1;
}

static void put(Rows *r, const int *ids, const float *weight, size_t count)
{
    assert(ids && weight && count <= room(r));
    size_t at = (size_t)(r->out.rows - 1) * r->max + r->used;
    for (size_t i = 0; i < count; i++) {
        r->out.ids[at + i] = ids[i];
        r->out.weight[at + i] = weight[i];
        r->weighted |= weight[i] != 1;
    }
    r->used += count;
    r->out.ids[at + count] = tokenizer_eos(r->t);
}

/* Ids and as many weights. */
typedef struct {
    TokenList ids;
    float *weight;
} Weighted;

static void encode(const Tokenizer *t, const Piece *p, Weighted *to)
{
    size_t from = to->ids.count;
    tokenizer_encode(t, p->text, &to->ids);
    to->weight = mem_grow(to->weight, (to->ids.cap + 1) * sizeof *to->weight);
    for (size_t i = from; i < to->ids.count; i++) to->weight[i] = (float)p->weight;
}

/* What fits into the one row; the rest is lost. */
static void put_first(Rows *r, Weighted *w)
{
    bool first = r->out.rows == 0;
    if (first) begin_row(r);
    size_t most = first ? room(r) : 0, some = w->ids.count < most ? w->ids.count : most;
    if (some) put(r, w->ids.id, w->weight, some);
    r->out.lost += w->ids.count - some;
    w->ids.count = 0;
}

static void put_chunks(Rows *r, Weighted *w)
{
    int chunks;
    if (r->one) {
        put_first(r, w);
        return;
    }
    size_t *begin = tokenizer_chunks(r->t, &w->ids, r->max - 2, &chunks);
    for (int i = 0; i < chunks; i++) {
        size_t end = i + 1 < chunks ? begin[i + 1] : w->ids.count;
        begin_row(r);
        if (end > begin[i]) put(r, w->ids.id + begin[i], w->weight + begin[i], end - begin[i]);
    }
    free(begin);
    w->ids.count = 0;
}

/* BREAK ends a row even if it is empty; the end of the text only where there is something. */
static void put_a1111(Rows *r, const Pieces *p)
{
    Weighted w = { .weight = NULL };
    for (size_t i = 0; i < p->count; i++) {
        if (p->at[i].brk) put_chunks(r, &w);
        else encode(r->t, &p->at[i], &w);
    }
    if (w.ids.count || !r->out.rows) put_chunks(r, &w);
    token_list_release(&w.ids);
    free(w.weight);
}

static void put_piece(Rows *r, const int *ids, const float *weight, size_t count)
{
    bool large = count >= LARGE_PIECE;
    while (count > room(r)) {
        /* a piece that is kept whole but longer than a row would never end: only with a tokenizer of tiny rows */
        size_t some = large || count > r->max - 2 ? room(r) : 0;
        put(r, ids, weight, some);
        ids += some;
        weight += some;
        count -= some;
        begin_row(r);
    }
    put(r, ids, weight, count);
}

/* A concept is a group of its own, and so is what stands between two. */
static void put_groups(Rows *r, const Weighted *w)
{
    size_t from = 0;
    for (size_t i = 0; i < w->ids.count;) {
        const Concept *c = tokenizer_concept(r->t, w->ids.id[i]);
        size_t n = c ? (size_t)c->vectors : 1;
        if (c && i > from) put_piece(r, w->ids.id + from, w->weight + from, i - from);
        if (c) put_piece(r, w->ids.id + i, w->weight + i, n);
        i += n;
        if (c) from = i;
    }
    if (w->ids.count > from) put_piece(r, w->ids.id + from, w->weight + from, w->ids.count - from);
}

static void put_comfyui(Rows *r, const Pieces *p)
{
    Weighted w = { .weight = NULL };
    begin_row(r);
    for (size_t i = 0; i < p->count; i++) {
        encode(r->t, &p->at[i], &w);
        put_groups(r, &w);
        w.ids.count = 0;
    }
    token_list_release(&w.ids);
    free(w.weight);
}

Ids chunks_of(const Tokenizer *t, Emphasis kind, const Pieces *p, bool one)
{
    Rows r = { .t = t, .one = one, .max = (size_t)tokenizer_max(t) };
    if (kind == EMPHASIS_COMFYUI) put_comfyui(&r, p);
    else put_a1111(&r, p);
    if (!r.weighted) {
        free(r.out.weight);
        r.out.weight = NULL;
    }
    return r.out;
}

void ids_release(Ids *ids)
{
    free(ids->ids);
    free(ids->weight);
    *ids = (Ids){ 0 };
}
