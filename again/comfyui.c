/*
 * comfyui.c - ComfyUI's graph as a job: readers.h. From the sampler back to the prompts (comfyui_prompt.c), the size, the model and what lies over it.
 * Sources: ComfyUI's nodes.py, comfy_extras/nodes_custom_sampler.py, nodes_model_advanced.py, nodes_clip_sdxl.py, nodes_perpneg.py.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "again/comfyui.h"
#include "again/readers.h"
#include "base/mem.h"
#include "base/visible.h"

enum { CHAIN = 200 }; /* nodes one behind the other */

/* ---- values ---- */

char *reader_value(Reader *x, const cJSON *node, const char *input)
{
    Str s = { 0 };
    if (graph_value(&x->g, node, input, &s)) return s.s ? s.s : mem_strdup("");
    str_release(&s);
    return NULL;
}

double reader_number(Reader *x, const cJSON *node, const char *input, double usual)
{
    char *text = reader_value(x, node, input), *end;
    double v = text ? strtod(text, &end) : usual;
    if (text && (end == text || *end)) v = usual;
    free(text);
    return v;
}

static bool is_words(const char *option)
{
    const Option *o = option_find(option, strlen(option));
    return o && o->type == OPT_STR;
}

void reader_take(Reader *x, const cJSON *node, const char *input, const char *option)
{
    Str words = { 0 };
    bool found = is_words(option) && graph_text(&x->g, node, input, &words);
    char *text = is_words(option) ? (found ? mem_strdup(str_text(&words)) : NULL) : reader_value(x, node, input);
    str_release(&words);
    if (!text && node_has(node, input))
        reading_remark(x->r, MATTERS_WHOLLY, "%s of node %s (%s) is made by a node that limn does not know", input,
                       node_id(node), node_class(node));
    else if (text && strcmp(option, "sampler") == 0) reading_sampler(x->r, text);
    else if (text && strcmp(option, "schedule") == 0) reading_schedule(x->r, text);
    else if (text && strcmp(option, "hires-schedule") == 0) reading_hires_schedule(x->r, text);
    else if (text) reading_set(x->r, option, text);
    free(text);
}

/* What lies between and is passed over. */
void reader_passed(Reader *x, const cJSON *node, Matters how)
{
    reading_remark(x->r, how, "node %s (%s): limn draws without it", node_id(node), node_class(node));
}

/* ---- the model, and what lies over it ---- */

/* LoRAs in the order in which they are laid: the nearest to the model first. */
static void add_lora(Reader *x, const cJSON *node, const char *name, double strength, bool text, double text_strength)
{
    ReadLora *l = name && strength_counts(strength, text ? text_strength : 0) ? reading_lora(x->r, name) : NULL;
    if (!l) return;
    if (l->apply)
        reading_remark(x->r, MATTERS_SEEN, "node %s: %.80s is laid twice, once counts", node_id(node), l->name);
    l->apply = true;
    l->weight = strength;
    l->text_weight = text ? text_strength : 0;
}

/* rgthree's "Power Lora Loader": lora_1: {"on": true, "lora": "x.safetensors", "strength": 1}. */
static void add_power_loras(Reader *x, const cJSON *node)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(node, "inputs"))
    {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "lora"),
                    *strength = cJSON_GetObjectItemCaseSensitive(item, "strength"),
                    *clip = cJSON_GetObjectItemCaseSensitive(item, "strengthTwo");
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "on")) || !cJSON_IsString(name)) continue;
        double w = cJSON_IsNumber(strength) ? strength->valuedouble : 1;
        add_lora(x, node, name->valuestring, w, true, cJSON_IsNumber(clip) ? clip->valuedouble : w);
    }
}

/* Patches of the model that have an option: their inputs. */
static const struct {
    const char *classes, *input, *option;
} patches[] = {
    { "RescaleCFG", "multiplier", "cfg-rescale" }, { "PerturbedAttentionGuidance", "scale", "pag" },
    { "SelfAttentionGuidance", "scale", "sag" },   { "TomePatchModel", "ratio", "tome" },
    { "HyperTile", "tile_size", "hypertile" },     { "HyperTile", "max_depth", "hypertile-depth" },
    { "FreeU|FreeU_V2", "b1", "freeu-b1" },        { "FreeU|FreeU_V2", "b2", "freeu-b2" },
    { "FreeU|FreeU_V2", "s1", "freeu-s1" },        { "FreeU|FreeU_V2", "s2", "freeu-s2" },
};

