/*
 * guide_skip.c - evaluations without the negative prompt. NGMS and the skipping of early ones as A1111 has them
 * (modules/sd_samplers_cfg_denoiser.py, 1.10; without what its default of 0 does to the first evaluation, which Forge guards
 * against); the reuse of the difference between both prompts, Dinh et al. 2024, arXiv:2408.11194 (Compress Guidance).
 */
#include "scheduler/guide_internal.h"

/* value: the sigma below which, and whether all evaluations there, or the odd ones only. */
bool ngms_on(const Guidance *g, const double *value)
{
    (void)g;
    return value[0] > 0;
}

void ngms_branches(GuideStep *s, const double *value, int round)
{
    if (round == 0 && s->sigma < value[0] && (s->evaluation % 2 || value[1] > 0)) s->no_negative = true;
}

bool skip_early_on(const Guidance *g, const double *value)
{
    (void)g;
    return value[0] > 0;
}

void skip_early_branches(GuideStep *s, const double *value, int round)
{
    int all = s->guidance->evaluations;
    if (round == 0 && all && (double)s->evaluation / all <= value[0]) s->no_negative = true;
}

/* value: every how many steps it is evaluated. */
bool reuse_on(const Guidance *g, const double *value) { return value[0] > 1 && cfg_on(g, value); }

void reuse_branches(GuideStep *s, const double *value, int round)
{
    const GuideMemory *m = guide_memory(s, "reuse-negative");
    if (round || !m || !m->there) return;
    s->reused = m->step < s->step && s->step - m->step < value[0];
}

/* What is kept is prompt - negative: of the two the prompt's evaluation is the one that is new. */
void reuse_join(GuideStep *s, const double *value)
{
    (void)value;
    GuideMemory *m = guide_memory(s, "reuse-negative");
    Tensor prompt = guide_raw(s, BRANCH_PROMPT), negative = guide_raw(s, BRANCH_NEGATIVE);
    size_t len = prompt.data ? tensor_len(prompt) : 0;
    if (!m) return;
    if (!s->reused) {
        for (size_t k = 0; k < len; k++) m->x.data[k] = prompt.data[k] - negative.data[k];
        m->there = true;
        m->step = s->step;
        return;
    }
    negative = tensor_like(s->arena, prompt);
    for (size_t k = 0; k < len; k++) negative.data[k] = prompt.data[k] - m->x.data[k];
    s->reused = false;
    guide_want(s, (Branch){ .of = BRANCH_NEGATIVE });
    s->raw[s->branches - 1] = negative;
}
