/* transformer.c - see transformer.h. */
#include "unet/transformer.h"

#include <stdlib.h>

#include "base/mem.h"

static int attention_bind(Binder *b, Attention *a, const char *name, int channels, int context, int heads)
{
    size_t mark = bind_enter(b, "%s", name);
    a->heads = heads;
    int failed = bind_linear(b, &a->to_q, "to_q", channels, channels, false) ||
                 bind_linear(b, &a->to_k, "to_k", context, channels, false) ||
                 bind_linear(b, &a->to_v, "to_v", context, channels, false) ||
                 bind_linear(b, &a->to_out, "to_out.0", channels, channels, true);
    bind_leave(b, mark);
    return failed ? -1 : 0;
}

static int block_bind(Binder *b, TransformerBlock *t, const TransformerShape *s)
{
    int c = s->channels;
    t->only_cross = s->only_cross;
    if (bind_norm(b, &t->norm1, "norm1", c, 0, 1e-5f) || bind_norm(b, &t->norm2, "norm2", c, 0, 1e-5f) ||
        bind_norm(b, &t->norm3, "norm3", c, 0, 1e-5f))
        return -1;
    if (attention_bind(b, &t->attn1, "attn1", c, s->only_cross ? s->context : c, s->heads) ||
        attention_bind(b, &t->attn2, "attn2", c, s->context, s->heads))
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

void transformer_release(Transformer *t)
{
    free(t->blocks);
    *t = (Transformer){ .blocks = NULL };
}

/* residual + attention(x, context) */
static Tensor attend(Nn *nn, const Attention *a, Tensor x, Tensor context, Tensor residual)
{
    Tensor q = nn_linear(nn, &a->to_q, x), k = nn_linear(nn, &a->to_k, context), v = nn_linear(nn, &a->to_v, context);
    return nn_linear_add(nn, &a->to_out, nn_attention(nn, q, k, v, a->heads, false), residual);
}

static Tensor block_forward(Nn *nn, const TransformerBlock *t, Tensor x, Tensor context)
{
    size_t mark = nn->arena->used;
    Tensor h = nn_layer_norm(nn, &t->norm1, x);
    x = tensor_keep(nn->arena, mark, attend(nn, &t->attn1, h, t->only_cross ? context : h, x));
    h = nn_layer_norm(nn, &t->norm2, x);
    x = tensor_keep(nn->arena, mark, attend(nn, &t->attn2, h, context, x));
    h = nn_linear(nn, &t->ff_in, nn_layer_norm(nn, &t->norm3, x));
    return tensor_keep(nn->arena, mark, nn_linear_add(nn, &t->ff_out, h, x));
}

Tensor transformer_forward(Nn *nn, const Transformer *t, Tensor x, Tensor context)
{
    size_t mark = nn->arena->used;
    Tensor h = nn_linear(nn, &t->proj_in, nn_group_norm(nn, &t->norm, x, ACT_NONE));
    h = tensor_keep(nn->arena, mark, h);
    for (int i = 0; i < t->count; i++) h = tensor_keep(nn->arena, mark, block_forward(nn, &t->blocks[i], h, context));
    return tensor_keep(nn->arena, mark, nn_linear_add(nn, &t->proj_out, h, x));
}