static void read_sampling(Reader *x, const cJSON *node)
{
    char *kind = reader_value(x, node, "sampling");
    if (kind && strcmp(kind, "eps") == 0) reading_set(x->r, "prediction", "epsilon");
    else if (kind && strcmp(kind, "v_prediction") == 0) reading_set(x->r, "prediction", "v_prediction");
    else if (kind && strcmp(kind, "x0") == 0) reading_set(x->r, "prediction", "sample");
    else if (!kind || strcmp(kind, "lcm") != 0) reader_passed(x, node, MATTERS_WHOLLY);
    char *zsnr = reader_value(x, node, "zsnr");
    if (zsnr && strcmp(zsnr, "true") == 0)
        reading_remark(x->r, MATTERS_WHOLLY, "node %s: zsnr is the model's own in limn", node_id(node));
    free(zsnr);
    free(kind);
}

static void read_patch(Reader *x, const cJSON *node)
{
    bool known = false;
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        if (!node_is(node, patches[i].classes)) continue;
        reader_take(x, node, patches[i].input, patches[i].option);
        known = true;
    }
    if (node_is(node, "FreeU")) reading_set(x->r, "freeu", "v1");
    if (node_is(node, "FreeU_V2")) reading_set(x->r, "freeu", "v2");
    if (node_is(node, "ModelSamplingDiscrete")) read_sampling(x, node);
    else if (!known) reader_passed(x, node, MATTERS_SEEN);
}

static void read_loader(Reader *x, const cJSON *node, char **to)
{
    static const char *const names[] = { "ckpt_name", "unet_name", "model_path", "base_ckpt_name", "model_name" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *name = reader_value(x, node, names[i]);
        if (name) reading_name(to, name);
        free(name);
        if (*to) return;
    }
}

static bool is_loader(const cJSON *node)
{
    return node_has(node, "ckpt_name") || node_has(node, "unet_name") || node_has(node, "base_ckpt_name") ||
           node_has(node, "model_path");
}

/* Loaders of all at once (Efficient Loader) have a LoRA, too. */
static void read_loaders_lora(Reader *x, const cJSON *node)
{
    char *name = node_has(node, "lora_model_strength") ? reader_value(x, node, "lora_name") : NULL;
    if (name && strcmp(name, "None") != 0)
        add_lora(x, node, name, reader_number(x, node, "lora_model_strength", 1), true,
                 reader_number(x, node, "lora_clip_strength", 1));
    free(name);
}

/* Whether the text encoder of the prompts goes through that node, too. */
static bool in_clip(Reader *x, const cJSON *clip, const cJSON *node)
{
    for (int i = 0; clip && i < CHAIN; i++) {
        if (clip == node) return true;
        clip = graph_follow(&x->g, clip, "clip").node;
    }
    return false;
}

/* From the sampler's model down to the file; LoRAs are then added from there up. */
static void read_model(Reader *x, const cJSON *from, const cJSON *clip, char **to)
{
    const cJSON *chain[CHAIN] = { NULL }, *node = graph_follow(&x->g, from, "model").node;
    int n = 0;
    while (node && n < CHAIN && !is_loader(node)) {
        chain[n++] = node;
        node = graph_follow(&x->g, node, "model").node;
    }
    if (node && is_loader(node)) {
        read_loader(x, node, to);
        read_loaders_lora(x, node);
    } else reading_remark(x->r, MATTERS_WHOLLY, "the graph does not lead from node %s to a model", node_id(from));
    while (n--) {
        const cJSON *p = chain[n];
        if (node_is(p, "Power Lora Loader (rgthree)")) add_power_loras(x, p);
        else if (node_has(p, "lora_name")) {
            char *name = reader_value(x, p, "lora_name");
            double w = reader_number(x, p, "strength_model", 1);
            bool text = node_has(p, "strength_clip") && in_clip(x, clip, p);
            add_lora(x, p, name, w, text, reader_number(x, p, "strength_clip", 1));
            free(name);
        } else read_patch(x, p);
    }
}

/* ---- what it starts from, and how it is decoded ---- */

