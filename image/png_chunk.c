/* png_chunk.c - see png_chunk.h. */
#include "image/png_chunk.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <stb/stb_image.h>

#include "base/magic.h"
#include "image/png.h"

static const unsigned char signature[PNG_SIGNATURE] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };

/* Says what the file is instead. */
static int not_png(Bytes file, Err *e)
{
    const Magic is = magic_of(file);
    if (!file.len) return err_set(e, "an empty file, not a PNG");
    if (!is.what) return err_set(e, "not a PNG: it does not begin as one");
    return err_set(e, "%s, not a PNG%s", is.what,
                   is.kind == MAGIC_PICTURE ? ": that is the only kind of picture that limn reads" : "");
}

bool png_is(Bytes file) { return file.len >= PNG_SIGNATURE && memcmp(file.data, signature, PNG_SIGNATURE) == 0; }

uint32_t png_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint32_t png_crc32(const unsigned char *p, size_t n)
{
    static const uint32_t four_bits[16] = {
        /* what they leave */
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ four_bits[crc & 15];
        crc = crc >> 4 ^ four_bits[crc & 15];
    }
    return ~crc;
}

int png_chunk_next(Bytes png, PngChunk *c, Err *e)
{
    bool first = !c->data.data;
    if (!png_is(png)) return not_png(png, e);
    size_t at = first ? PNG_SIGNATURE : c->at + PNG_CHUNK + c->data.len;
    if (png.len - at < PNG_CHUNK)
        return err_set(e, "the PNG ends at byte %zu without its last chunk: truncated", png.len);

    const unsigned char *p = png.data + at;
    size_t n = png_u32(p), left = png.len - at - PNG_CHUNK;
    *c = (PngChunk){ .at = at, .data = { p + 8, n } };
    memcpy(c->type, p + 4, 4);
    if (n > left)
        return err_set(e, "PNG chunk \"%s\" at byte %zu says %zu bytes, %zu are left: truncated or broken", c->type, at,
                       n, left);
    if (first != png_chunk_is(c, "IHDR") || (first && n != PNG_HEADER))
        return err_set(e, "PNG chunk \"%s\" of %zu bytes at byte %zu, where %s expected", c->type, n, at,
                       first ? "IHDR of 13 bytes is" : "a second IHDR is not");
    return 0;
}

bool png_chunk_is(const PngChunk *c, const char *type) { return memcmp(c->type, type, 4) == 0; }

int png_chunk_err(const PngChunk *c, Err *e)
{
    char where[64];
    snprintf(where, sizeof where, "PNG chunk \"%s\" at byte %zu", c->type, c->at);
    return err_in(e, where);
}

int png_chunk_check(const PngChunk *c, Err *e)
{
    if (png_crc32(c->data.data - 4, c->data.len + 4) == png_u32(c->data.data + c->data.len)) return 0;
    err_set(e, "its checksum is wrong");
    return png_chunk_err(c, e);
}

int64_t png_inflate(Bytes stream, char *out, size_t room)
{
    if (stream.len > INT_MAX || room > INT_MAX) return -1;
    return stbi_zlib_decode_buffer(out, (int)room, (const char *)stream.data, (int)stream.len);
}
