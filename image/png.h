/*
 * png.h - PNG with text chunks. Pixels by stb_image_write / stb_image; tEXt (Latin-1) or iTXt (else, uncompressed
 * UTF-8) put in before IDAT, as PIL and A1111 do. Source: PNG specification 1.2, 4.2.3 and 5.
 */
#ifndef LIMN_IMAGE_PNG_H
#define LIMN_IMAGE_PNG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/folder.h"
#include "image/image.h"

enum {
    PNG_MAX_SIDE = 16384,
    PNG_MAX_PIXELS = 1 << 28, /* read or written: 1 GB of RGBA */
    PNG_MAX_TEXT = 1 << 24,   /* bytes of all texts read, after inflating; of one text written */
    PNG_MAX_TEXTS = 1000,     /* pictures have a handful; without a limit a small file could hold us up for hours */
};

typedef struct {
    char *key, *text; /* key: 1 to 79 bytes of Latin-1; text: UTF-8 */
} PngText;

typedef struct {
    PngText *items;
    size_t count;
} PngTexts;

/* Returns whether a file begins as a PNG does. */
bool png_is(Bytes file);

/* The whole file, RGB or RGBA, in *out (heap: free((void *)out->data)). The same input gives the same bytes. Error: too large. */
int png_encode(const Image *im, const PngText *texts, size_t count, Bytes *out, Err *e);

/*
 * tEXt, iTXt and zTXt of any PNG, in the file's order, and its width and height (w, h may be NULL). The order and
 * lengths of all chunks and the checksums and keys of those with text are checked, and that the texts are no more than
 * PNG_MAX_TEXTS and PNG_MAX_TEXT. png_texts_release() frees.
 */
int png_read_texts(Bytes png, PngTexts *out, int *w, int *h, Err *e);
void png_texts_release(PngTexts *t);
const char *png_text(const PngTexts *t, const char *key); /* NULL when absent */

/* The pixels as RGB, with alpha where the file has it. Error: not a PNG, broken, larger than PNG_MAX_... */
int png_decode(Bytes file, Image *out, Err *e);

/* The same of a file, by its path below an opened folder, or (NULL) as it is. Error: with the path. */
int png_load(const Folder *in, const char *path, Image *out, Err *e);

#endif
