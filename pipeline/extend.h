/* extend.h - outpainting: by how much a picture is extended on each side (--extend). */
#ifndef LIMN_PIPELINE_EXTEND_H
#define LIMN_PIPELINE_EXTEND_H

#include <stdbool.h>

#include "base/err.h"
#include "image/resample.h"

typedef struct {
    int left, top, right, bottom; /* pixels, none below 0 */
} Extend;

/* "left=64,top=0", "all=32"; text NULL: nothing. Error (ERR_USAGE): another word, no number, or all of it 0. */
int extend_parse(const char *text, Extend *out, Err *e);

/* A new picture (free(.data)), its edges repeated outwards. */
Samples extend_picture(Samples in, const Extend *x);

/*
 * A new mask: 255 in the new part and in the `inside` pixels of the old picture next to it; elsewhere the old mask (data NULL:
 * 0). in.w, in.h: the old picture's.
 */
Samples extend_mask(Samples in, const Extend *x, int inside);

#endif
