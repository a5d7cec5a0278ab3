/* graph.c - see graph.h. */
#include "again/graph.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "again/readers.h"

enum { VALUE_DEPTH = 16 }; /* texts that are made of texts */

static const cJSON *inputs_of(const cJSON *node)
{
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(node, "inputs");
    return cJSON_IsObject(inputs) ? inputs : NULL;
}

static const cJSON *input_of(const cJSON *node, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(inputs_of(node), name);
}

const char *node_class(const cJSON *node)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "class_type"));
    return name ? name : "";
}

bool node_is(const cJSON *node, const char *classes)
{
    const char *name = node_class(node);
    size_t len = strlen(name);
    for (const char *p = classes; len && *p; p += *p == '|') {
        size_t n = strcspn(p, "|");
        if (n == len && strncmp(p, name, n) == 0) return true;
        p += n;
    }
    return false;
}

const char *node_id(const cJSON *node) { return node->string ? node->string : ""; }

const cJSON *graph_node(const Graph *g, const char *id)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(g->nodes, id);
    return cJSON_IsObject(node) ? node : NULL;
}

bool node_has(const cJSON *node, const char *input) { return input_of(node, input) != NULL; }

/* A link is [id, slot]; old files have ids as numbers. */
static Place place_of(Graph *g, const cJSON *link)
{
    Str id = { 0 };
    Place none = { 0 };
    if (!cJSON_IsArray(link) || cJSON_GetArraySize(link) != 2 || g->steps++ >= GRAPH_STEPS) return none;
    const cJSON *slot = cJSON_GetArrayItem(link, 1);
    if (loose_text(cJSON_GetArrayItem(link, 0), &id) && cJSON_IsNumber(slot) && slot->valuedouble >= 0 &&
        slot->valuedouble < 100)
        none = (Place){ graph_node(g, str_text(&id)), (int)slot->valuedouble };
    str_release(&id);
    return none;
}

/* The only link among a node's inputs; NULL: there is none. */
static const cJSON *first_link(const cJSON *node)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, inputs_of(node)) if (cJSON_IsArray(item)) return item;
    return NULL;
}

Place graph_follow(Graph *g, const cJSON *node, const char *input)
{
    Place p = place_of(g, input_of(node, input));
    while (p.node &&
           node_is(p.node, "Reroute|ReroutePrimitive|Reroute (rgthree)|Anything Everywhere|easy cleanGpuUsed"))
        p = place_of(g, first_link(p.node));
    return p;
}

static bool value_of(Graph *g, const cJSON *item, bool words, int depth, Str *out);

/* Two texts and what stands between them. */
static bool joined(Graph *g, const cJSON *node, int depth, Str *out)
{
    static const char *const parts[] = { "string_a", "delimiter", "string_b" };
    bool any = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        any = value_of(g, input_of(node, parts[i]), true, depth, out) || any;
    return any;
}

/* A node that makes a value has it among its inputs: words first, then numbers. */
static bool value_of(Graph *g, const cJSON *item, bool words, int depth, Str *out)
{
    static const char *const names[] = { "populated_text", "value",      "text",  "string",   "prompt",
                                         "String",         "text_input", "input", "positive", "seed",
                                         "noise_seed",     "int",        "float", "Number",   "number" };
    const size_t count = sizeof names / sizeof *names, of_words = 9;
    if (!cJSON_IsArray(item)) return (!words || cJSON_IsString(item)) && loose_text(item, out);
    const cJSON *node = depth < VALUE_DEPTH ? place_of(g, item).node : NULL;
    if (!node) return false;
    if (node_is(node, "StringConcatenate")) return joined(g, node, depth + 1, out);
    for (size_t i = 0; i < (words ? of_words : count); i++)
        if (value_of(g, input_of(node, names[i]), words, depth + 1, out)) return true;
    return false;
}

bool graph_value(Graph *g, const cJSON *node, const char *input, Str *out)
{
    return value_of(g, input_of(node, input), false, 0, out);
}

bool graph_text(Graph *g, const cJSON *node, const char *input, Str *out)
{
    return value_of(g, input_of(node, input), true, 0, out);
}
