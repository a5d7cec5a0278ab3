/* resblock.c - see resblock.h. */
#include "nn/resblock.h"

int resblock_bind(Binder *b, ResBlock *r, int in, int out, int temb_ch, int groups, float eps)
{
    *r = (ResBlock){ 0 };
    if (bind_norm(b, &r->norm1, "norm1", in, groups, eps) || bind_conv(b, &r->conv1, "conv1", in, out, 3) ||
        bind_norm(b, &r->norm2, "norm2", out, groups, eps) || bind_conv(b, &r->conv2, "conv2", out, out, 3))
        return -1;
    if (temb_ch && bind_linear(b, &r->time_emb_proj, "time_emb_proj", temb_ch, out, true)) return -1;
    return in == out ? 0 : bind_conv(b, &r->conv_shortcut, "conv_shortcut", in, out, 1);
}

/* y = r(x); y may be x where the channels are the same. */
static void run(Nn *nn, const ResBlock *r, Tensor x, Tensor temb, Tensor y)
{
    size_t mark = nn->arena->used;
    bool shortcut = conv_present(&r->conv_shortcut);
    if (shortcut) nn_conv2d_with(nn, &r->conv_shortcut, x, &(With){ .into = y });
    Tensor h = nn_conv2d_with(nn, &r->conv1, x, &(With){ .norm = &r->norm1, .act = ACT_SILU });
    if (linear_present(&r->time_emb_proj)) nn_add_channels(nn, h, nn_linear(nn, &r->time_emb_proj, temb));
    nn_conv2d_with(nn, &r->conv2, h,
                   &(With){ .norm = &r->norm2, .act = ACT_SILU, .residual = shortcut ? y : x, .into = y });
    arena_reset(nn->arena, mark);
}

Tensor resblock_forward(Nn *nn, const ResBlock *r, Tensor x, Tensor temb)
{
    Tensor y = tensor_new(nn->arena, x.n, x.h, x.w, r->conv2.out);
    run(nn, r, x, temb, y);
    return y;
}

Tensor resblock_replace(Nn *nn, const ResBlock *r, size_t mark, Tensor x, Tensor temb)
{
    if (conv_present(&r->conv_shortcut)) return tensor_keep(nn->arena, mark, resblock_forward(nn, r, x, temb));
    run(nn, r, x, temb, x);
    return x;
}
