/*
 * letters.h - words on pictures, in DejaVu Sans (third_party/dejavu): Latin, Greek, Cyrillic, punctuation and arrows, antialiased
 * and kerned. A letter that the font lacks is shown by its number, so that two words stay two words: "\u2039U+732B\u203A".
 */
#ifndef LIMN_IMAGE_LETTERS_H
#define LIMN_IMAGE_LETTERS_H

#include "base/str.h"
#include "image/image.h"

typedef struct {
    uint8_t r, g, b;
} Colour;

/* size 1: small letters are 7 pixels high, capitals 9. */
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

/* Appends text as it is drawn, or as much of its beginning as is no wider than most pixels with "\u2026" after it. */
void letters_shorten(Str *out, const char *text, double most, const Pen *pen);

/* Fills a rectangle; what lies outside the picture is cut off. */
void image_fill(Image *im, int x, int y, int w, int h, Colour c);

#endif
