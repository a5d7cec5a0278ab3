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

Tensor resblock_forward(Nn *nn, const ResBlock *r, Tensor x, Tensor temb)
{
    size_t mark = nn->arena->used;
    Tensor h = nn_conv2d(nn, &r->conv1, nn_group_norm(nn, &r->norm1, x, ACT_SILU));
    if (linear_present(&r->time_emb_proj)) nn_add_channels(nn, h, nn_linear(nn, &r->time_emb_proj, temb));
    h = tensor_keep(nn->arena, mark, h);
    h = nn_group_norm(nn, &r->norm2, h, ACT_SILU);
    if (conv_present(&r->conv_shortcut)) x = nn_conv2d(nn, &r->conv_shortcut, x);
    return tensor_keep(nn->arena, mark, nn_conv2d_add(nn, &r->conv2, h, x));
}
