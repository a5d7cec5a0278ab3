/*
 * graph.h - ComfyUI's graph in the API's form: nodes by id, {"class_type", "inputs"}, where an input is a value or a link [id,
 * slot]. Links in an untrusted file may lead anywhere and in circles: each step along one counts, and after GRAPH_STEPS none is
 * followed.
 */
#ifndef LIMN_AGAIN_GRAPH_H
#define LIMN_AGAIN_GRAPH_H

#include <stdbool.h>

#include "base/str.h"

struct cJSON;

enum { GRAPH_NODES = 5000, GRAPH_STEPS = 20000 };

typedef struct {
    const struct cJSON *nodes;
    int steps; /* taken so far */
} Graph;

/* A place that a link leads to: a node's output. node NULL: nowhere. */
typedef struct {
    const struct cJSON *node;
    int slot;
} Place;

const char *node_class(const struct cJSON *node);            /* "" where it has none */
bool node_is(const struct cJSON *node, const char *classes); /* one of several, parted by '|' */
const char *node_id(const struct cJSON *node);

/* The node of an id; NULL: there is none. */
const struct cJSON *graph_node(const Graph *g, const char *id);

/* Returns whether an input is there, be it a value or a link. */
bool node_has(const struct cJSON *node, const char *input);

/* Where an input's link leads, past reroutes; nowhere: it is a value, or the steps are used up. */
Place graph_follow(Graph *g, const struct cJSON *node, const char *input);

/*
 * An input's value as text, appended; a link is followed to the node that makes the value: a primitive, a text. False: there is
 * none that can be told without running the graph.
 */
bool graph_value(Graph *g, const struct cJSON *node, const char *input, Str *out);

/* The same where words are wanted: no number is taken for them. */
bool graph_text(Graph *g, const struct cJSON *node, const char *input, Str *out);

#endif
