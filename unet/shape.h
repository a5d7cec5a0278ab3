/*
 * shape.h - a UNet's config.json, with one entry per level where the config has one. ControlNets are copies of a UNet's encoder
 * and have the same keys. Internal to unet/ and control/.
 */
#ifndef LIMN_UNET_SHAPE_H
#define LIMN_UNET_SHAPE_H

#include "base/err.h"
#include "unet/unet.h"
#include "weights/config.h"

enum {
    UNET_MAX_LEVELS = 8,
    UNET_MAX_LAYERS = 8,
    UNET_MAX_CHANNELS = 16384,
    UNET_MAX_SKIPS = 1 + UNET_MAX_LEVELS * (UNET_MAX_LAYERS + 1), /* and the middle: UNET_MAX_RESIDUALS */
};

typedef enum { MID_NONE, MID_PLAIN, MID_ATTENTION } MidKind;

struct UNetShape {
    int in, out, sample_size, sample_width; /* out 0: an encoder only */
    int levels;
    int channels[UNET_MAX_LEVELS], layers[UNET_MAX_LEVELS], heads[UNET_MAX_LEVELS];
    int depth[UNET_MAX_LEVELS][UNET_MAX_LAYERS + 1];    /* transformer layers of each attention in the encoder */
    int up_depth[UNET_MAX_LEVELS][UNET_MAX_LAYERS + 1]; /* and in the order of the up blocks */
    bool down_attention[UNET_MAX_LEVELS], up_attention[UNET_MAX_LEVELS], only_cross[UNET_MAX_LEVELS];
    MidKind mid;
    int context, groups, time_width;
    float eps, freq_shift;
    bool flip_sin_to_cos;
    int cond_width;                 /* time_cond_proj_dim */
    int added_width, added_ids_dim; /* text_time: width of pooled text and ids, of one id's embedding */
    int labels, label_width; /* num_class_embeds; class_embed_type "projection": width of what is projected; 0: none */
};

/* Reads the keys of a UNet2DConditionModel and calls config_finish(). Error: what limn does not run. */
int unet_shape_read(UNetShape *s, Config *c, Err *e);

/*
 * Reads the keys that a ControlNetModel shares with it: the encoder and the middle. The caller reads its own keys and calls
 * config_finish().
 */
int unet_shape_read_down(UNetShape *s, Config *c, Err *e);

/* Refuses the keys of class labels, which only a whole UNet may have. */
void unet_shape_refuse_labels(Config *c);

/* Returns whether heads divide channels wherever there is attention. */
int unet_shape_check(const UNetShape *s, Err *e);

/* Returns whether they are equal in all but sample size; unused values (heads where there is no attention) do not count. */
bool unet_shape_alike(const UNetShape *a, const UNetShape *b);

/* How many skip tensors the encoder leaves for the decoder. */
int unet_shape_skips(const UNetShape *s);

#endif
