/*
 * profile.h - where a forward pass spends its time: for each distinct layer how often it ran and how long.
 *
 * A layer's function has one line, PROFILE(nn, KIND, n, h, w, in, out, k), before its work: it times the rest of the
 * block that it stands in. Layers called by a layer count as part of the outer one. Costs a branch while nn->profile is NULL.
 */
#ifndef LIMN_NN_PROFILE_H
#define LIMN_NN_PROFILE_H

#include <stddef.h>

/* Kinds with arithmetic first; the rest is bound by memory. */
typedef enum {
    LAYER_CONV,      /* stride 1 */
    LAYER_CONV_DOWN, /* stride 2 */
    LAYER_CONV_UP,   /* after 2x upsampling */
    LAYER_LINEAR,
    LAYER_ATTENTION,
    LAYER_GROUP_NORM,
    LAYER_NORM,
    LAYER_ACT,
    LAYER_ADD,
    LAYER_CONCAT,
    LAYER_KINDS
} LayerKind;

typedef struct {
    LayerKind kind;
    int n, h, w; /* of the output; attention: queries */
    int in, out; /* channels; attention: heads and the width of one; group norm: out is the groups */
    int k;       /* convolution: its side; attention: keys; else 0 */
} LayerShape;

typedef struct {
    LayerShape shape;
    int count;      /* how often it ran */
    double seconds; /* in all */
} LayerCost;

typedef struct Profile {
    LayerCost *layers; /* in the order in which they were met */
    size_t count, room;
    int depth;
} Profile;

/* Starts as (Profile){ 0 }. */
void profile_release(Profile *p);

const char *layer_name(const LayerShape *s);
double layer_flops(const LayerShape *s); /* 2 x the multiplications of the plain algorithm, once; 0: none that count */

/* What PROFILE() is made of. */
typedef struct {
    Profile *p; /* NULL: nothing is recorded */
    LayerShape shape;
    double start;
} ProfileSpan;

ProfileSpan profile_begin(Profile *p, LayerShape s); /* p may be NULL */
void profile_end(ProfileSpan *s);

#define PROFILE(nn, ...)                                                                                               \
    ProfileSpan profile_span __attribute__((cleanup(profile_end), unused)) =                                           \
        profile_begin(arena_dry((nn)->arena) ? NULL : (nn)->profile, (LayerShape){ __VA_ARGS__ })

#endif
