/*
 * guide_attention.c - the network against itself with perturbed self-attention: out += scale (prompt - perturbed). Which layers,
 * and how the queries are blurred, is handled in unet/self.h. Perturbed attention guidance, Ahn et al. 2024, arXiv:2403.17377;
 * smoothed energy guidance, Hong 2024, arXiv:2408.00760.
 */
#include <math.h>

#include "scheduler/guide_internal.h"

static void away_from(GuideStep *s, BranchKind disturbed, float scale)
{
    Tensor was = s->out, prompt = guide_raw(s, BRANCH_PROMPT), other = guide_raw(s, disturbed);
    s->out = tensor_like(s->arena, prompt);
    size_t len = s->out.data ? tensor_len(s->out) : 0;
    for (size_t k = 0; k < len; k++) s->out.data[k] = was.data[k] + scale * (prompt.data[k] - other.data[k]);
}

/* value: the scale, and how much of it is lost a timestep. */
bool pag_on(const Guidance *g, const double *value)
{
    (void)g;
    return value[0] > 0;
}

void pag_branches(GuideStep *s, const double *value, int round)
{
    (void)value;
    if (round) return;
    guide_want(s, (Branch){ .of = BRANCH_PROMPT });
    guide_want(s, (Branch){ .of = BRANCH_IDENTITY });
}

void pag_join(GuideStep *s, const double *value)
{
    away_from(s, BRANCH_IDENTITY, (float)fmax(0, value[0] - value[1] * (1000 - s->t)));
}

bool seg_on(const Guidance *g, const double *value)
{
    (void)g;
    return value[0] > 0;
}

void seg_branches(GuideStep *s, const double *value, int round)
{
    (void)value;
    if (round) return;
    guide_want(s, (Branch){ .of = BRANCH_PROMPT });
    guide_want(s, (Branch){ .of = BRANCH_SMOOTHED });
}

void seg_join(GuideStep *s, const double *value) { away_from(s, BRANCH_SMOOTHED, (float)value[0]); }
