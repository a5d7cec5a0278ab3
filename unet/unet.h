/*
 * unet.h - the denoiser network, UNet2DConditionModel of diffusers, built from its config.json.
 * Source: Rombach et al. 2022 (arXiv:2112.10752); diffusers models/unets/unet_2d_condition.py.
 */
#ifndef LIMN_UNET_UNET_H
#define LIMN_UNET_UNET_H

#include "base/err.h"
#include "nn/bind.h"
#include "nn/nn.h"
#include "weights/config.h"
#include "weights/weights.h"

typedef struct UNet UNet;

/* Reads the config, checks and binds the weights (all of them: an extra tensor is an error). */
UNet *unet_new(Config *c, Weights *w, Err *e);
void unet_free(UNet *u);

/* Returns whether both compute the same from the same weights: all settings but the size that it was trained at. */
bool unet_alike(const UNet *a, const UNet *b);

int unet_in_channels(const UNet *u); /* 4; 9 inpainting; 8 pix2pix */
int unet_out_channels(const UNet *u);
int unet_context_width(const UNet *u);  /* cross_attention_dim */
int unet_sample_size(const UNet *u);    /* the latent's height it was trained at; 0 when the config is silent */
int unet_sample_width(const UNet *u);   /* its width, which is the height but where the config has both */
int unet_added_width(const UNet *u);    /* text_time (XL): width of the pooled text and all ids' embeddings; 0: none */
int unet_added_id_width(const UNet *u); /* of one id's embedding */
int unet_cond_width(const UNet *u);     /* time_cond_proj_dim (LCM); 0: none */
int unet_labels(const UNet *u);         /* num_class_embeds; 0: none */
int unet_label_width(const UNet *u);    /* class_embed_type "projection": of what is projected; 0: none */
int unet_factor(const UNet *u);         /* latents a pixel of the coarsest level: 8 */
/*
 * The weights of its convolutions in the form in which they are multiplied, so that a call need not transform them: what they
 * take, and their making (on all cores; error: out of memory). rounded: for products that round (Nn.precision). The results have
 * the same bits.
 */
size_t unet_transformed_bytes(const UNet *u, bool rounded);
int unet_keep_transformed(UNet *u, const Kernels *k, bool rounded, Err *e);
/* Its weights by their names, for adapters; and how many residual blocks a level has on the way down (the first's). */
const BoundMemory *unet_bound(const UNet *u);
int unet_layers(const UNet *u);
/*
 * What residuals are added to: shapes alone (data NULL) for n latents of h x w. Returns how many, at most UNET_MAX_RESIDUALS.
 */
enum { UNET_MAX_RESIDUALS = 80 };
int unet_residual_shapes(const UNet *u, int n, int h, int w, Tensor *shapes);
/*
 * Its attentions to the prompt: how wide they are, and where their columns begin in what unet_context() fills. On the way down,
 * on the way up, then in the middle, which is the order in which IP-Adapters number them. Returns how many.
 */
enum { UNET_MAX_CROSSES = 512 };
typedef struct {
    int channels, at;
} UNetCross;
int unet_crosses(const UNet *u, UNetCross out[UNET_MAX_CROSSES]);

int unet_deep_channels(const UNet *u);
/* Returns whether there is self-attention at the latent's own size. */
bool unet_attends_at_full_size(const UNet *u);

/* Its config; shape.h is internal to unet/ and control/. */
typedef struct UNetShape UNetShape;
const UNetShape *unet_shape(const UNet *u);
size_t unet_weight_bytes(const UNet *u); /* without transformed ones: the network's size */
size_t unet_bytes(const UNet *u);        /* memory of converted and transformed weights */
size_t unet_borrowed(const UNet *u);     /* bytes that are read where the file has them */

/*
 * The keys and values of every cross-attention: they depend on the prompt alone, so they are computed once and serve every
 * step. context [n, tokens, 1, context_width]; kv [n, tokens, 1, unet_context_columns()], the caller's, is filled; its columns
 * stand attention by attention. nn as for the forward. Temporaries are given back. Cannot fail.
 */
int unet_context_columns(const UNet *u);
void unet_context(Nn *nn, const UNet *u, Tensor context, Tensor kv);

