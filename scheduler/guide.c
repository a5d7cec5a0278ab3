/* guide.c - the table of guides, and how those that are on share a step. See guide.h. */
#include "scheduler/guide.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "scheduler/guide_internal.h"

/*
 * The order counts: first those that say which evaluations there are, then those that make the guided output, then those that add to
 * it, and what takes back contrast last.
 */
const Guide guides[] = {
    { "ngms",
      "AUTOMATIC1111, modules/sd_samplers_cfg_denoiser.py",
      "no negative prompt below a sigma: every second evaluation (--ngms), or all (--ngms-all)",
      { "ngms", "ngms-all" },
      .on = ngms_on,
      .branches = ngms_branches },
    { "skip-early",
      "AUTOMATIC1111, modules/sd_samplers_cfg_denoiser.py",
      "no negative prompt in the first part of the steps (--skip-early)",
      { "skip-early" },
      .on = skip_early_on,
      .branches = skip_early_branches },
    { "reuse-negative",
      "Dinh et al. 2024, arXiv:2408.11194",
      "the negative prompt is evaluated in every N-th step only (--reuse-negative)",
      { "reuse-negative" },
      .negative = true,
      .remembers = true,
      .on = reuse_on,
      .branches = reuse_branches,
      .join = reuse_join },
    { "cfg", "Ho and Salimans 2022, arXiv:2207.12598",
      "classifier-free, away from the negative prompt (--guidance-interval)", .negative = true, .on = cfg_on,
      .branches = cfg_branches, .join = cfg_join },
    { "cfg-zero-star",
      "Fan et al. 2025, arXiv:2503.18886",
      "the negative prompt's output at the size that fits the prompt's best (--cfg-zero-star)",
      { "cfg-zero-star" },
      .negative = true,
      .on = zero_star_on,
      .join = zero_star_join },
    { "apg",
      "Sadat et al. 2024, arXiv:2410.02416",
      "guides across the prompt's output rather than along it, which burns colours (--apg)",
      { "apg", "apg-threshold", "apg-momentum" },
      .negative = true,
      .remembers = true,
      .on = apg_on,
      .join = apg_join },
    { "perp-neg",
      "Armandpour et al. 2023, arXiv:2304.04968",
      "takes of the negative prompt only what the prompt does not say (--perp-neg)",
      { "perp-neg" },
      .negative = true,
      .on = perp_neg_on,
      .branches = perp_neg_branches,
      .join = perp_neg_join },
    { "dynamic-thresholding",
      "mcmonkey's sd-dynamic-thresholding",
      "brings the range of the guided estimate to that of a lower guidance (--mimic-scale)",
      { "mimic-scale", "mimic-percentile" },
      .negative = true,
      .on = mimic_on,
      .join = mimic_join },
    { "image-cfg",
      "Brooks et al. 2022, arXiv:2211.09800",
      "towards the picture, for models that edit by instruction (--image-cfg-scale)",
      { "image-cfg-scale" },
      .negative = true,
      .on = image_on,
      .branches = image_branches,
      .join = image_join },
    { "pag",
      "Ahn et al. 2024, arXiv:2403.17377",
      "away from a network whose self-attention sees nothing (--pag)",
      { "pag", "pag-adaptive" },
      .on = pag_on,
      .branches = pag_branches,
      .join = pag_join },
    { "seg",
      "Hong 2024, arXiv:2408.00760",
      "away from a network whose self-attention is blurred (--seg)",
      { "seg" },
      .on = seg_on,
      .branches = seg_branches,
      .join = seg_join },
    { "sag",
      "Hong et al. 2022, arXiv:2210.00939",
      "away from the picture blurred where the network looks (--sag)",
      { "sag" },
      .on = sag_on,
      .branches = sag_branches,
      .join = sag_join },
    { "cfg-rescale",
      "Lin et al. 2023, arXiv:2305.08891",
      "takes back the contrast that guidance adds (--cfg-rescale)",
      { "cfg-rescale" },
      .negative = true,
      .on = rescale_on,
      .join = rescale_join },
    { .name = NULL },
};

_Static_assert(sizeof guides / sizeof *guides <= GUIDES_MAX + 1, "Guidance.value has a row for each");

bool branch_prompted(BranchKind kind)
{
    return kind == BRANCH_PROMPT || kind == BRANCH_IDENTITY || kind == BRANCH_SMOOTHED ||
           kind == BRANCH_DEGRADED_PROMPT;
}

static int row_of(const char *name)
{
    int i = 0;
    while (strcmp(guides[i].name, name) != 0) i++;
    return i;
}

double *guide_values(Guidance *g, const char *name) { return g->value[row_of(name)]; }

bool guidance_in(const Guidance *g, int step) { return !g->limited || (g->from <= step && step < g->end); }

void guide_want(GuideStep *s, Branch branch)
{
    if (s->reused && branch.of == BRANCH_NEGATIVE) return;
    for (int i = 0; i < s->branches; i++)
        if (s->branch[i].of == branch.of && s->branch[i].part == branch.part) return;
    assert(s->branches < BRANCHES_MAX);
    s->branch[s->branches++] = branch;
}

Tensor guide_raw(const GuideStep *s, BranchKind kind)
{
    for (int i = 0; i < s->branches; i++)
        if (s->branch[i].of == kind) return s->raw[i];
    return (Tensor){ 0 };
}

void guides_begin(const Guidance *g, Tensor x, Arena *a, GuideMemory *memory)
{
    for (int i = 0; guides[i].name; i++) {
        memory[i] = (GuideMemory){ 0 };
        if (!guides[i].remembers || !guides[i].on(g, g->value[i])) continue;
        memory[i].x = tensor_like(a, x);
        if (memory[i].x.data) memset(memory[i].x.data, 0, tensor_len(x) * sizeof *x.data);
    }
}

GuideMemory *guide_memory(const GuideStep *s, const char *name)
{
    return s->memory && s->memory[row_of(name)].x.n ? &s->memory[row_of(name)] : NULL;
}

static bool acts(const GuideStep *s, int i)
{
    if (guides[i].negative && s->no_negative) return false;
    return guidance_in(s->guidance, s->step) && guides[i].on(s->guidance, s->guidance->value[i]);
}

void guides_branches(GuideStep *s, int round)
{
    for (int i = 0; guides[i].name; i++)
        if (guides[i].branches && acts(s, i)) guides[i].branches(s, s->guidance->value[i], round);
    if (round == 0) guide_want(s, (Branch){ .of = BRANCH_PROMPT });
    compose_branches(s, round);
}

void guides_join(GuideStep *s)
{
    compose_join(s);
    s->out = guide_raw(s, BRANCH_PROMPT);
    for (int i = 0; guides[i].name; i++)
        if (guides[i].join && acts(s, i)) guides[i].join(s, s->guidance->value[i]);
}

bool guidance_wants(const Guidance *g, BranchKind kind)
{
    Guidance everywhere = *g;
    everywhere.limited = false;
    GuideStep s = { .guidance = &everywhere, .sigma = INFINITY, .evaluation = 1 << 30 };
    guides_branches(&s, 0);
    if (s.wants_map) guides_branches(&s, 1);
    for (int i = 0; i < s.branches; i++)
        if (s.branch[i].of == kind) return true;
    return false;
}

int guidance_prompts(const Guidance *g)
{
    return 1 + guidance_wants(g, BRANCH_NEGATIVE) + guidance_wants(g, BRANCH_EMPTY);
}
