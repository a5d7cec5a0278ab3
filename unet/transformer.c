/* transformer.c - see transformer.h. */
#include "unet/transformer.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unet/self.h"

/* context 0: over the pixels. */
static int attention_bind(Binder *b, Attention *a, const char *name, const TransformerShape *s, int context)
{
    static const char *const qkv[] = { "to_q", "to_k", "to_v", NULL };
    int c = s->channels;
    size_t mark = bind_enter(b, "%s", name);
    a->heads = s->heads;
    int failed = context ? bind_linear(b, &a->to_q, "to_q", c, c, false) ||
                               bind_linear_joined(b, &a->to_kv, qkv + 1, context, c, false)
                         : bind_linear_joined(b, &a->to_qkv, qkv, c, c, false);
    failed = failed || bind_linear(b, &a->to_out, "to_out.0", c, c, true);
    a->pictures = strcmp(name, "attn2") == 0;
    bind_leave(b, mark);
    return failed ? -1 : 0;
}

static int block_bind(Binder *b, TransformerBlock *t, const TransformerShape *s)
{
    int c = s->channels;
    if (bind_norm(b, &t->norm1, "norm1", c, 0, 1e-5f) || bind_norm(b, &t->norm2, "norm2", c, 0, 1e-5f) ||
        bind_norm(b, &t->norm3, "norm3", c, 0, 1e-5f))
        return -1;
    if (attention_bind(b, &t->attn1, "attn1", s, s->only_cross ? s->context : 0) ||
        attention_bind(b, &t->attn2, "attn2", s, s->context))
        return -1;
    if (bind_linear_geglu(b, &t->ff_in, "ff.net.0.proj", c, 8 * c)) return -1;
    return bind_linear(b, &t->ff_out, "ff.net.2", 4 * c, c, true);
}

int transformer_bind(Binder *b, Transformer *t, const TransformerShape *s)
{
    int c = s->channels;
    *t = (Transformer){ .count = s->layers };
    t->blocks = mem_array((size_t)s->layers, sizeof *t->blocks);
    if (bind_norm(b, &t->norm, "norm", c, s->groups, 1e-6f) || bind_linear(b, &t->proj_in, "proj_in", c, c, true) ||
        bind_linear(b, &t->proj_out, "proj_out", c, c, true))
        return -1;
    for (int i = 0; i < t->count; i++) {
        size_t mark = bind_enter(b, "transformer_blocks.%d", i);
        if (block_bind(b, &t->blocks[i], s)) return -1;
        bind_leave(b, mark);
    }
    return 0;
}

static int place(Attention *a, int columns)
{
    bool cross = a->to_kv.out > 0;
    a->kv_at = cross ? columns : -1;
    return cross ? columns + a->to_kv.out : columns;
}

int transformer_place(Transformer *t, int columns)
{
    for (int i = 0; i < t->count; i++) columns = place(&t->blocks[i].attn2, place(&t->blocks[i].attn1, columns));
    return columns;
}

int transformer_number(Transformer *t, int first)
{
    for (int i = 0; i < t->count; i++) {
        t->blocks[i].attn1.self_at = t->blocks[i].attn1.kv_at < 0 ? first++ : -1;
        t->blocks[i].attn2.self_at = -1;
    }
    return first;
}

void transformer_release(Transformer *t)
{
    free(t->blocks);
    *t = (Transformer){ .blocks = NULL };
}

static void attention_context(Nn *nn, const Attention *a, Tensor context, Tensor kv)
{
    if (a->kv_at < 0) return;
    size_t mark = nn->arena->used;
    Tensor own = nn_linear(nn, &a->to_kv, context);
    size_t c = (size_t)own.c;
    for (size_t i = 0; own.data && i < tensor_rows(own); i++)
        memcpy(kv.data + i * (size_t)kv.c + a->kv_at, own.data + i * c, c * sizeof *own.data);
    arena_reset(nn->arena, mark);
}

void transformer_context(Nn *nn, const Transformer *t, Tensor context, Tensor kv)
{
    for (int i = 0; i < t->count; i++) {
        attention_context(nn, &t->blocks[i].attn1, context, kv);
        attention_context(nn, &t->blocks[i].attn2, context, kv);
    }
}

/*
 * Attention over the prompt, plus that over each picture. Ye et al. 2023 (arXiv:2308.06721), eq. 5; the scale is in the values.
 */
static Tensor attend_cross(Nn *nn, const Attention *a, Tensor q, const Prompted *p)
{
    Tensor y = nn_attention_cross(nn, q, p->kv, a->kv_at, a->heads);
    for (int i = 0; a->pictures && i < p->picture_count; i++) {
        size_t mark = nn->arena->used;
        nn_add(nn, y, nn_attention_cross(nn, q, p->pictures[i], a->kv_at, a->heads));
        arena_reset(nn->arena, mark);
    }
    return y;
}

static Tensor attend_self(Nn *nn, const Attention *a, Tensor x, Tensor qkv, const SelfPlace *s)
{
    return s ? self_attend(nn, s, a->self_at, x, qkv, a->heads) : nn_attention_joined(nn, qkv, a->heads, false);
}

/* x += attention(norm(x), itself or the prompt) */
static void attend(Nn *nn, const Attention *a, const Norm *norm, Tensor x, const Prompted *p)
{
    size_t mark = nn->arena->used;
    const With normed = { .norm = norm };
    Tensor y = a->kv_at < 0 ? attend_self(nn, a, x, nn_linear_with(nn, &a->to_qkv, x, &normed), p->self)
                            : attend_cross(nn, a, nn_linear_with(nn, &a->to_q, x, &normed), p);
    nn_linear_with(nn, &a->to_out, y, &(With){ .residual = x, .into = x });
    arena_reset(nn->arena, mark);
}

/* In place. */
static void block_forward(Nn *nn, const TransformerBlock *t, Tensor x, const Prompted *p)
{
    attend(nn, &t->attn1, &t->norm1, x, p);
    attend(nn, &t->attn2, &t->norm2, x, p);
    size_t mark = nn->arena->used;
    Tensor h = nn_linear_with(nn, &t->ff_in, x, &(With){ .norm = &t->norm3 });
    nn_linear_with(nn, &t->ff_out, h, &(With){ .residual = x, .into = x });
    arena_reset(nn->arena, mark);
}

Tensor transformer_forward(Nn *nn, const Transformer *t, Tensor x, const Prompted *p)
{
    Tensor y = tensor_like(nn->arena, x);
    size_t mark = nn->arena->used;
    Tensor h = nn_linear_with(nn, &t->proj_in, x, &(With){ .norm = &t->norm });
    for (int i = 0; i < t->count; i++) block_forward(nn, &t->blocks[i], h, p);
    nn_linear_with(nn, &t->proj_out, h, &(With){ .residual = x, .into = y });
    arena_reset(nn->arena, mark);
    return y;
}
