/* profile.c - see profile.h. A model has some sixty distinct layers: they are looked for one by one. */
#include "nn/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static const char *const names[LAYER_KINDS] = {
    [LAYER_CONV] = "conv",
    [LAYER_CONV_DOWN] = "conv, halving",
    [LAYER_CONV_UP] = "conv, doubling",
    [LAYER_LINEAR] = "linear",
    [LAYER_ATTENTION] = "attention",
    [LAYER_GROUP_NORM] = "group norm",
    [LAYER_NORM] = "layer norm",
    [LAYER_ACT] = "activation",
    [LAYER_ADD] = "addition",
    [LAYER_CONCAT] = "concatenation",
};

const char *layer_name(const LayerShape *s) { return names[s->kind]; }

double layer_flops(const LayerShape *s)
{
    double pixels = (double)s->n * s->h * s->w, products = pixels * s->in * s->out;
    switch (s->kind) {
    case LAYER_CONV:
    case LAYER_CONV_DOWN:
    case LAYER_CONV_UP: return 2 * products * s->k * s->k;
    case LAYER_LINEAR: return 2 * products;
    case LAYER_ATTENTION: return 4 * products * s->k; /* q k^T, then the scores times v */
    default: return 0;
    }
}

void profile_release(Profile *p)
{
    free(p->layers);
    *p = (Profile){ 0 };
}

static LayerCost *find(Profile *p, const LayerShape *s)
{
    for (size_t i = 0; i < p->count; i++)
        if (memcmp(&p->layers[i].shape, s, sizeof *s) == 0) return &p->layers[i];
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        p->layers = mem_grow(p->layers, p->room * sizeof *p->layers);
    }
    p->layers[p->count] = (LayerCost){ .shape = *s };
    return &p->layers[p->count++];
}

ProfileSpan profile_begin(Profile *p, LayerShape s)
{
    if (!p) return (ProfileSpan){ .p = NULL };
    p->depth++;
    return (ProfileSpan){ p, s, clock_now() };
}

void profile_end(ProfileSpan *s)
{
    if (!s->p || --s->p->depth) return;
    double end = clock_now();
    LayerCost *c = find(s->p, &s->shape);
    c->count++;
    c->seconds += end - s->start;
}
