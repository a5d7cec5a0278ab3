/*
 * png.c - see png.h: writing, and reading of texts. Compression and filters are stb's, at its defaults (level 8, the best of
 * five filters a row), on which the bytes depend.
 */
#include "image/png.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "image/png_chunk.h"

/* Of stb_image only what inflates is used: its decoders are not hardened enough for files from strangers. */
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_WRITE_NO_STDIO
#define STBIW_MALLOC  mem_plain /* stb checks some of these, and asserts others */
#define STBIW_REALLOC mem_grow
#define STBIW_FREE    free
#ifndef __clang_analyzer__ /* not ours to lint */
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#endif
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>

enum {
    MAX_KEY = 79,
    INFLATE_MOST = 1032, /* DEFLATE's largest ratio */
};

/* ---- writing ---- */

static void add_u32(Str *out, uint32_t v)
{
    char b[4] = { (char)(v >> 24), (char)(v >> 16 & 255), (char)(v >> 8 & 255), (char)(v & 255) };
    str_addn(out, b, 4);
}

/* The text in Latin-1; false when it has other characters. */
static bool to_latin1(const char *text, Str *out)
{
    size_t left = strlen(text);
    while (left) {
        uint32_t code;
        size_t took = utf8_next(text, left, &code, NULL);
        if (code > 0xFF) return false;
        char c = (char)code;
        str_addn(out, &c, 1);
        text += took;
        left -= took;
    }
    return true;
}

static int add_text(Str *out, const PngText *t, Err *e)
{
    size_t text_len = strlen(t->text);
    if (text_len > PNG_MAX_TEXT)
        return err_set(e, "PNG text \"%s\" of %zu bytes, at most %d are allowed", t->key, text_len, PNG_MAX_TEXT);

    Str data = { 0 }, latin1 = { 0 };
    str_addn(&data, t->key, strlen(t->key) + 1);
    bool plain = to_latin1(t->text, &latin1);
    if (plain) {
        str_addn(&data, str_text(&latin1), latin1.len);
    } else {
        str_addn(&data, "\0\0\0\0", 4); /* not compressed, method 0, no language, no translated key */
        utf8_add(&data, t->text, text_len);
    }
    size_t start = out->len;
    add_u32(out, (uint32_t)data.len);
    str_add(out, plain ? "tEXt" : "iTXt");
    str_addn(out, data.s, data.len);
    add_u32(out, png_crc32((const unsigned char *)out->s + start + 4, data.len + 4));
    str_release(&data);
    str_release(&latin1);
    return 0;
}

static bool too_large(int w, int h) { return w > PNG_MAX_SIDE || h > PNG_MAX_SIDE || (int64_t)w * h > PNG_MAX_PIXELS; }

/* stb's way to hand out what it wrote. */
static void append(void *out, void *data, int n) { str_addn(out, data, (size_t)n); }

/* Colours and alpha side by side, heap. */
static uint8_t *interleave(const Image *im)
{
    size_t pixels = (size_t)im->w * (size_t)im->h;
    uint8_t *rgba = mem_array(pixels, 4);
    for (size_t i = 0; i < pixels; i++) {
        memcpy(rgba + i * 4, im->rgb + i * 3, 3);
        rgba[i * 4 + 3] = im->alpha[i];
    }
    return rgba;
}

int png_encode(const Image *im, const PngText *texts, size_t count, Bytes *out, Err *e)
{
    const size_t head = PNG_SIGNATURE + PNG_CHUNK + PNG_HEADER; /* the texts come after IHDR */
    Str plain = { 0 }, file = { 0 };
    *out = (Bytes){ 0 };

    if (too_large(im->w, im->h)) return err_set(e, "an image of %dx%d is too large for a PNG here", im->w, im->h);
    int channels = im->alpha ? 4 : 3;
    uint8_t *rgba = im->alpha ? interleave(im) : NULL;
    int written =
        stbi_write_png_to_func(append, &plain, im->w, im->h, channels, rgba ? rgba : im->rgb, im->w * channels);
    free(rgba);
    if (!written) {
        err_set(e, "not enough memory to compress an image of %dx%d", im->w, im->h);
        goto fail;
    }
    str_addn(&file, plain.s, head);
    for (size_t i = 0; i < count; i++)
        if (add_text(&file, &texts[i], e)) goto fail;
    str_addn(&file, plain.s + head, plain.len - head);
    str_release(&plain);
    *out = (Bytes){ (unsigned char *)file.s, file.len };
    return 0;

fail:
    str_release(&plain);
    str_release(&file);
    return -1;
}

/* ---- reading ---- */

static void add_latin1(Str *out, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) utf8_put(out, p[i]);
}

