/* comfyui_sampler.c - the settings of ComfyUI's samplers: comfyui.h. Source: comfy_extras/nodes_custom_sampler.py. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "again/comfyui.h"
#include "base/mem.h"

/* Whether an input has one of these values. */
static bool says(Reader *x, const cJSON *node, const char *input, const char *word, const char *other)
{
    char *text = reader_value(x, node, input);
    bool same = text && (strcmp(text, word) == 0 || strcmp(text, other) == 0);
    free(text);
    return same;
}

static void take_denoise(Reader *x, const cJSON *node)
{
    if (reader_number(x, node, "denoise", 1) < 1) reader_take(x, node, "denoise", "strength");
}

/* Nodes that give a sampler: what each of them is called. */
static const struct {
    const char *class, *sampler;
} sampler_nodes[] = {
    { "SamplerEulerAncestral", "euler_ancestral" },
    { "SamplerEulerAncestralCFGPP", "euler_ancestral_cfg_pp" },
    { "SamplerDPMPP_2M_SDE", "dpmpp_2m_sde" },
    { "SamplerDPMPP_SDE", "dpmpp_sde" },
    { "SamplerDPMPP_3M_SDE", "dpmpp_3m_sde" },
    { "SamplerDPMPP_2S_Ancestral", "dpmpp_2s_ancestral" },
    { "SamplerDPMAdaptative", "dpm_adaptive" },
    { "SamplerLMS", "lms" },
    { "SamplerER_SDE", "er_sde" },
    { "SamplerSASolver", "sa_solver" },
    { "SamplerSEEDS2", "seeds_2" },
};

/* Nodes that give sigmas: the schedule. */
static const struct {
    const char *class, *schedule;
} sigma_nodes[] = {
    { "KarrasScheduler", "karras" },
    { "ExponentialScheduler", "exponential" },
    { "PolyexponentialScheduler", "exponential" },
    { "BetaSamplingScheduler", "beta" },
    { "VPScheduler", "vp" },
    { "LaplaceScheduler", "laplace_comfyui" },
    { "GITSScheduler", "gits" },
    { "SDTurboScheduler", "sd_turbo" },
    { "AlignYourStepsScheduler", "ays" },
};

static void read_sampler_node(Reader *x, const cJSON *node)
{
    if (node_has(node, "sampler_name")) reader_take(x, node, "sampler_name", "sampler");
    for (size_t i = 0; i < sizeof sampler_nodes / sizeof *sampler_nodes; i++) {
        if (!node_is(node, sampler_nodes[i].class)) continue;
        bool heun = says(x, node, "solver_type", "heun", "heun");
        reading_sampler(x->r, heun && i == 2 ? "dpmpp_2m_sde_heun" : sampler_nodes[i].sampler);
        if (node_has(node, "eta") && reader_number(x, node, "eta", 1) != 1) reader_take(x, node, "eta", "eta");
        if (node_has(node, "s_noise") && reader_number(x, node, "s_noise", 1) != 1)
            reader_take(x, node, "s_noise", "s-noise");
        return;
    }
    if (!node_has(node, "sampler_name"))
        reading_remark(x->r, MATTERS_WHOLLY, "node %s (%s): a sampler that limn does not know", node_id(node),
                       node_class(node));
}

static void read_ays(Reader *x, const cJSON *node)
{
    if (says(x, node, "model_type", "SDXL", "sdxl")) reading_schedule(x->r, "ays_sdxl");
    else if (!says(x, node, "model_type", "SD1", "sd1"))
        reading_remark(x->r, MATTERS_WHOLLY, "node %s: steps of a model that limn cannot draw with", node_id(node));
}

static void read_sigma_node(Reader *x, const cJSON *node)
{
    for (int i = 0; node && i < 8 && !node_has(node, "steps"); i++) { /* SplitSigmas, FlipSigmas, ... */
        reading_remark(x->r, MATTERS_WHOLLY, "node %s (%s): limn takes the sigmas before it", node_id(node),
                       node_class(node));
        node = graph_follow(&x->g, node, "sigmas").node;
    }
    if (!node) {
        reading_remark(x->r, MATTERS_WHOLLY, "the graph does not lead to a sampler's sigmas");
        return;
    }
    reader_take(x, node, "steps", "steps");
    take_denoise(x, node);
    if (node_has(node, "scheduler")) reader_take(x, node, "scheduler", "schedule");
    for (size_t i = 0; i < sizeof sigma_nodes / sizeof *sigma_nodes; i++)
        if (node_is(node, sigma_nodes[i].class)) reading_schedule(x->r, sigma_nodes[i].schedule);
    if (node_is(node, "AlignYourStepsScheduler")) read_ays(x, node);
    if (node_has(node, "sigma_max") || node_has(node, "alpha") || node_has(node, "rho"))
        reading_remark(x->r, MATTERS_SEEN,
                       "node %s (%s): limn's schedule goes from the model's own sigmas, with its own "
                       "parameters",
                       node_id(node), node_class(node));
}

/* A part of the steps: from another sampler's picture, or not to the end. */
static void read_advanced(Reader *x, const cJSON *node)
{
    double steps = reader_number(x, node, "steps", 20), start = reader_number(x, node, "start_at_step", 0),
           end = reader_number(x, node, "end_at_step", 10000);
    reader_take(x, node, "noise_seed", "seed");
    if (start > 0 || end < steps)
        reading_remark(x->r, MATTERS_WHOLLY, "node %s runs steps %.0f to %.0f of %.0f: limn runs all of them",
                       node_id(node), start, end < steps ? end : steps, steps);
    else if (says(x, node, "add_noise", "disable", "false"))
        reading_remark(x->r, MATTERS_WHOLLY, "node %s adds no noise: limn does", node_id(node));
}

static const cJSON *read_custom(Reader *x, const cJSON *node)
{
    const cJSON *noise = graph_follow(&x->g, node, "noise").node, *guider = graph_follow(&x->g, node, "guider").node,
                *sampler = graph_follow(&x->g, node, "sampler").node,
                *sigmas = graph_follow(&x->g, node, "sigmas").node;
    reader_take(x, noise ? noise : node, "noise_seed", "seed");
    bool none = noise ? node_is(noise, "DisableNoise") : says(x, node, "add_noise", "false", "disable");
    if (none) reading_remark(x->r, MATTERS_WHOLLY, "node %s adds no noise: limn does", node_id(node));
    if (sampler) read_sampler_node(x, sampler);
    if (sigmas) read_sigma_node(x, sigmas);
    if (!guider) guider = node;
    if (node_is(guider, "BasicGuider")) reading_set(x->r, "cfg-scale", "1");
    else if (node_has(guider, "cfg")) reader_take(x, guider, "cfg", "cfg-scale");
    else
        reading_remark(x->r, MATTERS_WHOLLY, "node %s (%s): a guidance that limn does not know", node_id(guider),
                       node_class(guider));
    return guider;
}

const cJSON *comfyui_sampler(Reader *x, const cJSON *node)
{
    if (node_is(node, "SamplerCustom|SamplerCustomAdvanced")) return read_custom(x, node);
    reader_take(x, node, "steps", "steps");
    reader_take(x, node, "cfg", "cfg-scale");
    reader_take(x, node, "sampler_name", "sampler");
    reader_take(x, node, "scheduler", "schedule");
    take_denoise(x, node);
    if (node_has(node, "noise_seed")) read_advanced(x, node);
    else reader_take(x, node, "seed", "seed");
    return node;
}
