/*
 * attention.c - softmax(q k^T / sqrt d) v in blocks of keys with a running maximum, so that no row of scores is ever whole in
 * memory. Source: Milakov & Gimelshein 2018 (arXiv:1805.02867); Dao et al. 2022 (arXiv:2205.14135).
 */
#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "nn/nn.h"

enum { QUERIES = 128, KEYS = 512 }; /* of one block: 256 KB of scores, in L2 */

/* One head's operands; rows are `stride` floats apart. */
typedef struct {
    const float *q, *k, *v;
    float *out;
    size_t q_stride, k_stride;
    size_t d, keys;
} Head;

/* Queries first .. first + count - 1 of a head. scores: QUERIES * KEYS floats. */
static void block(const Kernels *k, const Head *h, size_t first, size_t count, float scale, bool causal, float *scores)
{
    float top[QUERIES], total[QUERIES];
    float *out = h->out + first * h->q_stride;
    for (size_t i = 0; i < count; i++) {
        top[i] = -INFINITY;
        total[i] = 0;
        memset(out + i * h->q_stride, 0, h->d * sizeof *out);
    }

    size_t end = causal && first + count < h->keys ? first + count : h->keys;
    for (size_t at = 0; at < end; at += KEYS) {
        size_t n = end - at < KEYS ? end - at : KEYS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, (int)n, (int)h->d, 1,
                    h->q + first * h->q_stride, (int)h->q_stride, h->k + at * h->k_stride, (int)h->k_stride, 0, scores,
                    KEYS);
        for (size_t i = 0; i < count; i++) {
            float *row = scores + i * KEYS, sum = 0;
            size_t seen = !causal || at + n <= first + i + 1 ? n : first + i + 1 > at ? first + i + 1 - at : 0;
            memset(row + seen, 0, (n - seen) * sizeof *row);
            if (!seen) continue;
            float keep = k->softmax_step(row, seen, scale, &top[i], &sum);
            total[i] = total[i] * keep + sum;
            if (at > 0) k->scale(out + i * h->q_stride, keep, h->d);
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, (int)h->d, (int)n, 1, scores, KEYS,
                    h->v + at * h->k_stride, (int)h->k_stride, 1, out, (int)h->q_stride);
    }
    for (size_t i = 0; i < count; i++) k->scale(out + i * h->q_stride, 1 / total[i], h->d);
}

Tensor nn_attention(Nn *nn, Tensor q, Tensor k, Tensor v, int heads, bool causal)
{
    assert(q.c == k.c && k.c == v.c && q.c % heads == 0 && q.n == k.n && tensor_rows(k) == tensor_rows(v));
    PROFILE(nn, LAYER_ATTENTION, q.n, q.h, q.w, heads, q.c / heads, k.h * k.w);
    Tensor y = tensor_like(nn->arena, q);
    size_t mark = nn->arena->used;
    float *scores = arena_alloc(nn->arena, (size_t)nn->threads * QUERIES * KEYS * sizeof *scores);
    arena_reset(nn->arena, mark);
    if (!y.data) return y;

    size_t tq = (size_t)q.h * (size_t)q.w, tk = (size_t)k.h * (size_t)k.w, c = (size_t)q.c, d = c / (size_t)heads;
    size_t blocks = (tq + QUERIES - 1) / QUERIES, work = (size_t)q.n * (size_t)heads * blocks;
    float scale = 1 / sqrtf((float)d);

#pragma omp parallel for schedule(dynamic) num_threads(nn->threads) if (work > 1)
    for (size_t t = 0; t < work; t++) {
        size_t first = t % blocks * QUERIES, head = t / blocks % (size_t)heads, n = t / blocks / (size_t)heads;
        size_t from_q = n * tq * c + head * d, from_k = n * tk * c + head * d;
        Head h = { .q = q.data + from_q,
                   .k = k.data + from_k,
                   .v = v.data + from_k,
                   .out = y.data + from_q,
                   .q_stride = c,
                   .k_stride = c,
                   .d = d,
                   .keys = tk };
        block(nn->k, &h, first, tq - first < QUERIES ? tq - first : QUERIES, scale, causal,
              scores + (size_t)omp_get_thread_num() * QUERIES * KEYS);
    }
    return y;
}
