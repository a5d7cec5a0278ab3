/* test_png_pixels.c - a PNG's pixels: every format there is, and files that are broken or announce less than they hold. */
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/png.h"
#include "image/png_chunk.h"
#include "tests/files.h"

#define DIR GOLDEN "/png"

static Bytes opened(const char *name)
{
    Err e;
    Bytes file;
    char *path = path_in(DIR, name);
    if (file_map(&file, path, &e)) fail_msg("%s", e.text);
    free(path);
    return file;
}

/* Every format against the pixels that the specification gives it. */
static void all_formats(void **state)
{
    (void)state;
    char **names = files_in(DIR, ".png");
    size_t count = 0;
    for (char **n = names; *n; n++, count++) {
        Err e;
        Image im;
        Str beside = { 0 };
        str_addn(&beside, *n, strlen(*n) - 4);
        str_add(&beside, ".rgba");
        Bytes png = opened(*n), rgba = opened(beside.s);
        if (png_decode(png, &im, &e)) fail_msg("%s: %s", *n, e.text);
        assert_int_equal((size_t)(im.w * im.h) * 4, rgba.len);
        bool opaque = true;
        for (size_t i = 0; i < rgba.len / 4; i++) {
            const unsigned char *want = rgba.data + 4 * i;
            int alpha = im.alpha ? im.alpha[i] : 255;
            if (memcmp(im.rgb + 3 * i, want, 3) != 0 || alpha != want[3]) fail_msg("%s: pixel %zu", *n, i);
            opaque = opaque && want[3] == 255;
        }
        assert_true(opaque || im.alpha);
        image_release(&im);
        file_unmap(&png);
        file_unmap(&rgba);
        str_release(&beside);
    }
    assert_int_equal(count, 52);
    names_free(names);
}

static void add_chunk(Str *s, const char *type, const void *data, size_t n)
{
    char head[8] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };
    size_t start = s->len + 4;
    memcpy(head + 4, type, 4);
    str_addn(s, head, 8);
    str_addn(s, data, n);
    uint32_t crc = png_crc32((const unsigned char *)s->s + start, n + 4);
    char tail[4] = { (char)(crc >> 24), (char)(crc >> 16), (char)(crc >> 8), (char)crc };
    str_addn(s, tail, 4);
}

/* A zlib stream of n bytes as they are; 65535 in a block. */
static void stored(Str *out, const char *data, size_t n)
{
    str_addn(out, "\x78\x01", 2);
    do {
        size_t len = n < 65535 ? n : 65535;
        char head[5] = { n == len, (char)len, (char)(len >> 8), (char)~len, (char)(~len >> 8) };
        str_addn(out, head, 5);
        str_addn(out, data, len);
        data += len;
        n -= len;
    } while (n);
    str_addn(out, "\0\0\0\1", 4); /* where its checksum stands */
}

static void begin(Str *s, int w, int h, const char rest[5])
{
    char ihdr[13] = { 0, 0, (char)(w >> 8), (char)w, 0, 0, (char)(h >> 8), (char)h };
    memcpy(ihdr + 8, rest, 5);
    str_addn(s, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(s, "IHDR", ihdr, sizeof ihdr);
}

/* Ends the file, and expects of it the word of an error, or none. */
static void finish(Str *s, const char *word)
{
    Err e = { .text = "" };
    Image im;
    add_chunk(s, "IEND", "", 0);
    int failed = png_decode((Bytes){ (unsigned char *)s->s, s->len }, &im, &e);
    if (!word && failed) fail_msg("%s", e.text);
    if (word && !failed) fail_msg("read, but \"%s\" was expected", word);
    if (word && !strstr(e.text, word)) fail_msg("\"%s\" has no \"%s\"", e.text, word);
    image_release(&im);
    str_release(s);
}

static void one(const char rest[5], const char *word)
{
    Str s = { 0 }, z = { 0 };
    begin(&s, 1, 1, rest);
    stored(&z, "\0abc", 4);
    add_chunk(&s, "IDAT", z.s, z.len);
    finish(&s, word);
    str_release(&z);
}

static void headers(void **state)
{
    (void)state;
    one("\x08\x02\0\0\0", NULL);
    one("\x08\x02\0\0\1", NULL);
    one("\x04\x02\0\0\0", "colour type 2 with 4 bits");
    one("\x08\x05\0\0\0", "colour type 5");
    one("\x08\x02\1\0\0", "compression 1");
    one("\x08\x02\0\0\2", "expected 0, 0 and 0 or 1");
    one("\x08\x03\0\0\0", "no palette");
}

/* The data are as many bytes as the rows; some more are passed over, more than that are not even read. */
static void rows_as_announced(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        const char *word;
    } cases[] = {
        { 4, NULL },     { 3, "3 bytes of rows, 4 expected" }, { 0, "0 bytes of rows, 4 expected" },
        { 60000, NULL }, { 200000, "more than its 1 rows" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str s = { 0 }, z = { 0 };
        char *data = mem_alloc(cases[i].bytes);
        begin(&s, 1, 1, "\x08\x02\0\0\0");
        stored(&z, data, cases[i].bytes);
        add_chunk(&s, "IDAT", z.s, z.len);
        finish(&s, cases[i].word);
        str_release(&z);
        free(data);
    }
}

static void with(const char *type, const char *data, size_t n, const char *rest, const char *word)
{
    Str s = { 0 }, z = { 0 };
    begin(&s, 1, 1, rest);
    add_chunk(&s, type, data, n);
    stored(&z, "\0abc", 4);
    add_chunk(&s, "IDAT", z.s, z.len);
    finish(&s, word);
    str_release(&z);
}

#define RGB8 "\x08\x02\0\0\0"
#define PAL8 "\x08\x03\0\0\0"

static void other_chunks(void **state)
{
    (void)state;
    with("tEXt", "k\0v", 3, RGB8, NULL);
    with("IDAT", "", 0, RGB8, NULL); /* an empty piece of the data */
    with("CgBI", "", 0, RGB8, "PNG chunk \"CgBI\" at byte 33");
    with("PLTE", "abcd", 4, RGB8, "expected 1 to 256 colours");
    with("PLTE", "abc", 3, PAL8, "a colour that its palette does not have"); /* the pixel is 'a' */
    with("tRNS", "abc", 3, PAL8, "before the palette");
    with("tRNS", "abc", 3, RGB8, "3 bytes where 6 fit");
    with("tRNS", "abc", 3, "\x08\x06\0\0\0", "alpha already");
    with("tRNS", "\0a\0b\0c", 6, RGB8, NULL);
}

static void broken_rows(void **state)
{
    (void)state;
    Str s = { 0 }, z = { 0 };
    begin(&s, 1, 1, RGB8);
    stored(&z, "\5abc", 4);
    add_chunk(&s, "IDAT", z.s, z.len);
    finish(&s, "the filter 5");
    begin(&s, 1, 1, RGB8);
    finish(&s, "no pixels");
    begin(&s, 1, 1, RGB8);
    add_chunk(&s, "IDAT", z.s, z.len);
    s.s[s.len - 6] ^= 1;
    finish(&s, "checksum is wrong");
    str_release(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_formats),  cmocka_unit_test(headers),     cmocka_unit_test(rows_as_announced),
        cmocka_unit_test(other_chunks), cmocka_unit_test(broken_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
