/*
 * guide_compose.c - prompts of several parts, as one. Liu et al. 2022, arXiv:2206.01714 (composable diffusion); A1111's
 * modules/sd_samplers_cfg_denoiser.py (combine_denoised): F = u + g sum_i w_i (F_i - u), which is guidance away from u towards
 * F* = u + sum_i w_i (F_i - u). So the parts become F* before any guide sees them. Where nothing was asked of the negative prompt, u is the
 * first part, as in A1111 when it skips it.
 */
#include "scheduler/guide_internal.h"

#include <stdbool.h>

/* The parts that weigh nothing, and a single one that weighs 1, change nothing. */
static bool is_plain(const Composed *c)
{
    if (!c || c->mask) return !c;
    for (int i = 0; i < c->pictures * c->parts; i++)
        if (c->weight[i] != 1) return false;
    return c->parts == 1;
}

void compose_branches(GuideStep *s, int round)
{
    for (int i = 0; round == 0 && i < s->guidance->parts; i++)
        guide_want(s, (Branch){ .of = BRANCH_PROMPT, .part = i });
}

/* out += w (part - u), of one picture; mask: [pixels] or NULL. */
static void add_part(float *out, const float *part, const float *u, float w, const float *mask, Tensor like)
{
    size_t c = (size_t)like.c, len = (size_t)like.h * (size_t)like.w * c;
    for (size_t k = 0; k < len; k++) out[k] += (mask ? w * mask[k / c] : w) * (part[k] - u[k]);
}

void compose_join(GuideStep *s)
{
    const Composed *c = s->guidance->composed;
    int first = 0, each;
    if (is_plain(c)) return;
    while (s->branch[first].of != BRANCH_PROMPT) first++;
    Tensor one = s->raw[first], u = guide_raw(s, BRANCH_NEGATIVE), sum = tensor_like(s->arena, one);
    if (!u.n) u = one;
    tensor_copy(sum, u);
    each = one.n ? one.h * one.w : 0;
    for (int b = 0; sum.data && b < s->branches; b++) {
        int part = s->branch[b].part;
        if (s->branch[b].of != BRANCH_PROMPT) continue;
        const float *mask = c->mask ? c->mask + (size_t)part * (size_t)each : NULL;
        for (int i = 0; i < one.n; i++)
            add_part(tensor_slice(sum, i, 1).data, tensor_slice(s->raw[b], i, 1).data, tensor_slice(u, i, 1).data,
                     (float)c->weight[i % c->pictures * c->parts + part], mask, one);
    }
    s->raw[first] = sum;
}