static void read_start(Reader *x, const cJSON *sampler)
{
    Place p = graph_follow(&x->g, sampler, node_has(sampler, "latent_image") ? "latent_image" : "latent");
    for (int i = 0; p.node && i < CHAIN; i++) {
        if (node_has(p.node, "pixels")) {
            const cJSON *file = graph_follow(&x->g, p.node, "pixels").node;
            char *name = file ? reader_value(x, file, "image") : NULL;
            x->r->from_picture = true;
            if (name) reading_name(&x->r->init, name);
            free(name);
            return;
        }
        if (node_has(p.node, "width") && node_has(p.node, "height") && !node_has(p.node, "samples")) {
            reader_take(x, p.node, "width", "width");
            reader_take(x, p.node, "height", "height");
            double batch = reader_number(x, p.node, "batch_size", 1);
            if (batch > 1)
                reading_remark(x->r, MATTERS_WHOLLY,
                               "node %s draws %.0f pictures with one noise: limn draws the first of them",
                               node_id(p.node), batch);
            return;
        }
        if (node_has(p.node, "empty_latent_width")) {
            reader_take(x, p.node, "empty_latent_width", "width");
            reader_take(x, p.node, "empty_latent_height", "height");
            return;
        }
        if (comfyui_is_sampler(p.node)) {
            reading_remark(x->r, MATTERS_WHOLLY, "node %s goes on from node %s's picture: limn starts from noise",
                           node_id(sampler), node_id(p.node));
            read_start(x, p.node);
            return;
        }
        reader_passed(x, p.node, MATTERS_SEEN);
        p = graph_follow(&x->g, p.node, "samples");
    }
}

static void read_vae(Reader *x, const cJSON *sampler)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, x->g.nodes)
    {
        if (!node_is(node, "VAEDecode|VAEDecodeTiled") || graph_follow(&x->g, node, "samples").node != sampler)
            continue;
        const cJSON *vae = graph_follow(&x->g, node, "vae").node;
        char *name = vae && node_has(vae, "vae_name") ? reader_value(x, vae, "vae_name") : NULL;
        if (name && strcmp(name, "Baked VAE") != 0) reading_name(&x->r->vae, name); /* the checkpoint's */
        free(name);
        return;
    }
}

/* ---- a second pass ---- */

/* The sampler whose latents a second one goes on from, made larger by a node; NULL: it is no second pass. */
static const cJSON *first_pass(Reader *x, const cJSON *sampler, const cJSON **larger)
{
    *larger = graph_follow(&x->g, sampler, "latent_image").node;
    if (!*larger || !node_is(*larger, "LatentUpscale|LatentUpscaleBy")) return NULL;
    const cJSON *first = graph_follow(&x->g, *larger, "samples").node;
    return first && comfyui_is_sampler(first) && node_has(sampler, "denoise") ? first : NULL;
}

static void read_larger(Reader *x, const cJSON *node)
{
    static const struct {
        const char *theirs, *ours;
    } ways[] = { { "nearest-exact", "latent-nearest-exact" },
                 { "bilinear", "latent" },
                 { "bicubic", "latent-bicubic" } };
    const Job *j = &x->r->job;
    double w = reader_number(x, node, "width", 0), h = reader_number(x, node, "height", 0),
           by = reader_number(x, node, "scale_by", j->width && w > 0 ? w / j->width : 1);
    char *method = reader_value(x, node, "upscale_method");
    const char *way = NULL;
    for (size_t i = 0; method && i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].theirs, method) == 0) way = ways[i].ours;
    if (way) reading_set(x->r, "hires-with", way);
    else
        reading_remark(x->r, MATTERS_SEEN, "node %s: latents made larger by %.40s: limn takes bilinear", node_id(node),
                       method ? method : "?");
    if (h > 0 && w * j->height != h * j->width)
        reading_remark(x->r, MATTERS_WHOLLY, "node %s: another shape than the first pass, which limn cannot do",
                       node_id(node));
    reading_setf(x->r, "hires", "%.9g", by);
    free(method);
}

/* Whether an input of both has the same value. */
static bool alike(Reader *x, const cJSON *a, const cJSON *b, const char *input)
{
    char *one = reader_value(x, a, input), *other = reader_value(x, b, input);
    bool same = !one || !other || strcmp(one, other) == 0;
    free(one);
    free(other);
    return same;
}

/* A prompt of the second pass's own, where its text is right there. */
static void read_second_prompt(Reader *x, const cJSON *second, const cJSON *first, const char *input,
                               const char *option)
{
    const cJSON *node = graph_follow(&x->g, second, input).node;
    if (!node || node == graph_follow(&x->g, first, input).node) return;
    if (node_is(node, "CLIPTextEncode")) reader_take(x, node, "text", option);
    else
        reading_remark(x->r, MATTERS_SEEN, "node %s: limn's second pass has the first one's %s prompt", node_id(second),
                       input);
}

