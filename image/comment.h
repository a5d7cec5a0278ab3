/*
 * comment.h - what a picture's Exif and XMP say in words. Source: Exif 2.32 (CIPA DC-008), 4.6.5, tag 0x9286; XMP part 3, 1.1.3 (JPEG).
 */
#ifndef LIMN_IMAGE_COMMENT_H
#define LIMN_IMAGE_COMMENT_H

#include "base/file.h"

#define COMMENT_KEY "UserComment"
#define COMMENT_XMP "XML:com.adobe.xmp" /* the key that a PNG's text has for it */

enum { COMMENT_MAX = 1 << 24 }; /* bytes */

/*
 * Exif's UserComment of a PNG, JPEG or WebP as UTF-8, heap; where it has none, the image description. UNICODE's 16 bits may have either
 * order (Exif leaves it open: A1111 writes the greater first, others as the file has it); which of them gives ASCII tells. NULL: none.
 */
char *comment_of(Bytes file);

/* The XMP packet of a JPEG or WebP, heap; NULL: none. */
char *comment_xmp(Bytes file);

/* The comment of Exif's bytes alone, with or without "Exif\0\0" in front. */
char *comment_of_exif(Bytes exif);

#endif
