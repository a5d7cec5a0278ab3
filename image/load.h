/* load.h - a picture from a file that a user gives: PNG. */
#ifndef LIMN_IMAGE_LOAD_H
#define LIMN_IMAGE_LOAD_H

#include "base/err.h"
#include "image/image.h"

/* The pixels. Error: missing, no PNG (the text says what it is), broken, too large. image_release() the result. */
int image_load(const char *path, Image *out, Err *e);

/* Its width and height only. */
int image_load_size(const char *path, int *w, int *h, Err *e);

#endif
