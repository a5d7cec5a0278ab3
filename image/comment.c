/* comment.c - see comment.h. */
#include "image/comment.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "image/exif.h"
#include "image/formats.h"
#include "image/png.h"
#include "image/png_chunk.h"

enum { DESCRIPTION = 0x010e, USER_COMMENT = 0x9286, CODE = 8 };

/* UTF-16 as UTF-8; a half of a pair alone becomes U+FFFD. */
static void add_utf16(Str *out, Bytes b, bool little)
{
    uint32_t high = 0;
    for (size_t i = 0; i + 1 < b.len; i += 2) {
        uint32_t c = little ? b.data[i] | (uint32_t)b.data[i + 1] << 8 : (uint32_t)b.data[i] << 8 | b.data[i + 1];
        bool low = c >= 0xdc00 && c < 0xe000, first = c >= 0xd800 && c < 0xdc00;
        if (!c) break;
        if (high && low) utf8_put(out, 0x10000 + ((high - 0xd800) << 10) + (c - 0xdc00));
        else {
            if (high || low) utf8_put(out, 0xfffd);
            if (!first && !low) utf8_put(out, c);
        }
        high = first ? c : 0;
    }
}

/* In which order most characters are ASCII. */
static bool is_little(Bytes b)
{
    size_t as[2] = { 0, 0 };
    for (size_t i = 0; i + 1 < b.len; i += 2) {
        as[0] += !b.data[i] && b.data[i + 1] < 128;
        as[1] += !b.data[i + 1] && b.data[i] < 128;
    }
    return as[1] > as[0];
}

static char *decoded(Bytes value)
{
    Str out = { 0 };
    bool unicode = value.len >= CODE && memcmp(value.data, "UNICODE\0", CODE) == 0;
    bool coded = unicode || (value.len >= CODE && (memcmp(value.data, "ASCII\0\0\0", CODE) == 0 ||
                                                   memcmp(value.data, "\0\0\0\0\0\0\0\0", CODE) == 0));
    if (coded) value = (Bytes){ value.data + CODE, value.len - CODE };
    if (value.len > COMMENT_MAX) return NULL;
    if (unicode) add_utf16(&out, value, is_little(value));
    else utf8_add(&out, (const char *)value.data, strnlen((const char *)value.data, value.len));
    if (out.len) return out.s;
    str_release(&out);
    return NULL;
}

char *comment_of_exif(Bytes exif)
{
    Bytes comment = exif_value(exif, USER_COMMENT, true), description = exif_value(exif, DESCRIPTION, false);
    if (!comment.len) comment = exif_value(exif, USER_COMMENT, false); /* where some programs put it */
    char *text = comment.len ? decoded(comment) : NULL;
    return text ? text : description.len ? decoded(description) : NULL;
}

/* ---- where Exif and XMP stand ---- */

/* What stands in a JPEG's APP1 behind this beginning; len 0: there is none before the pixels. */
static Bytes jpeg_segment(Bytes file, const char *begins, size_t len)
{
    for (size_t at = 2; at <= file.len && file.len - at >= 4;) {
        const unsigned char *p = file.data + at;
        size_t n = (size_t)p[2] << 8 | p[3];
        if (p[0] != 0xff || p[1] == 0xda || n < 2 || n > file.len - at - 2) break;
        if (p[1] == 0xe1 && n - 2 >= len && memcmp(p + 4, begins, len) == 0) return (Bytes){ p + 4 + len, n - 2 - len };
        at += 2 + n;
    }
    return (Bytes){ 0 };
}

static Bytes png_exif(Bytes file)
{
    Err ignored;
    for (PngChunk c = { 0 }; !png_chunk_is(&c, "IEND");) {
        if (png_chunk_next(file, &c, &ignored)) break;
        if (png_chunk_is(&c, "eXIf")) return c.data;
    }
    return (Bytes){ 0 };
}

static bool is_jpeg(Bytes file) { return file.len > 4 && file.data[0] == 0xff && file.data[1] == 0xd8; }
static bool is_webp(Bytes file)
{
    return file.len > 12 && memcmp(file.data, "RIFF", 4) == 0 && memcmp(file.data + 8, "WEBP", 4) == 0;
}

char *comment_of(Bytes file)
{
    Bytes exif = { 0 };
    if (png_is(file)) exif = png_exif(file);
    if (is_jpeg(file)) exif = jpeg_segment(file, "Exif\0\0", 6);
    if (is_webp(file)) exif = webp_chunk(file, "EXIF");
    return exif.len ? comment_of_exif(exif) : NULL;
}

char *comment_xmp(Bytes file)
{
    static const char name[] = "http://ns.adobe.com/xap/1.0/"; /* and its NUL */
    Bytes xmp = { 0 };
    Str out = { 0 };
    if (is_jpeg(file)) xmp = jpeg_segment(file, name, sizeof name);
    if (is_webp(file)) xmp = webp_chunk(file, "XMP ");
    if (xmp.len) utf8_add(&out, (const char *)xmp.data, strnlen((const char *)xmp.data, xmp.len));
    return out.s;
}
