/* comfyui.h - shared by the two halves of ComfyUI's reader; internal to again/. */
#ifndef LIMN_AGAIN_COMFYUI_H
#define LIMN_AGAIN_COMFYUI_H

#include "again/graph.h"
#include "again/reading.h"

typedef struct {
    Graph g;
    Reading *r;
    const struct cJSON *encoder; /* of the prompt; NULL: none was found */
    bool pixels;                 /* an area of the prompt is given in pixels */
} Reader;

/* An input's value as text, on the heap; NULL: it has none that can be told. */
char *reader_value(Reader *x, const struct cJSON *node, const char *input);
double reader_number(Reader *x, const struct cJSON *node, const char *input, double usual);
/* An input's value as an option's; that it cannot be told is remarked on. "sampler" and "schedule" in ComfyUI's names. */
void reader_take(Reader *x, const struct cJSON *node, const char *input, const char *option);

/* Adds a remark about a node that is ignored. */
void reader_passed(Reader *x, const struct cJSON *node, Matters how);

/* Follows an input of `from` back to the prompt's text; nodes that change it on the way are ignored with a remark. */
void comfyui_prompt(Reader *x, const struct cJSON *from, const char *input, bool negative);

bool comfyui_is_sampler(const struct cJSON *node);

/*
 * The sampler's settings: KSampler, KSamplerAdvanced, SamplerCustom, SamplerCustomAdvanced and nodes with the same inputs.
 * Returns the node whose inputs lead to the prompts and the model: itself, or its guider.
 */
const struct cJSON *comfyui_sampler(Reader *x, const struct cJSON *node);

/* Returns whether one of two strengths changes anything. */
static inline bool strength_counts(double a, double b) { return a < 0 || a > 0 || b < 0 || b > 0; }

#endif
