/* fill.h - fills the masked part of a picture from its surroundings, like A1111's masked content "fill". */
#ifndef LIMN_IMAGE_FILL_H
#define LIMN_IMAGE_FILL_H

#include "image/resample.h"

/*
 * picture [h, w, 3], in place: where mask [h, w, 1] is not 0, colours flow in from its surroundings. Source: A1111's
 * modules/masking.py, fill(): the picture without what is masked, blurred with radii from 256 to 0, laid over itself; Pillow 12's
 * AlphaComposite.c and Convert.c for the arithmetic.
 */
void fill_masked_part(Samples picture, Samples mask);

#endif
