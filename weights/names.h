/*
 * names.h - converts tensor names in files to diffusers' names, by tables of patterns.
 *
 * The LDM tables are for the single files of the Stable Diffusion 1.x and 2.x releases (CompVis/latent-diffusion,
 * openai/guided-diffusion, mlfoundations/open_clip); two short ones bring older and newer diffusers folders to the
 * names that limn binds. Nothing is copied but what OpenCLIP has transposed: the other tensors look at the same mapped bytes.
 */
#ifndef LIMN_WEIGHTS_NAMES_H
#define LIMN_WEIGHTS_NAMES_H

#include "base/str.h"
#include "weights/weights.h"

typedef enum {
    NAMES_LDM_UNET,       /* input_blocks.1.0.in_layers.0.weight */
    NAMES_LDM_VAE,        /* decoder.up.3.block.0.norm1.weight */
    NAMES_OPENCLIP_TEXT,  /* transformer.resblocks.0.attn.in_proj_weight */
    NAMES_CLIP_TEXT,      /* transformers' own, with "text_model." in front or not */
    NAMES_DIFFUSERS_UNET, /* diffusers' own */
    NAMES_DIFFUSERS_VAE,  /* diffusers' own, the mid attention's names of before 0.18 too */
    NAMES_TAESD,          /* half of a tiny autoencoder: 1.conv.0.weight -> layers.1.conv.0.weight */
    NAMES_TAESD_RAISED,   /* its decoder's original numbers, each one more than diffusers' */
    NAMES_LDM_CONTROL,    /* a ControlNet: zero_convs.0.0.weight, input_hint_block.0.weight, and the UNet's way down */
    NAMES_CLIP_IMAGE,     /* transformers' own of CLIP's half for pictures, with "vision_model." in front or not */
    NAMES_OPENCLIP_IMAGE, /* behind "visual.": transformer.resblocks.0.attn.in_proj_weight */
    NAMES_COUNT
} NameTable;

/* How blocks are numbered; what a table does not use may be 0, which for text_layers means all. */
typedef struct {
    int levels;            /* resolutions of the UNet or VAE */
    int layers;            /* residual blocks a level on the way down (UNet) */
    int text_layers;       /* text blocks from this number on are dropped (SD 2.x: the last one is not used) */
    bool pooled;           /* the pooled text is wanted (SD XL), so the text's projection is kept */
    unsigned up_attention; /* names_back(): which of the UNet's up blocks have attention, a bit each */
} NameShape;

/*
 * How a UNet's input_blocks are numbered behind the prefix: each level has `layers` blocks, then, but for the last, a
 * downsampler. Error: they do not divide evenly.
 */
int names_numbering(const Weights *all, const char *prefix, NameShape *out, Err *e);

/*
 * The tensors of `all` whose name begins with prefix, renamed. They are marked as used in `all`. Error: a name that the
 * table does not know, a tensor that cannot be split or flattened as the table says. With prefix "", which any name has, those
 * that begin as none in the table does are left alone.
 */
Weights *names_convert(Weights *all, const char *prefix, NameTable table, NameShape shape, Err *e);

/* What a tensor of that name becomes on the way back. */
typedef enum {
    BACK_SAME,
    BACK_CONV,  /* [c, c] becomes [c, c, 1, 1] */
    BACK_THIRD, /* query, key or value: one third of a tensor */
    BACK_TURNED /* [out, in] becomes [in, out] */
} NameBack;

/*
 * From diffusers' name to the table's (without a prefix); third: 0 .. 2 of BACK_THIRD. False: the table has no such name.
 */
bool names_back(const char *name, NameTable table, NameShape shape, Str *out, NameBack *how, int *third);

#endif
