/*
 * ways.h - how a first pass's picture is enlarged for the second one: A1111's upscalers of latents and of pixels, in one table;
 * any other name is the file of an upscaler network (upscale.h). Sources: A1111's modules/shared_items.py and processing.py
 * (sample_hr_pass), torch's interpolate (UpSample.h: the arithmetic).
 */
#ifndef LIMN_PIPELINE_WAYS_H
#define LIMN_PIPELINE_WAYS_H

#include <stdbool.h>

#include "nn/tensor.h"

typedef enum { SCALE_NEAREST, SCALE_NEAREST_EXACT, SCALE_BILINEAR, SCALE_BICUBIC } ScaleKind;

typedef struct Way {
    const char *name;  /* "latent-bicubic" */
    const char *a1111; /* "Latent (bicubic)" */
    bool latent;       /* of the latent, else of the decoded picture */
    ScaleKind kind;    /* latent */
    bool antialias;
} Way;

extern const Way ways[]; /* ends with name NULL; the first is the usual one */

/* Finds it by either name; case, '-', '_', spaces and brackets do not count. NULL: there is none. */
const Way *way_find(const char *name);

/* out [n, h, w, c] = in, of another size, as torch's interpolate makes it (align_corners false). */
void way_scale(const Way *w, Tensor out, Tensor in);

#endif
