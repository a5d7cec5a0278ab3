/* guide_cfg.c - classifier-free guidance. Ho and Salimans 2022, arXiv:2207.12598. */
#include "scheduler/guide_internal.h"

bool cfg_on(const Guidance *g, const double *value)
{
    (void)value;
    return g->scale > 1 || g->both;
}

void cfg_branches(GuideStep *s, const double *value, int round)
{
    (void)value;
    if (round) return;
    guide_want(s, (Branch){ .of = BRANCH_NEGATIVE });
    guide_want(s, (Branch){ .of = BRANCH_PROMPT });
}

/* F = negative + scale * (prompt - negative) */
void cfg_join(GuideStep *s, const double *value)
{
    (void)value;
    Tensor negative = guide_raw(s, BRANCH_NEGATIVE), prompt = guide_raw(s, BRANCH_PROMPT);
    s->out = tensor_like(s->arena, prompt);
    size_t len = s->out.data ? tensor_len(s->out) : 0;
    for (size_t k = 0; k < len; k++)
        s->out.data[k] = negative.data[k] + s->guidance->scale * (prompt.data[k] - negative.data[k]);
}
