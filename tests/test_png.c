/* test_png.c - PNG and its texts: both ways, and whatever a file from a stranger may hold. */
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/png.h"

static Image picture(int w, int h)
{
    Image im;
    image_init(&im, w, h);
    for (int i = 0; i < w * h * 3; i++) im.rgb[i] = (uint8_t)(i * i / 7);
    return im;
}

static Bytes encoded(int w, int h, const PngText *texts, size_t count)
{
    Image im = picture(w, h);
    Bytes png;
    Err e;
    assert_int_equal(png_encode(&im, texts, count, &png, &e), 0);
    image_release(&im);
    return png;
}

static void release(Bytes *b)
{
    free((void *)(size_t)b->data);
    *b = (Bytes){ 0 };
}

static size_t find(Bytes b, const char *what)
{
    for (size_t i = 0; i + 4 <= b.len; i++)
        if (memcmp(b.data + i, what, 4) == 0) return i;
    return b.len;
}

static void pixels_come_back(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 3, 5 }, { 64, 2 }, { 33, 70 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Image before = picture(sizes[i][0], sizes[i][1]), after;
        Bytes png, same;
        Err e;
        assert_int_equal(png_encode(&before, NULL, 0, &png, &e), 0);
        assert_int_equal(png_encode(&before, NULL, 0, &same, &e), 0);
        assert_int_equal(png.len, same.len);
        assert_memory_equal(png.data, same.data, png.len);
        assert_int_equal(png_decode(png, &after, &e), 0);
        assert_int_equal(after.w, before.w);
        assert_int_equal(after.h, before.h);
        assert_memory_equal(after.rgb, before.rgb, (size_t)(before.w * before.h * 3));
        release(&png);
        release(&same);
        image_release(&before);
        image_release(&after);
    }
}

static void texts_come_back(void **state)
{
    (void)state;
    const PngText texts[] = {
        { "parameters", "a red potion\nSteps: 20" },
        { "Latin", "caf\xC3\xA9" },                  /* tEXt: every letter is Latin-1 */
        { "Wide", "\xE6\xB0\xB4 \xF0\x9F\x90\x88" }, /* iTXt */
        { "empty", "" },
    };
    Bytes png = encoded(4, 4, texts, 4);
    PngTexts read;
    int w, h;
    Err e;
    assert_int_equal(png_read_texts(png, &read, &w, &h, &e), 0);
    assert_int_equal(w, 4);
    assert_int_equal(h, 4);
    assert_int_equal(read.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(read.items[i].key, texts[i].key);
        assert_string_equal(read.items[i].text, texts[i].text);
        assert_string_equal(png_text(&read, texts[i].key), texts[i].text);
    }
    assert_null(png_text(&read, "nothing"));
    assert_true(find(png, "tEXt") < find(png, "iTXt"));
    assert_true(find(png, "iTXt") < find(png, "IDAT"));
    /* Latin-1 is one byte a letter, as PIL writes it */
    assert_memory_equal(png.data + find(png, "Lati"), "Latin\0caf\xE9", 10);
    png_texts_release(&read);
    release(&png);
}

