/*
 * comfyui_prompt.c - from a sampler of ComfyUI's graph back to its prompts: comfyui.h.
 * Sources: ComfyUI's nodes.py (Conditioning nodes), samplers.py (calc_cond_batch), comfy_extras/nodes_clip_sdxl.py.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "again/comfyui.h"
#include "pipeline/regions.h"

enum { CHAIN = 200 }; /* nodes one behind the other */

/* How far the text encoder goes, from a node that encodes. */
static void read_clip(Reader *x, const cJSON *encoder)
{
    const cJSON *node = graph_follow(&x->g, encoder, "clip").node;
    for (int i = 0; node && i < CHAIN; i++, node = graph_follow(&x->g, node, "clip").node) {
        if (!node_is(node, "CLIPSetLastLayer")) continue;
        int layer = (int)reader_number(x, node, "stop_at_clip_layer", -1);
        if (layer < -1) reading_setf(x->r, "clip-skip", "%d", -layer);
        return;
    }
}

static void read_sdxl(Reader *x, const cJSON *node, bool negative)
{
    Reading *r = x->r;
    reader_take(x, node, "text_l", negative ? "negative-prompt" : "prompt");
    char *g = reader_value(x, node, "text_g"), *l = reader_value(x, node, "text_l");
    if (g && (!l || strcmp(g, l) != 0)) reading_set(r, negative ? "negative-prompt-2" : "prompt-2", g);
    free(g);
    free(l);
    const char *original = negative ? "negative-original-size" : "original-size",
               *target = negative ? "negative-target-size" : "target-size", *crop = negative ? "negative-crop" : "crop";
    reading_setf(r, original, "%.0fx%.0f", reader_number(x, node, "width", 1024),
                 reader_number(x, node, "height", 1024));
    reading_setf(r, target, "%.0fx%.0f", reader_number(x, node, "target_width", 1024),
                 reader_number(x, node, "target_height", 1024));
    reading_setf(r, crop, "%.0f,%.0f", reader_number(x, node, "crop_w", 0), reader_number(x, node, "crop_h", 0));
}

/* A text encoder's node. */
static void read_text(Reader *x, const cJSON *node, bool negative)
{
    if (node_has(node, "text_l") && node_has(node, "text_g")) read_sdxl(x, node, negative);
    else reader_take(x, node, "text", negative ? "negative-prompt" : "prompt");
    if (node_has(node, "ascore"))
        reader_take(x, node, "ascore", negative ? "negative-aesthetic-score" : "aesthetic-score");
    if (negative) return;
    x->encoder = node;
    read_clip(x, node);
}

/* Loaders of all at once have the prompts as texts of their own. */
static bool read_own(Reader *x, const cJSON *node, bool negative)
{
    const char *input = negative ? "negative" : "positive";
    Str text = { 0 };
    bool own = !graph_follow(&x->g, node, input).node && graph_text(&x->g, node, input, &text);
    if (own) reading_set(x->r, negative ? "negative-prompt" : "prompt", str_text(&text));
    str_release(&text);
    if (!own || negative) return own;
    int layer = (int)reader_number(x, node, "clip_skip", -1);
    if (layer < -1) reading_setf(x->r, "clip-skip", "%d", -layer);
    return true;
}

/* ---- prompts that a node joins ---- */

/* One text on its own, perhaps for an area of the picture. encoder NULL: it is something else. */
typedef struct {
    const cJSON *encoder, *area;
    Str text;
} Leaf;

static Leaf leaf_of(Reader *x, const cJSON *node, const char *input)
{
    Leaf leaf = { .area = NULL };
    Place p = graph_follow(&x->g, node, input);
    if (p.node && node_is(p.node, "ConditioningSetArea|ConditioningSetAreaPercentage")) {
        leaf.area = p.node;
        p = graph_follow(&x->g, p.node, "conditioning");
    }
    bool plain = p.node && node_has(p.node, "text") && !node_has(p.node, "ascore");
    if (plain && graph_text(&x->g, p.node, "text", &leaf.text)) leaf.encoder = p.node;
    return leaf;
}

/* ConditioningCombine: the mean of what both say, which is a region over the prompt. */
static void add_region(Reader *x, const Leaf *leaf)
{
    bool share = leaf->area && node_is(leaf->area, "ConditioningSetAreaPercentage");
    const cJSON *a = leaf->area;
    x->pixels = x->pixels || (a && !share);
    Str line = { 0 };
    if (a)
        str_addf(&line, "%.9g,%.9g,%.9g,%.9g", reader_number(x, a, "x", 0), reader_number(x, a, "y", 0),
                 reader_number(x, a, "width", share ? 1 : 64), reader_number(x, a, "height", share ? 1 : 64));
    else str_add(&line, "0,0,1,1");
    if (a) str_addf(&line, ",strength=%.9g,area=%s", reader_number(x, a, "strength", 1), str_text(&leaf->text));
    else str_addf(&line, ",soft=0,strength=1,over=%s", str_text(&leaf->text));
    for (char *c = line.s; c && *c; c++)
        if (*c == '\n' || *c == '\r') *c = ' '; /* a region is a line */
    reading_set(x->r, "region", str_text(&line));
    str_release(&line);
}

