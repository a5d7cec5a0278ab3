/*
 * attention.c - softmax(q k^T / sqrt d) v: heads and blocks of queries among threads; the arithmetic is in
 * kernels_attention.inc.
 */
#include "nn/attention.h"

#include <assert.h>
#include <omp.h>

#include "nn/nn.h"

/* Columns of wider rows: what a head's are taken from. */
typedef struct {
    const float *data;
    size_t stride;
} Columns;

typedef struct {
    Columns q, k, v;
    int n, heads;
    size_t queries, keys, d;
    bool causal;
} Job;

static AttentionHead head_of(const Job *j, Tensor y, float *packed, size_t each, size_t index)
{
    size_t n = index / (size_t)j->heads, head = index % (size_t)j->heads, c = (size_t)y.c;
    return (AttentionHead){ .q = j->q.data + n * j->queries * j->q.stride + head * j->d,
                            .k = j->k.data + n * j->keys * j->k.stride + head * j->d,
                            .v = j->v.data + n * j->keys * j->v.stride + head * j->d,
                            .out = y.data + n * j->queries * c + head * j->d,
                            .q_stride = j->q.stride,
                            .k_stride = j->k.stride,
                            .v_stride = j->v.stride,
                            .out_stride = c,
                            .queries = j->queries,
                            .keys = j->keys,
                            .d = j->d,
                            .causal = j->causal,
                            .packed = packed + index * each };
}

/* y [n, queries, heads d] */
static void attention(Nn *nn, const Job *j, Tensor y)
{
    PROFILE(nn, LAYER_ATTENTION, y.n, y.h, y.w, j->heads, (int)j->d, (int)j->keys);
    const AttentionKernel *k =
        nn->precision.attention == FACTORS_BF16 && nn->k->attention_bf16 ? nn->k->attention_bf16 : nn->k->attention;
    size_t mark = nn->arena->used, count = (size_t)j->n * (size_t)j->heads;
    size_t each = k->packed_floats(j->keys, j->d), room = (k->scratch_floats(j->d) + 15) / 16 * 16;
    float *packed = arena_alloc(nn->arena, count * each * sizeof *packed);
    float *scratch = arena_alloc(nn->arena, (size_t)nn->threads * room * sizeof *scratch);
    arena_reset(nn->arena, mark);
    if (!y.data) return;

    size_t of_keys = (j->keys + k->keys - 1) / k->keys, of_queries = (j->queries + k->queries - 1) / k->queries;
#pragma omp parallel num_threads(nn->threads) if (count * j->queries * j->keys * j->d > 65536)
    {
        if (k->pack) {
#pragma omp for schedule(static)
            for (size_t t = 0; t < count * of_keys; t++) {
                AttentionHead h = head_of(j, y, packed, each, t / of_keys);
                k->pack(&h, t % of_keys * k->keys);
            }
        }
#pragma omp for schedule(dynamic)
        for (size_t t = 0; t < count * of_queries; t++) {
            AttentionHead h = head_of(j, y, packed, each, t / of_queries);
            k->attend(&h, t % of_queries * k->queries, scratch + (size_t)omp_get_thread_num() * room);
        }
    }
}

static size_t tokens(Tensor t) { return (size_t)t.h * (size_t)t.w; }

static Columns columns(Tensor t, int first) { return (Columns){ t.data ? t.data + first : NULL, (size_t)t.c }; }

Tensor nn_attention(Nn *nn, Tensor q, Tensor k, Tensor v, int heads, bool causal)
{
    assert(q.c == k.c && k.c == v.c && q.c % heads == 0 && q.n == k.n && tensor_rows(k) == tensor_rows(v));
    Tensor y = tensor_like(nn->arena, q);
    Job j = { columns(q, 0), columns(k, 0), columns(v, 0),         q.n,   heads,
              tokens(q),     tokens(k),     (size_t)(q.c / heads), causal };
    attention(nn, &j, y);
    return y;
}

Tensor nn_attention_joined(Nn *nn, Tensor qkv, int heads, bool causal)
{
    int c = qkv.c / 3;
    assert(qkv.c % 3 == 0 && c % heads == 0);
    Tensor y = tensor_new(nn->arena, qkv.n, qkv.h, qkv.w, c);
    Job j = { columns(qkv, 0), columns(qkv, c), columns(qkv, 2 * c), qkv.n, heads,
              tokens(qkv),     tokens(qkv),     (size_t)(c / heads), causal };
    attention(nn, &j, y);
    return y;
}

Tensor nn_attention_cross(Nn *nn, Tensor q, Tensor kv, int first, int heads)
{
    assert(kv.c >= first + 2 * q.c && q.c % heads == 0 && q.n == kv.n);
    Tensor y = tensor_like(nn->arena, q);
    Job j = { columns(q, 0), columns(kv, first), columns(kv, first + q.c), q.n,  heads,
              tokens(q),     tokens(kv),         (size_t)(q.c / heads),    false };
    attention(nn, &j, y);
    return y;
}
