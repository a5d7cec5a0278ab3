/* image.c - see image.h. */
#include "image/image.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void image_init(Image *im, int w, int h)
{
    assert(w > 0 && h > 0);
    *im = (Image){ .w = w, .h = h, .rgb = mem_array((size_t)w * (size_t)h, 3) };
}

void image_release(Image *im)
{
    free(im->rgb);
    free(im->alpha);
    *im = (Image){ 0 };
}

void image_copy(Image *out, const Image *im)
{
    size_t pixels = (size_t)im->w * (size_t)im->h;
    image_init(out, im->w, im->h);
    memcpy(out->rgb, im->rgb, pixels * 3);
    if (!im->alpha) return;
    out->alpha = mem_array(pixels, 1);
    memcpy(out->alpha, im->alpha, pixels);
}

uint8_t image_over(uint8_t value, uint8_t alpha, uint8_t ground)
{
    return (uint8_t)((value * alpha + ground * (255 - alpha) + 127) / 255);
}

void image_flatten(Image *out, const Image *im, uint8_t ground)
{
    image_init(out, im->w, im->h);
    for (size_t i = 0; i < (size_t)im->w * (size_t)im->h * 3; i++)
        out->rgb[i] = image_over(im->rgb[i], im->alpha ? im->alpha[i / 3] : 255, ground);
}

void image_from_tensor(Image *im, Tensor x)
{
    assert(x.n == 1 && x.c == 3);
    image_init(im, x.w, x.h);
    for (size_t i = 0; i < tensor_len(x); i++) {
        float v = x.data[i] / 2 + 0.5F;
        v = v > 1 ? 1 : v > 0 ? v : 0;             /* a NaN, which the pipeline reports before, would be black */
        im->rgb[i] = (uint8_t)nearbyintf(v * 255); /* the default rounding mode: half to even */
    }
}
