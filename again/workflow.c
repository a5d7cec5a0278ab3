/*
 * workflow.c - ComfyUI's `workflow`, the form of its editor, as the form of its API: readers.h. The editor keeps values by place and
 * not by name, so only nodes whose inputs are known here can be read: those of ComfyUI itself that matter for a picture. Source:
 * ComfyUI's nodes.py and comfy_extras (INPUT_TYPES), web/scripts/app.js (graphToPrompt).
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "again/graph.h"
#include "again/readers.h"

/* The widgets of a node in their order; "-": one that the editor has for itself (what becomes of the seed afterwards). */
static const struct {
    const char *class, *widgets;
} known[] = {
    { "KSampler", "seed|-|steps|cfg|sampler_name|scheduler|denoise" },
    { "KSamplerAdvanced",
      "add_noise|noise_seed|-|steps|cfg|sampler_name|scheduler|start_at_step|end_at_step|return_with_leftover_noise" },
    { "SamplerCustom", "add_noise|noise_seed|-|cfg" },
    { "SamplerCustomAdvanced", "" },
    { "RandomNoise", "noise_seed|-" },
    { "DisableNoise", "" },
    { "CFGGuider", "cfg" },
    { "BasicGuider", "" },
    { "KSamplerSelect", "sampler_name" },
    { "SamplerEulerAncestral", "eta|s_noise" },
    { "SamplerDPMPP_2M_SDE", "solver_type|eta|s_noise|noise_device" },
    { "SamplerDPMPP_3M_SDE", "eta|s_noise|noise_device" },
    { "SamplerDPMPP_SDE", "eta|s_noise|r|noise_device" },
    { "BasicScheduler", "scheduler|steps|denoise" },
    { "KarrasScheduler", "steps|sigma_max|sigma_min|rho" },
    { "ExponentialScheduler", "steps|sigma_max|sigma_min" },
    { "SDTurboScheduler", "steps|denoise" },
    { "AlignYourStepsScheduler", "model_type|steps|denoise" },
    { "GITSScheduler", "coeff|steps|denoise" },
    { "CLIPTextEncode", "text" },
    { "CLIPTextEncodeSDXL", "width|height|crop_w|crop_h|target_width|target_height|text_g|text_l" },
    { "CLIPSetLastLayer", "stop_at_clip_layer" },
    { "CheckpointLoaderSimple", "ckpt_name" },
    { "CheckpointLoader", "config_name|ckpt_name" },
    { "UNETLoader", "unet_name|weight_dtype" },
    { "VAELoader", "vae_name" },
    { "LoraLoader", "lora_name|strength_model|strength_clip" },
    { "LoraLoaderModelOnly", "lora_name|strength_model" },
    { "EmptyLatentImage", "width|height|batch_size" },
    { "LatentUpscale", "upscale_method|width|height|crop" },
    { "LatentUpscaleBy", "upscale_method|scale_by" },
    { "LoadImage", "image|upload" },
    { "ControlNetLoader", "control_net_name" },
    { "ControlNetApply", "strength" },
    { "ControlNetApplyAdvanced", "strength|start_percent|end_percent" },
    { "ModelSamplingDiscrete", "sampling|zsnr" },
    { "RescaleCFG", "multiplier" },
    { "PrimitiveNode", "value|-" },
    { "PrimitiveString", "value" },
    { "PrimitiveStringMultiline", "value" },
    { "PrimitiveInt", "value|-" },
    { "StringConcatenate", "string_a|string_b|delimiter" },
};

static void add_widgets(cJSON *inputs, const char *class, const cJSON *values)
{
    const char *names = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].class, class) == 0) names = known[i].widgets;
    if (cJSON_IsObject(values)) { /* some nodes keep them by name */
        const cJSON *v;
        cJSON_ArrayForEach(v, values) if (v->string && !cJSON_HasObjectItem(inputs, v->string))
            cJSON_AddItemToObject(inputs, v->string, cJSON_Duplicate(v, true));
        return;
    }
    int k = 0;
    for (const char *p = names; p && *p; p += *p == '|', k++) {
        size_t n = strcspn(p, "|");
        char name[64];
        const cJSON *v = cJSON_GetArrayItem(values, k);
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        p += n;
        if (!v || strcmp(name, "-") == 0 || cJSON_HasObjectItem(inputs, name)) continue; /* a link comes first */
        cJSON_AddItemToObject(inputs, name, cJSON_Duplicate(v, true));
    }
}

/* [id, from, from_slot, to, to_slot, type] */
static const cJSON *link_find(const cJSON *links, const cJSON *id)
{
    const cJSON *l;
    cJSON_ArrayForEach(l, links)
    {
        const cJSON *own = cJSON_GetArrayItem(l, 0);
        if (cJSON_IsNumber(own) && cJSON_IsNumber(id) && own->valuedouble == id->valuedouble) return l;
    }
    return NULL;
}

static void add_links(cJSON *inputs, const cJSON *node, const cJSON *links)
{
    const cJSON *in;
    cJSON_ArrayForEach(in, cJSON_GetObjectItemCaseSensitive(node, "inputs"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(in, "name"));
        const cJSON *l = link_find(links, cJSON_GetObjectItemCaseSensitive(in, "link"));
        const cJSON *from = cJSON_GetArrayItem(l, 1), *slot = cJSON_GetArrayItem(l, 2);
        if (!name || cJSON_HasObjectItem(inputs, name) || !cJSON_IsNumber(slot)) continue;
        Str id = { 0 };
        if (loose_text(from, &id)) {
            cJSON *link = cJSON_AddArrayToObject(inputs, *name ? name : "value");
            cJSON_AddItemToArray(link, cJSON_CreateString(str_text(&id)));
            cJSON_AddItemToArray(link, cJSON_CreateNumber(slot->valuedouble));
        }
        str_release(&id);
    }
}

cJSON *comfyui_from_workflow(const cJSON *workflow)
{
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(workflow, "nodes"),
                *links = cJSON_GetObjectItemCaseSensitive(workflow, "links"), *node;
    if (!cJSON_IsArray(nodes) || !cJSON_IsArray(links) || cJSON_GetArraySize(nodes) > GRAPH_NODES ||
        cJSON_GetArraySize(links) > GRAPH_NODES)
        return NULL;
    cJSON *graph = cJSON_CreateObject();
    cJSON_ArrayForEach(node, nodes)
    {
        const char *class = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "type"));
        double mode = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(node, "mode"));
        Str id = { 0 };
        bool off = mode == 2; /* muted: it never runs */
        if (class && !off && loose_text(cJSON_GetObjectItemCaseSensitive(node, "id"), &id) &&
            !cJSON_HasObjectItem(graph, str_text(&id))) {
            cJSON *n = cJSON_AddObjectToObject(graph, str_text(&id));
            cJSON_AddStringToObject(n, "class_type",
                                    mode == 4 ? "Reroute" : class); /* bypassed: what comes in goes out */
            cJSON *inputs = cJSON_AddObjectToObject(n, "inputs");
            add_links(inputs, node, links);
            if (mode != 4) add_widgets(inputs, class, cJSON_GetObjectItemCaseSensitive(node, "widgets_values"));
        }
        str_release(&id);
    }
    return graph;
}
