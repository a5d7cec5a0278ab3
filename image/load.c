/* load.c - see load.h. */
#include "image/load.h"

#include <string.h>

#include "base/magic.h"
#include "image/exif.h"
#include "image/formats.h"
#include "image/png.h"
#include "image/png_chunk.h"

/* The formats by their first bytes, as magic.h calls them. */
static const struct {
    const char *what;
    int (*announced)(Bytes file, Announced *out, Err *e);
    int (*decode)(Bytes file, Image *out, Err *e);
} formats[] = {
    { "a PNG picture", png_announced, png_decode },
    { "a JPEG picture", jpeg_announced, jpeg_decode },
    { "a WebP picture", webp_announced, webp_decode },
};

int format_check_size(const char *what, int64_t w, int64_t h, Err *e)
{
    if (w < 1 || h < 1) return err_set(e, "%s of %lldx%lld pixels cannot be", what, (long long)w, (long long)h);
    if (w <= PNG_MAX_SIDE && h <= PNG_MAX_SIDE && w * h <= PNG_MAX_PIXELS) return 0;
    return err_set(e, "%s of %lldx%lld is too large: at most %d on a side, %d pixels", what, (long long)w, (long long)h,
                   PNG_MAX_SIDE, PNG_MAX_PIXELS);
}

int png_announced(Bytes file, Announced *out, Err *e)
{
    *out = (Announced){ .orientation = 1 };
    for (PngChunk c = { 0 }; !png_chunk_is(&c, "IEND");) {
        if (png_chunk_next(file, &c, e)) return -1;
        if (png_chunk_is(&c, "eXIf")) out->orientation = exif_orientation(c.data);
        if (png_chunk_is(&c, "acTL")) out->animated = true;
        if (!png_chunk_is(&c, "IHDR")) continue;
        uint32_t w = png_u32(c.data.data), h = png_u32(c.data.data + 4);
        if (format_check_size("a PNG", w, h, e)) return -1;
        out->w = (int)w;
        out->h = (int)h;
    }
    return 0;
}

/* The row of a file, and what the file announces. Returns the row; -1: error. */
static int look(Bytes file, Announced *a, Err *e)
{
    Magic m = magic_of(file);
    for (int i = 0; i < (int)(sizeof formats / sizeof *formats); i++)
        if (m.what && strcmp(m.what, formats[i].what) == 0) return formats[i].announced(file, a, e) ? -1 : i;
    return err_set(e, "%s: a PNG, JPEG or WebP is expected",
                   !file.len ? "an empty file"
                   : m.what  ? m.what
                             : "no picture");
}

int image_decode(Bytes file, Image *out, const char **note, Err *e)
{
    Announced a = { .orientation = 1 };
    int format = look(file, &a, e);
    *note = NULL;
    if (format < 0 || formats[format].decode(file, out, e)) return -1;
    exif_upright(out, a.orientation);
    if (a.animated) *note = "it is an animation: its first picture is taken";
    return 0;
}

int image_load(const char *path, Image *out, const char **note, Err *e)
{
    Bytes file;
    if (file_map(&file, path, e)) return -1;
    int failed = image_decode(file, out, note, e);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}

int image_decode_size(Bytes file, int *w, int *h, Err *e)
{
    Announced a = { .orientation = 1 };
    if (look(file, &a, e) < 0) return -1;
    bool turns = exif_turns(a.orientation);
    *w = turns ? a.h : a.w;
    *h = turns ? a.w : a.h;
    return 0;
}

int image_load_size(const char *path, int *w, int *h, Err *e)
{
    Bytes file;
    if (file_map(&file, path, e)) return -1;
    int failed = image_decode_size(file, w, h, e);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}
