/* guide.c - the table of guides, and how those that are on share a step. See guide.h. */
#include "scheduler/guide.h"

#include <assert.h>
#include <string.h>

#include "scheduler/guide_internal.h"

const Guide guides[] = {
    { "cfg",
      "Ho and Salimans 2022, arXiv:2207.12598",
      "classifier-free, away from the negative prompt (--guidance-interval)",
      { NULL },
      cfg_on,
      cfg_branches,
      cfg_join },
    { "image-cfg",
      "Brooks et al. 2022, arXiv:2211.09800",
      "towards the picture, for models that edit by instruction (--image-cfg-scale)",
      { "image-cfg-scale" },
      image_on,
      image_branches,
      image_join },
    { "cfg-rescale",
      "Lin et al. 2023, arXiv:2305.08891",
      "takes back the contrast that guidance adds (--cfg-rescale)",
      { "cfg-rescale" },
      rescale_on,
      NULL,
      rescale_join },
    { .name = NULL },
};

_Static_assert(sizeof guides / sizeof *guides <= GUIDES_MAX + 1, "Guidance.value has a row for each");

double *guide_values(Guidance *g, const char *name)
{
    int i = 0;
    while (strcmp(guides[i].name, name) != 0) i++;
    return g->value[i];
}

bool guidance_in(const Guidance *g, int step) { return !g->limited || (g->from <= step && step < g->end); }

void guide_want(GuideStep *s, Branch branch)
{
    for (int i = 0; i < s->branches; i++)
        if (s->branch[i].of == branch.of) return;
    assert(s->branches < BRANCHES_MAX);
    s->branch[s->branches++] = branch;
}

Tensor guide_raw(const GuideStep *s, BranchKind kind)
{
    for (int i = 0; i < s->branches; i++)
        if (s->branch[i].of == kind) return s->raw[i];
    return (Tensor){ 0 };
}

static bool acts(const GuideStep *s, int i)
{
    return guidance_in(s->guidance, s->step) && guides[i].on(s->guidance, s->guidance->value[i]);
}

void guides_branches(GuideStep *s, int round)
{
    for (int i = 0; guides[i].name; i++)
        if (guides[i].branches && acts(s, i)) guides[i].branches(s, s->guidance->value[i], round);
    if (round == 0) guide_want(s, (Branch){ BRANCH_PROMPT });
}

void guides_join(GuideStep *s)
{
    s->out = guide_raw(s, BRANCH_PROMPT);
    for (int i = 0; guides[i].name; i++)
        if (guides[i].join && acts(s, i)) guides[i].join(s, s->guidance->value[i]);
}

bool guidance_wants(const Guidance *g, BranchKind kind)
{
    Guidance everywhere = *g;
    everywhere.limited = false;
    GuideStep s = { .guidance = &everywhere };
    guides_branches(&s, 0);
    for (int i = 0; i < s.branches; i++)
        if (s.branch[i].of == kind) return true;
    return false;
}
