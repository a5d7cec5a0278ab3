/* webp.c - see formats.h. Source: libwebp's decode.h and demux.h; the container as in RFC 9649, 2.3 to 2.7. */
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/mem.h"
#include "image/exif.h"
#include "image/formats.h"

static int read_features(Bytes file, WebPBitstreamFeatures *f, Err *e)
{
    VP8StatusCode status = WebPGetFeatures(file.data, file.len, f);
    if (status == VP8_STATUS_NOT_ENOUGH_DATA) return err_set(e, "broken WebP: it ends in its header");
    if (status != VP8_STATUS_OK) return err_set(e, "broken WebP: its header is none");
    return format_check_size("a WebP", f->width, f->height, e);
}

Bytes webp_chunk(Bytes file, const char *name)
{
    for (size_t at = 12; at <= file.len && file.len - at >= 8;) {
        const unsigned char *p = file.data + at;
        size_t n = p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16 | (size_t)p[7] << 24;
        if (n > file.len - at - 8) break;
        if (memcmp(p, name, 4) == 0) return (Bytes){ p + 8, n };
        at += 8 + n + (n & 1);
    }
    return (Bytes){ 0 };
}

int webp_announced(Bytes file, Announced *out, Err *e)
{
    WebPBitstreamFeatures f;
    if (read_features(file, &f, e)) return -1;
    *out = (Announced){ f.width, f.height, exif_orientation(webp_chunk(file, "EXIF")), f.has_animation };
    return 0;
}

/* rgba [h, w, 4] to the picture; pixels are not premultiplied. */
static void split(Image *im, const uint8_t *rgba)
{
    for (size_t i = 0; i < (size_t)im->w * (size_t)im->h; i++) {
        memcpy(im->rgb + 3 * i, rgba + 4 * i, 3);
        im->alpha[i] = rgba[4 * i + 3];
    }
}

static int decode_still(Bytes file, Image *im, bool alpha, Err *e)
{
    size_t pixels = (size_t)im->w * (size_t)im->h;
    uint8_t *rgba = alpha ? mem_try(pixels * 4) : NULL;
    if (alpha && !rgba) return err_set(e, "out of memory: a WebP of %dx%d takes %zu MB", im->w, im->h, pixels >> 18);
    const uint8_t *read = alpha ? WebPDecodeRGBAInto(file.data, file.len, rgba, pixels * 4, im->w * 4)
                                : WebPDecodeRGBInto(file.data, file.len, im->rgb, pixels * 3, im->w * 3);
    if (read && alpha) split(im, rgba);
    free(rgba);
    return read ? 0 : err_set(e, "broken WebP: its pixels are cut off or damaged");
}

/* The first frame, laid on a clear canvas. */
static int decode_first(Bytes file, Image *im, Err *e)
{
    WebPAnimDecoderOptions how;
    uint8_t *canvas = NULL;
    int when;
    WebPAnimDecoderOptionsInit(&how);
    how.color_mode = MODE_RGBA;
    WebPData data = { file.data, file.len };
    WebPAnimDecoder *d = WebPAnimDecoderNew(&data, &how);
    bool read = d && WebPAnimDecoderGetNext(d, &canvas, &when) && canvas;
    if (read) split(im, canvas);
    WebPAnimDecoderDelete(d);
    return read ? 0 : err_set(e, "broken WebP: the first picture of the animation is cut off or damaged");
}

int webp_decode(Bytes file, Image *out, Err *e)
{
    WebPBitstreamFeatures f;
    *out = (Image){ 0 };
    if (read_features(file, &f, e)) return -1;
    bool alpha = f.has_alpha || f.has_animation;
    size_t pixels = (size_t)f.width * (size_t)f.height;
    *out = (Image){ f.width, f.height, mem_try(pixels * 3), alpha ? mem_try(pixels) : NULL };
    int failed = !out->rgb || (alpha && !out->alpha)
                     ? err_set(e, "out of memory: a WebP of %dx%d takes %zu MB", f.width, f.height, pixels >> 18)
                 : f.has_animation ? decode_first(file, out, e)
                                   : decode_still(file, out, alpha, e);
    if (failed) image_release(out);
    return failed;
}
