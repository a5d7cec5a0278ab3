/* extend.h - by how much a picture is made larger before it is drawn on: --extend. */
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
 * A new mask: 255 in what is new and in `inside` pixels of the old picture beside it, in between what the old mask says (data NULL:
 * 0). in.w, in.h: the old picture's.
 */
Samples extend_mask(Samples in, const Extend *x, int inside);

#endif
