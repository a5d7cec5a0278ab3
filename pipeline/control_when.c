/*
 * control_when.c - see control_when.h.
 *
 * diffusers counts the calls of the network (pipeline_controlnet.py, controlnet_keep: a timestep that a scheduler visits twice counts
 * twice); A1111's extension the steps (scripts/hook.py), its end included; ComfyUI asks for the sigma (comfy/controlnet.py, timestep_range;
 * model_sampling.py, percent_to_sigma).
 */
#include "pipeline/control_when.h"

#include <math.h>

static double sigma_at(const Noise *n, double share)
{
    static const double ALL = 999999999.9;
    if (share <= 0) return ALL;
    return share >= 1 ? 0 : noise_sigma_float(n, (1 - share) * 999);
}

bool control_active(const Generator *g, const ControlLine *l, const Evaluation *ev)
{
    const Recipe *r = &g->recipe;
    if (arena_dry(&g->arena) || (l->start <= 0 && l->end >= 1)) return true;
    double calls = recipe_evals(r), i = g->run.calls - 1, steps = r->timeline.steps, step = ev->step;
    switch (r->compat) {
    case COMPAT_DIFFUSERS:
        if (l->kind == CONTROL_T2I) return i >= (int)(calls * l->start) && i < (int)(calls * l->end);
        return i / calls >= l->start && (i + 1) / calls <= l->end;
    case COMPAT_A1111: return step / steps >= l->start && step / steps <= l->end;
    case COMPAT_COMFYUI: return ev->sigma <= sigma_at(&r->noise, l->start) && ev->sigma >= sigma_at(&r->noise, l->end);
    }
    return true;
}
