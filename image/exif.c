/* exif.c - see exif.h. */
#include "image/exif.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY = 12, HEADER = 8 };

static uint32_t number(const unsigned char *p, int bytes, bool little)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | p[little ? bytes - 1 - i : i];
    return v;
}

int exif_orientation(Bytes exif)
{
    if (exif.len >= 6 && memcmp(exif.data, "Exif\0", 5) == 0) exif = (Bytes){ exif.data + 6, exif.len - 6 };
    if (exif.len < HEADER) return 1;
    bool little = memcmp(exif.data, "II*\0", 4) == 0;
    if (!little && memcmp(exif.data, "MM\0*", 4) != 0) return 1;
    size_t at = number(exif.data + 4, 4, little);
    if (at > exif.len || exif.len - at < 2) return 1;
    size_t entries = number(exif.data + at, 2, little);
    for (at += 2; entries && exif.len - at >= ENTRY; entries--, at += ENTRY) {
        const unsigned char *p = exif.data + at;
        if (number(p, 2, little) != ORIENTATION || number(p + 2, 2, little) != SHORT) continue;
        uint32_t v = number(p + 8, 2, little);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
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