/* What of the second pass has an option. */
static void read_second(Reader *x, const cJSON *second, const cJSON *first, const cJSON *larger)
{
    read_larger(x, larger);
    reader_take(x, second, "steps", "hires-steps");
    reader_take(x, second, "denoise", "hires-strength");
    if (!alike(x, second, first, "cfg")) reader_take(x, second, "cfg", "hires-cfg-scale");
    if (!alike(x, second, first, "sampler_name")) reader_take(x, second, "sampler_name", "hires-sampler");
    if (!alike(x, second, first, "scheduler")) reader_take(x, second, "scheduler", "hires-schedule");
    if (!alike(x, second, first, "seed"))
        reading_remark(x->r, MATTERS_SEEN, "node %s: limn's second pass has the first one's seed", node_id(second));
    if (graph_follow(&x->g, second, "model").node != graph_follow(&x->g, first, "model").node)
        reading_remark(x->r, MATTERS_SEEN, "node %s: limn's second pass has the first one's model", node_id(second));
    read_second_prompt(x, second, first, "positive", "hires-prompt");
    read_second_prompt(x, second, first, "negative", "hires-negative-prompt");
    if (x->pixels)
        reading_remark(x->r, MATTERS_SEEN, "node %s: in limn's second pass areas grow with the picture",
                       node_id(second));
}

/* ---- which sampler ---- */

bool comfyui_is_sampler(const cJSON *node)
{
    if (node_is(node, "SamplerCustom|SamplerCustomAdvanced")) return true;
    return node_has(node, "sampler_name") && node_has(node, "steps") && node_has(node, "cfg") &&
           (node_has(node, "latent_image") || node_has(node, "latent"));
}

/* "3 (KSampler, 20 steps)" */
static void describe(Reader *x, const cJSON *node, Str *out)
{
    char *steps = reader_value(x, node, "steps");
    str_addf(out, "%s%.20s (%.40s%s%.8s%s)", out->len ? ", " : "", node_id(node), node_class(node), steps ? ", " : "",
             steps ? steps : "", steps ? " steps" : "");
    free(steps);
}

/* Of two samplers, one of which is the other's second pass, that one. */
static const cJSON *last_pass(Reader *x, const cJSON *const pair[2])
{
    const cJSON *larger;
    if (first_pass(x, pair[0], &larger) == pair[1]) return pair[0];
    return first_pass(x, pair[1], &larger) == pair[0] ? pair[1] : NULL;
}

static const cJSON *choose(Reader *x, const char *id, Err *e)
{
    const cJSON *node, *found = NULL, *pair[2] = { NULL, NULL };
    Str all = { 0 };
    int count = 0;
    cJSON_ArrayForEach(node, x->g.nodes)
    {
        if (!comfyui_is_sampler(node)) continue;
        if (count < 2) pair[count] = node;
        if (count++ < 12) describe(x, node, &all);
        if (!id || strcmp(node_id(node), id) == 0) found = node;
    }
    if (!id && count > 1) found = count == 2 ? last_pass(x, pair) : NULL;
    if (!count) err_set(e, "the graph has no sampler that limn knows (KSampler, SamplerCustom and their kin)");
    else if (id && !found) err_usage(e, "--node %.40s: the graph has no such sampler; it has %s", id, str_text(&all));
    else if (!found) err_usage(e, "the graph has %d samplers: --node says which: %s", count, str_text(&all));
    str_release(&all);
    return found;
}

int read_comfyui(Reading *r, const cJSON *graph, const char *id, Err *e)
{
    Reader x = { .r = r, .g = { .nodes = graph } };
    if (cJSON_GetArraySize(graph) > GRAPH_NODES)
        return err_set(e, "a graph of %d nodes: limn reads %d", cJSON_GetArraySize(graph), GRAPH_NODES);
    r->tool = "ComfyUI";
    reading_set(r, "compat", "comfyui");
    const cJSON *second = choose(&x, id, e), *larger;
    if (!second) return -1;
    const cJSON *first = first_pass(&x, second, &larger), *sampler = first ? first : second;
    const cJSON *guider = comfyui_sampler(&x, sampler);
    comfyui_prompt(&x, guider, node_has(guider, "conditioning") ? "conditioning" : "positive", false);
    if (node_has(guider, "negative")) comfyui_prompt(&x, guider, "negative", true);
    read_model(&x, guider, x.encoder ? graph_follow(&x.g, x.encoder, "clip").node : NULL, &r->model);
    read_start(&x, sampler);
    if (first) read_second(&x, second, first, larger);
    read_vae(&x, second);
    if (x.g.steps >= GRAPH_STEPS)
        return err_set(e, "the graph's links are more than %d steps long, or go in circles", GRAPH_STEPS);
    return 0;
}