/*
 * Its self-attentions by diffusers' names ("mid_block.attentions.0.transformer_blocks.0.attn1"), numbered on the way down, in the
 * middle, on the way up. Returns how many.
 */
enum { UNET_SELF_NAME = 96 };
int unet_selfs(const UNet *u);
void unet_self_name(const UNet *u, int at, char name[UNET_SELF_NAME]);
/* The first of the middle, at a latent of h x w of what size; -1: there is none. */
int unet_middle_self(const UNet *u, int *h, int *w);

/* What a self-attention makes of a sample. */
typedef enum {
    SELF_PLAIN,
    SELF_IDENTITY, /* each place sees itself alone: PAG */
    SELF_BLURRED,  /* queries are blurred over the places: SEG */
    SELF_KINDS
} SelfKind;

enum { UNET_MAX_GROUPS = 8 };

typedef struct {
    int groups;                     /* samples are so many groups of the same number; 0: all is plain */
    SelfKind kind[UNET_MAX_GROUPS]; /* of each */
    const bool *at[SELF_KINDS];     /* [unet_selfs()] where that kind is; elsewhere it is plain */
    double blur;                    /* SELF_BLURRED: deviation in places, above 9999 the mean of all */
    Tensor
        map; /* [n, h, w, 1], of the middle's size: filled with how much map_at looks at each place; n 0: not wanted */
    int map_at;
    double merge;   /* token merging: this share of the tokens is left out, at the latent's own size only; 0: none */
    int tile;       /* HyperTile: attention within tiles of at least so many places a side; 0: over all */
    int tile_depth; /* down to this level */
} UNetSelf;

/* FreeU (freeu.h). version 0: none. b: of the backbone, s: of the skips, for its two stages. */
typedef struct {
    int version;
    bool
        by_channels; /* where it acts: by the channels that come from below, as its authors, A1111 and ComfyUI; else diffusers' rule */
    double b[2], s[2];
} UNetFreeU;

/* DeepCache, Ma et al. 2023 (arXiv:2312.00858): other steps reuse the output of the decoder's last residual block but one. */
typedef enum {
    DEEP_NONE,
    DEEP_FILL, /* a whole forward that leaves it */
    DEEP_TAKE  /* only conv_in, and from the last residual block on */
} DeepUse;

/* The inputs of a forward pass other than the latent. Inputs that the config does not have stay 0. */
typedef struct {
    Tensor context; /* [n, tokens, 1, context_width]; or instead */
    Tensor kv;      /* unet_context()'s result for it */
    Tensor pooled;  /* [n, 1, 1, added_width - id_count * added_id_width]: text_time's pooled text embedding */
    const float
        *ids;     /* [n, id_count]: text_time's original size, crop, target size; or the refiner's score as the last */
    int id_count; /* 6, the refiner's 5 */
    const float *cond; /* [n, cond_width]: LCM's guidance embedding */
    const float
        *more;     /* [4 * channels]: added to the time's embedding (ControlNet-Union's kind of map); NULL: nothing */
    Tensor label;  /* [n, 1, 1, label_width]: what class_embed_type "projection" projects */
    int label_row; /* the class label of all samples, below labels */
    Tensor beside; /* [n, h, w, c]: channels after x's: inpainting's mask and picture, pix2pix's picture; c 0: none */
    const Tensor
        *residuals; /* [residual_count]: added to the skips in their order, then to the middle (ControlNet); NULL */
    int residual_count;
    const Tensor *
        features; /* [feature_count] of [1 or n, h, w, channels]: added in the encoder, one per level (T2I-Adapter); NULL */
    int feature_count;
    const Tensor
        *pictures; /* [picture_count]: further keys and values with kv's columns, of other tokens (IP-Adapter); NULL */
    int picture_count;
    UNetSelf self;   /* the variant of self-attention */
    UNetFreeU freeu; /* changes of the decoder */
    DeepUse deep_use;
    Tensor deep; /* [n, h, w, unet_deep_channels()] */
} UNetInputs;

/*
 * x [n, h, w, in_channels less those of `beside`], any h and w; t: one timestep for all samples. Returns [n, h, w, out_channels]
 * in nn->arena; all temporaries are freed. Cannot fail.
 */
Tensor unet_forward(Nn *nn, const UNet *u, Tensor x, float t, const UNetInputs *in);

#endif
