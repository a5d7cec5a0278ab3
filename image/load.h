/* load.h - a picture from a file that a user gives: PNG, JPEG, WebP. It stands upright, whatever Exif says of the camera. */
#ifndef LIMN_IMAGE_LOAD_H
#define LIMN_IMAGE_LOAD_H

#include "base/err.h"
#include "base/file.h"
#include "image/image.h"

/*
 * The pixels. *note: what of the file was passed over, a literal; NULL: nothing. Error: missing, no such picture (the text says
 * what it is), broken, too large. image_release() the result.
 */
int image_load(const char *path, Image *out, const char **note, Err *e);

/* The same of a file's bytes. */
int image_decode(Bytes file, Image *out, const char **note, Err *e);

/* Its width and height only, as image_load() makes them. */
int image_load_size(const char *path, int *w, int *h, Err *e);
int image_decode_size(Bytes file, int *w, int *h, Err *e);

#endif