/* ConditioningConcat and ConditioningAverage of two texts, in limn's words for them. False: they are something else. */
static bool read_sum(Reader *x, const cJSON *node)
{
    bool average = node_is(node, "ConditioningAverage");
    if (!average && !node_is(node, "ConditioningConcat")) return false;
    Leaf to = leaf_of(x, node, "conditioning_to"), from = leaf_of(x, node, "conditioning_from");
    bool simple = to.encoder && from.encoder && !to.area && !from.area;
    if (simple) {
        read_text(x, to.encoder, false);
        if (average)
            reading_setf(x->r, "prompt", "%s AVERAGE(%.9g) %s", str_text(&to.text),
                         reader_number(x, node, "conditioning_to_strength", 1), str_text(&from.text));
        else reading_setf(x->r, "prompt", "%s CONCAT %s", str_text(&to.text), str_text(&from.text));
    }
    str_release(&to.text);
    str_release(&from.text);
    return simple;
}

/* One node behind the other: the innermost first one is the prompt, the others lie over it. */
static bool read_combined(Reader *x, const cJSON *node)
{
    const cJSON *chain[REGIONS_MAX];
    int count = 0;
    Leaf first = { .area = NULL };
    bool simple = true;
    for (; node && node_is(node, "ConditioningCombine") && count < REGIONS_MAX && !first.encoder;) {
        chain[count++] = node;
        Leaf second = leaf_of(x, node, "conditioning_2");
        simple = simple && second.encoder;
        str_release(&second.text);
        first = leaf_of(x, node, "conditioning_1");
        if (!first.encoder) str_release(&first.text);
        node = graph_follow(&x->g, node, "conditioning_1").node;
    }
    simple = simple && count && first.encoder && !first.area;
    if (simple) read_text(x, first.encoder, false);
    while (simple && count--) {
        Leaf second = leaf_of(x, chain[count], "conditioning_2");
        add_region(x, &second);
        str_release(&second.text);
    }
    str_release(&first.text);
    return simple;
}

static bool read_joined(Reader *x, const cJSON *node) { return read_sum(x, node) || read_combined(x, node); }

static void read_control(Reader *x, const cJSON *node)
{
    const cJSON *loader = graph_follow(&x->g, node, "control_net").node;
    char *name = loader ? reader_value(x, loader, "control_net_name") : NULL;
    reading_remark(x->r, MATTERS_WHOLLY,
                   "node %s (%s): a ControlNet, %.80s, strength %g, whose picture is not in here: --control "
                   "model=FILE,image=FILE",
                   node_id(node), node_class(node), name ? name : "?", reader_number(x, node, "strength", 1));
    free(name);
}

/* From the sampler back to the text; what changes it on the way is passed over, and told. */
void comfyui_prompt(Reader *x, const cJSON *from, const char *input, bool negative)
{
    Place p = graph_follow(&x->g, from, input);
    for (int i = 0; p.node && i < CHAIN; i++) {
        if (node_has(p.node, "text") || node_has(p.node, "text_l")) {
            read_text(x, p.node, negative);
            return;
        }
        if (read_own(x, p.node, negative) || (!negative && read_joined(x, p.node))) return;
        if (node_has(p.node, "control_net")) read_control(x, p.node);
        else if (node_is(p.node, "ConditioningZeroOut") && negative) {
            reading_remark(x->r, MATTERS_LITTLE, "node %s: the negative prompt is zeros; limn encodes an empty one",
                           node_id(p.node));
            reading_set(x->r, "negative-prompt", "");
            return;
        } else if (node_has(p.node, "conditioning_1") || node_has(p.node, "conditioning_to"))
            reading_remark(x->r, MATTERS_WHOLLY, "node %s (%s): of several prompts limn takes the first",
                           node_id(p.node), node_class(p.node));
        else reader_passed(x, p.node, MATTERS_SEEN);
        static const char *const back[] = { "conditioning", "conditioning_1", "conditioning_to" };
        const char *two = p.slot == 1 ? "negative" : "positive";
        Place next = graph_follow(&x->g, p.node, two);
        for (size_t k = 0; !next.node && k < sizeof back / sizeof *back; k++)
            next = graph_follow(&x->g, p.node, back[k]);
        p = next;
    }
    if (!negative)
        reading_remark(x->r, MATTERS_WHOLLY, "the graph does not lead from node %s to a prompt", node_id(from));
}
