/*
 * letters.h - words on pictures. An alphabet of our own: each letter is a few strokes of a round pen, drawn antialiased
 * at any size. ASCII, a few signs, and Latin letters with accents; what there is no letter for is drawn as a box.
 */
#ifndef LIMN_IMAGE_LETTERS_H
#define LIMN_IMAGE_LETTERS_H

#include "base/str.h"
#include "image/image.h"

typedef struct {
    uint8_t r, g, b;
} Colour;

/* size 1: capitals are 10 pixels high, stems 1.5 pixels wide and on the pixels' grid. */
typedef struct {
    double size;
    bool bold;
    Colour colour;
} Pen;

enum {
    LETTERS_ABOVE = 14, /* pixels of a line at size 1 above the base line, with accents */
    LETTERS_BELOW = 4,
};

/* Width of a line in pixels. text: UTF-8. */
double letters_width(const char *text, const Pen *pen);

/* Draws text with its base line's beginning at x, y; what lies outside the picture is cut off. */
void letters_draw(Image *im, double x, double y, const char *text, const Pen *pen);

/* Appends text, or as much of its beginning as is no wider than most pixels with "..." after it. */
void letters_shorten(Str *out, const char *text, double most, const Pen *pen);

/* Fills a rectangle; what lies outside the picture is cut off. */
void image_fill(Image *im, int x, int y, int w, int h, Colour c);

#endif
