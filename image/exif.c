/* exif.c - see exif.h. */
#include "image/exif.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ORIENTATION = 0x0112, EXIF_IFD = 0x8769, ENTRY = 12, HEADER = 8 };

/* Exif's bytes from TIFF's header on, to which its offsets refer. */
typedef struct {
    Bytes b;
    bool little;
} Tiff;

static uint32_t number(const Tiff *t, const unsigned char *p, int bytes)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | p[t->little ? bytes - 1 - i : i];
    return v;
}

static bool tiff_open(Tiff *t, Bytes exif)
{
    if (exif.len >= 6 && memcmp(exif.data, "Exif\0", 5) == 0) exif = (Bytes){ exif.data + 6, exif.len - 6 };
    *t = (Tiff){ .b = exif };
    if (exif.len < HEADER) return false;
    t->little = memcmp(exif.data, "II*\0", 4) == 0;
    return t->little || memcmp(exif.data, "MM\0*", 4) == 0;
}

/* The value of a tag in the directory at `at`. */
static Bytes find_tag(const Tiff *t, size_t at, uint32_t tag)
{
    static const unsigned char sizes[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8 };
    if (at > t->b.len || t->b.len - at < 2) return (Bytes){ 0 };
    size_t entries = number(t, t->b.data + at, 2);
    for (at += 2; entries && t->b.len - at >= ENTRY; entries--, at += ENTRY) {
        const unsigned char *p = t->b.data + at;
        if (number(t, p, 2) != tag) continue;
        uint32_t type = number(t, p + 2, 2);
        uint64_t n = type < sizeof sizes ? (uint64_t)sizes[type] * number(t, p + 4, 4) : 0;
        size_t from = n <= 4 ? at + 8 : number(t, p + 8, 4);
        if (!n || from > t->b.len || n > t->b.len - from) return (Bytes){ 0 };
        return (Bytes){ t->b.data + from, (size_t)n };
    }
    return (Bytes){ 0 };
}

Bytes exif_value(Bytes exif, uint32_t tag, bool inner)
{
    Tiff t;
    if (!tiff_open(&t, exif)) return (Bytes){ 0 };
    size_t at = number(&t, t.b.data + 4, 4);
    if (!inner) return find_tag(&t, at, tag);
    Bytes to = find_tag(&t, at, EXIF_IFD);
    return to.len == 4 ? find_tag(&t, number(&t, to.data, 4), tag) : (Bytes){ 0 };
}

int exif_orientation(Bytes exif)
{
    Tiff t;
    Bytes value = exif_value(exif, ORIENTATION, false);
    if (value.len != 2 || !tiff_open(&t, exif)) return 1;
    uint32_t v = number(&t, value.data, 2);
    return v >= 1 && v <= 8 ? (int)v : 1;
}

bool exif_turns(int orientation) { return orientation >= 5; }

/* samples of c bytes, [h, w, c] as they stand in the file, in a new array as they are shown. */
static uint8_t *upright(const uint8_t *in, int w, int h, size_t c, int orientation)
{
    uint8_t *out = mem_array((size_t)w * (size_t)h, c), *to = out;
    bool turns = exif_turns(orientation);
    int ow = turns ? h : w, oh = turns ? w : h;
    bool right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8; /* from the row's end */
    bool below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    for (int y = 0; y < oh; y++)
        for (int x = 0; x < ow; x++, to += c) {
            int sx = turns ? y : x, sy = turns ? x : y;
            if (right) sx = w - 1 - sx;
            if (below) sy = h - 1 - sy;
            memcpy(to, in + ((size_t)sy * (size_t)w + (size_t)sx) * c, c);
        }
    return out;
}

void exif_upright(Image *im, int orientation)
{
    if (orientation < 2) return;
    uint8_t *rgb = upright(im->rgb, im->w, im->h, 3, orientation);
    uint8_t *alpha = im->alpha ? upright(im->alpha, im->w, im->h, 1, orientation) : NULL;
    int w = exif_turns(orientation) ? im->h : im->w, h = exif_turns(orientation) ? im->w : im->h;
    image_release(im);
    *im = (Image){ w, h, rgb, alpha };
}
