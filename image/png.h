/*
 * png.h - PNG with text chunks. Pixels by stb_image_write / stb_image; tEXt (Latin-1) and iTXt (else, uncompressed UTF-8)
 * put in before IDAT. Source: PNG specification 1.2, 11.3.4.
 */
#ifndef LIMN_IMAGE_PNG_H
#define LIMN_IMAGE_PNG_H

#include "base/err.h"
#include "base/file.h"
#include "image/image.h"

typedef struct {
    char *key, *text; /* UTF-8 */
} PngText;

typedef struct {
    PngText *items;
    size_t count;
} PngTexts;

/* The whole file in *out (heap). The same input gives the same bytes. Error: the image is too large. */
int png_encode(const Image *im, const PngText *texts, size_t count, Bytes *out, Err *e);

/* tEXt, iTXt and zTXt of any PNG; checksums, lengths and keys are checked. png_texts_release() frees. */
int png_read_texts(Bytes png, PngTexts *out, Err *e);
void png_texts_release(PngTexts *t);
const char *png_text(const PngTexts *t, const char *key); /* NULL when absent */

/* The pixels as RGB. Error: not a PNG / JPEG, broken, larger than 16384 on a side. */
int png_decode(Bytes file, Image *out, Err *e);

#endif
