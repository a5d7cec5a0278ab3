/*
 * formats.h - the readers behind load.h, one for each format: each reads a file's header, and decodes it. Internal to image/.
 * None of them allocates for more pixels than PNG_MAX_SIDE and PNG_MAX_PIXELS allow (png.h).
 */
#ifndef LIMN_IMAGE_FORMATS_H
#define LIMN_IMAGE_FORMATS_H

#include "base/err.h"
#include "base/file.h"
#include "image/image.h"

/* A file's header. */
typedef struct {
    int w, h;        /* as they stand in the file */
    int orientation; /* exif.h's */
    bool animated;   /* the pixels are the first picture's */
} Announced;

int png_announced(Bytes file, Announced *out, Err *e);

/* JPEG by libjpeg-turbo: grey, YCbCr, RGB, CMYK and YCCK (Adobe's, inverted), as Pillow makes RGB of them; at most 100 scans. */
int jpeg_announced(Bytes file, Announced *out, Err *e);
int jpeg_decode(Bytes file, Image *out, Err *e);

/* WebP by libwebp: lossy, lossless, with alpha; of an animation its first picture on its canvas. */
int webp_announced(Bytes file, Announced *out, Err *e);
int webp_decode(Bytes file, Image *out, Err *e);
/* A chunk of WebP's container, "EXIF"; len 0: there is none. */
Bytes webp_chunk(Bytes file, const char *name);

/* Error: a size that cannot be or is too large. what: "a JPEG". */
int format_check_size(const char *what, int64_t w, int64_t h, Err *e);

#endif
