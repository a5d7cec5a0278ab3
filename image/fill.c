/* fill.c - see fill.h. */
#include "image/fill.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/blur.h"

/* a * b / 255, rounded. */
static uint8_t times(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

/* Colours multiplied with their alpha: what the mask leaves of the picture, pasted into nothing. */
static Samples cut_out(Samples picture, Samples mask)
{
    size_t n = (size_t)picture.w * (size_t)picture.h;
    Samples out = { mem_array(n, 4), picture.w, picture.h, 4 };
    for (size_t i = 0; i < n; i++) {
        unsigned keep = 255U - mask.data[i];
        for (size_t c = 0; c < 3; c++) out.data[4 * i + c] = times(picture.data[3 * i + c], keep);
        out.data[4 * i + 3] = (uint8_t)keep;
    }
    return out;
}

/* One pixel over another, both not multiplied. */
static void lay_over(uint8_t *to, const uint8_t *top)
{
    enum { BITS = 7 };
    if (!top[3]) return;
    uint32_t below = to[3] * (255U - top[3]), all = top[3] * 255U + below;
    uint32_t share = top[3] * 255U * 255U * (1U << BITS) / all, rest = 255U * (1U << BITS) - share;
    for (int c = 0; c < 3; c++) {
        uint32_t v = top[c] * share + to[c] * rest + (128U << BITS);
        to[c] = (uint8_t)(((v >> 8) + v) >> 8 >> BITS);
    }
    all += 128;
    to[3] = (uint8_t)(((all >> 8) + all) >> 8);
}

/* The same with colours that are multiplied. */
static void lay_pixel(uint8_t *to, const uint8_t *multiplied)
{
    uint8_t top[4] = { multiplied[0], multiplied[1], multiplied[2], multiplied[3] };
    for (int c = 0; top[3] && top[3] != 255 && c < 3; c++) {
        unsigned v = 255U * multiplied[c] / top[3];
        top[c] = (uint8_t)(v > 255 ? 255 : v);
    }
    lay_over(to, top);
}

void fill_masked_part(Samples picture, Samples mask)
{
    static const struct {
        float radius;
        int times;
    } layers[] = { { 256, 1 }, { 64, 1 }, { 16, 2 }, { 4, 4 }, { 2, 2 }, { 0, 1 } };
    size_t n = (size_t)picture.w * (size_t)picture.h;
    Samples left = cut_out(picture, mask), layer = { mem_array(n, 4), picture.w, picture.h, 4 };
    uint8_t *all = mem_array(n, 4);
    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
        memcpy(layer.data, left.data, n * 4);
        blur_pillow(layer, layers[k].radius);
        for (int t = 0; t < layers[k].times; t++)
            for (size_t i = 0; i < n; i++) lay_pixel(all + 4 * i, layer.data + 4 * i);
    }
    for (size_t i = 0; i < n; i++) memcpy(picture.data + 3 * i, all + 4 * i, 3);
    free(all);
    free(layer.data);
    free(left.data);
}