/* A zlib stream into *out. Memory is bounded by what n bytes can hold, and by `room`. */
static int inflate(const unsigned char *p, size_t n, size_t room, Str *out, Err *e)
{
    size_t most = n < room / INFLATE_MOST ? n * INFLATE_MOST : room;
    char *buf = mem_alloc(most + 1);
    int64_t len = png_inflate((Bytes){ p, n }, buf, most);
    if (len >= 0) str_addn(out, buf, (size_t)len);
    free(buf);
    return len >= 0
               ? 0
               : err_set(e, "its compression is broken, or the texts are longer than %d bytes in all", PNG_MAX_TEXT);
}

/* The text of a chunk whose key ended at p - 1. */
static int text_of(const char *type, const unsigned char *p, size_t n, size_t room, Str *out, Err *e)
{
    if (memcmp(type, "tEXt", 4) == 0) {
        add_latin1(out, p, n);
        return 0;
    }
    bool international = memcmp(type, "iTXt", 4) == 0;
    if (n < (international ? 2U : 1U) || p[international]) return err_set(e, "an unknown compression method");
    bool compressed = !international || p[0];
    p += 1 + international;
    n -= 1U + international;
    for (int skip = 0; international && skip < 2; skip++) { /* the language, the translated key */
        const unsigned char *end = memchr(p, 0, n);
        if (!end) return err_set(e, "it ends before its text");
        n -= (size_t)(end + 1 - p);
        p = end + 1;
    }

    Str raw = { 0 };
    if (compressed) {
        if (inflate(p, n, room, &raw, e)) return -1;
        p = (const unsigned char *)str_text(&raw);
        n = raw.len;
    }
    if (international) utf8_add(out, (const char *)p, n);
    else add_latin1(out, p, n);
    str_release(&raw);
    return 0;
}

static bool key_is_good(const unsigned char *key, size_t len)
{
    if (len < 1 || len > MAX_KEY || key[0] == ' ' || key[len - 1] == ' ') return false;
    for (size_t i = 0; i < len; i++)
        if (key[i] < 32 || (key[i] > 126 && key[i] < 161)) return false;
    return true;
}

/* *room: bytes that the texts may still have. */
static int read_text(PngTexts *out, const PngChunk *c, size_t *room, Err *e)
{
    const unsigned char *p = c->data.data;
    size_t n = c->data.len;
    if (out->count == PNG_MAX_TEXTS) return err_set(e, "more than %d texts", PNG_MAX_TEXTS);
    if (n > *room) return err_set(e, "the texts are longer than %d bytes in all", PNG_MAX_TEXT);
    const unsigned char *end = memchr(p, 0, n < MAX_KEY + 1 ? n : MAX_KEY + 1);
    if (!end || !key_is_good(p, (size_t)(end - p)))
        return err_set(e, "its key is not 1 to %d Latin-1 letters", MAX_KEY);

    Str text = { 0 }, key = { 0 };
    if (text_of(c->type, end + 1, n - (size_t)(end + 1 - p), *room, &text, e)) {
        str_release(&text);
        return -1;
    }
    *room -= text.len < *room ? text.len : *room; /* Latin-1 grows as UTF-8 */
    for (size_t i = 0; i < text.len; i++)
        if (!text.s[i]) text.s[i] = ' '; /* the specification forbids NUL; what follows it is still shown */
    add_latin1(&key, p, (size_t)(end - p));
    out->items = mem_grow(out->items, (out->count + 1) * sizeof *out->items);
    out->items[out->count++] = (PngText){ key.s, text.s ? text.s : mem_strdup("") };
    return 0;
}

int png_read_texts(Bytes png, PngTexts *out, int *w, int *h, Err *e)
{
    size_t room = PNG_MAX_TEXT;
    *out = (PngTexts){ 0 };
    for (PngChunk c = { 0 }; !png_chunk_is(&c, "IEND");) {
        if (png_chunk_next(png, &c, e)) goto fail;
        if (png_chunk_is(&c, "IHDR")) {
            uint32_t width = png_u32(c.data.data), height = png_u32(c.data.data + 4);
            if (width > INT_MAX || height > INT_MAX) {
                err_set(e, "a PNG of %ux%u pixels cannot be", width, height);
                goto fail;
            }
            if (w) *w = (int)width;
            if (h) *h = (int)height;
        }
        if (!png_chunk_is(&c, "tEXt") && !png_chunk_is(&c, "iTXt") && !png_chunk_is(&c, "zTXt")) continue;
        if (png_chunk_check(&c, e)) goto fail;
        if (read_text(out, &c, &room, e)) {
            png_chunk_err(&c, e);
            goto fail;
        }
    }
    return 0;

fail:
    png_texts_release(out);
    return -1;
}

void png_texts_release(PngTexts *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->items[i].key);
        free(t->items[i].text);
    }
    free(t->items);
    *t = (PngTexts){ 0 };
}

const char *png_text(const PngTexts *t, const char *key)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->items[i].key, key) == 0) return t->items[i].text;
    return NULL;
}

int png_load(const Folder *in, const char *path, Image *out, Err *e)
{
    Bytes file;
    if (in ? folder_map(in, path, &file, e) : file_map(&file, path, e)) return -1;
    int failed = png_decode(file, out, e);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}