/* A PNG of an IHDR, one chunk and an IEND; its checksums are right. */
static Bytes with_chunk(const char *type, const void *data, size_t n)
{
    PngText stub = { "k", "" };
    Bytes png = encoded(1, 1, &stub, 1);
    Str s = { 0 };
    str_addn(&s, (const char *)png.data, 33);
    size_t start = s.len;
    char head[8] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n, type[0], type[1], type[2], type[3] };
    str_addn(&s, head, 8);
    str_addn(&s, data, n);
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = start + 4; i < s.len; i++) {
        crc ^= (unsigned char)s.s[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    crc = ~crc;
    char tail[4] = { (char)(crc >> 24), (char)(crc >> 16), (char)(crc >> 8), (char)crc };
    str_addn(&s, tail, 4);
    str_addn(&s, (const char *)png.data + png.len - 12, 12);
    release(&png);
    return (Bytes){ (unsigned char *)s.s, s.len };
}

static void expect_text(const char *type, const void *data, size_t n, const char *key, const char *text)
{
    Bytes png = with_chunk(type, data, n);
    PngTexts read;
    Err e;
    assert_int_equal(png_read_texts(png, &read, NULL, NULL, &e), 0);
    assert_string_equal(png_text(&read, key), text);
    png_texts_release(&read);
    release(&png);
}

static void expect_error(const char *type, const void *data, size_t n, const char *word)
{
    Bytes png = with_chunk(type, data, n);
    PngTexts read;
    Err e;
    assert_int_equal(png_read_texts(png, &read, NULL, NULL, &e), -1);
    if (!strstr(e.text, word)) fail_msg("\"%s\" has no \"%s\"", e.text, word);
    release(&png);
}

/* zlib.compress(b"hello hello hello hello") and zlib.compress("水".encode()) of Python */
#define HELLO "\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\x01\x68\x03\x08\xb1"
#define WATER "\x78\x9c\x7b\xb6\x61\x0b\x00\x04\xc9\x02\x4b"

static void other_writers_texts(void **state)
{
    (void)state;
    expect_text("zTXt", "k\0\0" HELLO, 3 + sizeof HELLO - 1, "k", "hello hello hello hello");
    expect_text("iTXt", "k\0\1\0en\0key\0" WATER, 11 + sizeof WATER - 1, "k", "\xE6\xB0\xB4");
    expect_text("iTXt", "k\0\0\0\0\0\xFF", 7, "k", "\xEF\xBF\xBD"); /* invalid UTF-8 */
    expect_text("tEXt", "k\0a\0b", 5, "k", "a b");
    expect_text("tEXt", "\xE9\0a", 3, "\xC3\xA9", "a");

    expect_error("tEXt", "k", 1, "key");
    expect_error("tEXt", "", 0, "key");
    expect_error("tEXt", "\0a", 2, "key");
    expect_error("tEXt", " k\0a", 4, "key");
    expect_error("tEXt", "k\n\0a", 4, "key");
    expect_error("zTXt", "k\0", 2, "compression");
    expect_error("zTXt", "k\0\1" HELLO, 3 + sizeof HELLO - 1, "compression");
    expect_error("zTXt", "k\0\0garbage", 10, "compression");
    expect_error("iTXt", "k\0\0\0en", 6, "ends");
    expect_error("IHDR", "k", 1, "IHDR");
}

/* 20 MB of zeros in 20 kB: more than one text may hold. */
static void a_bomb_is_refused(void **state)
{
    (void)state;
    Str s = { 0 };
    str_addn(&s, "k\0\0\x78\x9c", 5);
    /* a fixed-Huffman block: one literal 0, then matches of length 258 at distance 1, bit by bit */
    uint32_t bits = 0;
    int n = 0;
    int code[][2] = { { 1, 1 }, { 1, 2 }, { 0x0C, 8 } }; /* final, fixed; literal 0 is 00110000, first bit first */
    for (size_t i = 0; i < 3 + 80000; i++) {
        /* length 258: code 285 = 11000101 (8 bits), distance 1: 00000 */
        uint32_t v = i < 3 ? (uint32_t)code[i][0] : 0xA3U;
        int len = i < 3 ? code[i][1] : 13;
        bits |= v << n;
        for (n += len; n >= 8; n -= 8, bits >>= 8) {
            char c = (char)(bits & 255);
            str_addn(&s, &c, 1);
        }
    }
    expect_error("zTXt", s.s, s.len, "compression");
    str_release(&s);
}

/* Thousands of texts, or bombs that are small each. */
static void many_texts_are_refused(void **state)
{
    (void)state;
    PngTexts read;
    Err e;
    Image im = { 0 };
    uint8_t pixel[3] = { 0 };
    im = (Image){ .w = 1, .h = 1, .rgb = pixel };
    for (size_t count = PNG_MAX_TEXTS; count <= PNG_MAX_TEXTS + 1; count++) {
        PngText *texts = mem_array(count, sizeof *texts);
        for (size_t i = 0; i < count; i++) texts[i] = (PngText){ "k", "v" };
        Bytes png;
        assert_int_equal(png_encode(&im, texts, count, &png, &e), 0);
        assert_int_equal(png_read_texts(png, &read, NULL, NULL, &e), count > PNG_MAX_TEXTS ? -1 : 0);
        png_texts_release(&read);
        free(texts);
        release(&png);
    }
    assert_non_null(strstr(e.text, "more than"));

    char *half = mem_alloc(PNG_MAX_TEXT / 2 + 2);
    memset(half, 'a', PNG_MAX_TEXT / 2 + 1);
    PngText two[] = { { "a", half }, { "b", half } };
    Bytes png;
    assert_int_equal(png_encode(&im, two, 2, &png, &e), 0);
    assert_int_equal(png_read_texts(png, &read, NULL, NULL, &e), -1);
    assert_non_null(strstr(e.text, "in all"));
    free(half);
    release(&png);
}

static void truncated_anywhere(void **state)
{
    (void)state;
    const PngText texts[] = { { "parameters", "a" }, { "wide", "\xE6\xB0\xB4" } };
    Bytes png = encoded(3, 2, texts, 2);
    for (size_t len = 0; len < png.len; len++) {
        unsigned char *copy = mem_alloc(len + 1); /* its own block, so that a sanitizer sees a read beyond it */
        memcpy(copy, png.data, len);
        PngTexts read;
        Err e;
        assert_int_equal(png_read_texts((Bytes){ copy, len }, &read, NULL, NULL, &e), -1);
        Image im = { 0 };
        if (png_decode((Bytes){ copy, len }, &im, &e) == 0) image_release(&im);
        free(copy);
    }
    release(&png);
}

static void flipped_anywhere(void **state)
{
    (void)state;
    const PngText texts[] = { { "parameters", "a red potion" } };
    Bytes png = encoded(3, 2, texts, 1);
    size_t text = find(png, "tEXt"), end = find(png, "IDAT") - 4;
    unsigned char *copy = mem_alloc(png.len);
    for (size_t i = 0; i < png.len * 8; i++) {
        memcpy(copy, png.data, png.len);
        copy[i / 8] ^= (unsigned char)(1 << i % 8);
        PngTexts read;
        Image im;
        Err e;
        int failed = png_read_texts((Bytes){ copy, png.len }, &read, NULL, NULL, &e);
        if (i / 8 >= text + 4 && i / 8 < end) assert_int_equal(failed, -1); /* the checksum sees it */
        if (!failed) png_texts_release(&read);
        if (png_decode((Bytes){ copy, png.len }, &im, &e) == 0) image_release(&im);
    }
    free(copy);
    release(&png);
}

static void huge_sizes_are_refused(void **state)
{
    (void)state;
    Bytes png = encoded(1, 1, NULL, 0);
    static const unsigned char sides[][4] = { { 0, 0, 0x40, 1 },
                                              { 0x7F, 0xFF, 0xFF, 0xFF },
                                              { 0xFF, 0xFF, 0xFF, 0xFF } };
    for (size_t i = 0; i < 3; i++) {
        unsigned char *copy = mem_alloc(png.len);
        memcpy(copy, png.data, png.len);
        memcpy(copy + 16, sides[i], 4);
        memcpy(copy + 20, sides[i], 4);
        Image im;
        Err e;
        assert_int_equal(png_decode((Bytes){ copy, png.len }, &im, &e), -1);
        free(copy);
    }
    release(&png);
}

/* numpy's round(): a half goes to the even neighbour. */
static void rounding_is_numpys(void **state)
{
    (void)state;
    int halves = 0;
    for (int k = 0; k < 255; k++) {
        float x = (float)(2 * k + 1) / 255 - 1, y = (x / 2 + 0.5F) * 255;
        Image im;
        image_from_tensor(&im, (Tensor){ (float[]){ x, x, x }, 1, 1, 1, 3 });
        if (y == (float)k + 0.5F) {
            assert_int_equal(im.rgb[0], k + k % 2);
            halves++;
        }
        image_release(&im);
    }
    assert_true(halves > 50);

    static const float in[] = { -1, 1, -3, 7, 0, 0.5F };
    static const uint8_t out[] = { 0, 255, 0, 255, 128, 191 };
    Image im;
    float copy[6];
    memcpy(copy, in, sizeof in);
    image_from_tensor(&im, (Tensor){ copy, 1, 1, 2, 3 });
    assert_memory_equal(im.rgb, out, 6);
    image_release(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_come_back),       cmocka_unit_test(texts_come_back),
        cmocka_unit_test(other_writers_texts),    cmocka_unit_test(a_bomb_is_refused),
        cmocka_unit_test(many_texts_are_refused), cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(flipped_anywhere),       cmocka_unit_test(huge_sizes_are_refused),
        cmocka_unit_test(rounding_is_numpys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
