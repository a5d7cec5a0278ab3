/* image.c - see image.h. */
#include "image/image.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

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
