/*
 * exif.h - Exif's orientation, its one field that changes how pixels are shown; and the bytes of any other field. Source: Exif
 * 2.32 (CIPA DC-008), 4.6.4, tag 0x0112; the layout is that of TIFF 6.0.
 */
#ifndef LIMN_IMAGE_EXIF_H
#define LIMN_IMAGE_EXIF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "image/image.h"

/*
 * exif: what a file carries, with or without "Exif\0\0" in front. 1 to 8; 1 (as it is) where nothing, or nothing
 * sensible, is said.
 */
int exif_orientation(Bytes exif);

/*
 * The bytes of a tag's value in the first directory, or (inner) in the one that Exif keeps for its own tags, which the first one
 * points to. len 0: it is not there, or lies beyond the end.
 */
Bytes exif_value(Bytes exif, uint32_t tag, bool inner);

/* Returns whether width and height change places. */
bool exif_turns(int orientation);

/* Rotates and mirrors the picture to its upright orientation. */
void exif_upright(Image *im, int orientation);

#endif
