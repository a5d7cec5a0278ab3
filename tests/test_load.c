/* test_load.c - pictures that users give: their pixels as Pillow reads them, and files that are broken, huge or something else. */
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "image/exif.h"
#include "image/load.h"
#include "tests/files.h"

#define DIR GOLDEN "/pictures"

static Bytes opened(const char *name)
{
    Err e;
    Bytes file;
    char *path = path_in(DIR, name);
    if (file_map(&file, path, &e)) fail_msg("%s", e.text);
    free(path);
    return file;
}

/* Whether the pixels are those of NAME-EXT.rgba. */
static void compare(const char *name, const Image *im)
{
    Str beside = { 0 };
    str_addf(&beside, "%s.rgba", name);
    for (char *p = beside.s; *p; p++)
        if (*p == '.') {
            *p = '-';
            break;
        }
    Bytes want = opened(beside.s);
    assert_int_equal((size_t)im->w * (size_t)im->h * 4, want.len);
    for (size_t i = 0; i < want.len / 4; i++) {
        if (memcmp(im->rgb + 3 * i, want.data + 4 * i, 3) != 0)
            fail_msg("%s: pixel %zu is %d %d %d, not %d %d %d", name, i, im->rgb[3 * i], im->rgb[3 * i + 1],
                     im->rgb[3 * i + 2], want.data[4 * i], want.data[4 * i + 1], want.data[4 * i + 2]);
        if ((im->alpha ? im->alpha[i] : 255) != want.data[4 * i + 3]) fail_msg("%s: alpha of pixel %zu", name, i);
    }
    file_unmap(&want);
    str_release(&beside);
}

static void as_pillow(void **state)
{
    (void)state;
    static const char *const ends[] = { ".jpg", ".webp", ".png" };
    size_t count = 0;
    for (size_t k = 0; k < 3; k++) {
        char **names = files_in(DIR, ends[k]);
        for (char **n = names; *n; n++, count++) {
            Err e;
            Image im;
            const char *note;
            int w, h;
            char *path = path_in(DIR, *n);
            if (image_load(path, &im, &note, &e)) fail_msg("%s", e.text);
            if (image_load_size(path, &w, &h, &e)) fail_msg("%s", e.text);
            assert_true(w == im.w && h == im.h);
            assert_int_equal(note != NULL, strncmp(*n, "animated", 8) == 0);
            compare(*n, &im);
            image_release(&im);
            free(path);
        }
        names_free(names);
    }
    assert_int_equal(count, 19);
}

/* Every beginning of every file is an error in words: no pixel is made up. */
static void cut_short(void **state)
{
    (void)state;
    static const char *const names[] = { "plain.jpg",  "progressive.jpg",  "cmyk.jpg",      "grey.jpg",
                                         "lossy.webp", "lossy-alpha.webp", "animated.webp", "lossless.webp" };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        Bytes file = opened(names[k]);
        bool jpeg = strstr(names[k], "jpg") != NULL;
        for (size_t len = 0; len + (jpeg ? 2 : 1) < file.len; len++) {
            Err e = { 0 };
            Image im;
            const char *note;
            Bytes part = exact(file.data, len);
            if (image_decode(part, &im, &note, &e) == 0) {
                if (strcmp(names[k], "animated.webp") != 0) fail_msg("%s: %zu bytes of it are read", names[k], len);
                image_release(&im); /* the first picture was there */
            } else {
                assert_true(e.text[0]);
            }
            free((void *)(size_t)part.data);
        }
        file_unmap(&file);
    }
}

/* A JPEG's header that announces other sizes than there are pixels for. */
static void announced(void **state)
{
    (void)state;
    static const struct {
        int w, h;
        const char *says;
    } sizes[] = { { 0, 7, "" }, { 65500, 1, "too large" }, { 16384, 16384, "cannot hold" }, { 11, 4000, "broken" } };
    Bytes file = opened("plain.jpg");
    size_t at = 0;
    while (!(file.data[at] == 0xFF && file.data[at + 1] == 0xC0)) at++;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        Err e = { 0 };
        Image im;
        const char *note;
        Bytes copy = exact(file.data, file.len);
        unsigned char *p = (unsigned char *)(size_t)copy.data + at + 5;
        p[0] = (unsigned char)(sizes[k].h >> 8);
        p[1] = (unsigned char)sizes[k].h;
        p[2] = (unsigned char)(sizes[k].w >> 8);
        p[3] = (unsigned char)sizes[k].w;
        assert_said(image_decode(copy, &im, &note, &e), &e, sizes[k].says);
        free((void *)(size_t)copy.data);
    }
    file_unmap(&file);
}

static void something_else(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *says;
        size_t len;
    } files[] = { { "", "an empty file", 0 },    { "GIF89a..........", "a GIF picture", 16 },
                  { "hello", "no picture", 5 },  { "\x89PNG\r\n\x1a\n", "PNG", 8 },
                  { "\xff\xd8\xff", "JPEG", 3 }, { "RIFF\4\0\0\0WEBP", "WebP", 12 } };
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        Err e = { 0 };
        Image im;
        const char *note;
        assert_said(image_decode((Bytes){ (const unsigned char *)files[k].bytes, files[k].len }, &im, &note, &e), &e,
                    files[k].says);
    }
}

/* What is not sensible in Exif leaves the picture as it stands. */
static void broken_exif(void **state)
{
    (void)state;
    unsigned char tiff[] = { 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0 };
    assert_int_equal(exif_orientation((Bytes){ tiff, sizeof tiff }), 6);
    for (size_t n = 0; n < sizeof tiff; n++) {
        Bytes part = exact(tiff, n);
        assert_int_equal(exif_orientation(part), 1);
        free((void *)(size_t)part.data);
    }
    tiff[18] = 9;
    assert_int_equal(exif_orientation((Bytes){ tiff, sizeof tiff }), 1);
    tiff[4] = tiff[5] = tiff[6] = tiff[7] = 0xFF;
    assert_int_equal(exif_orientation((Bytes){ tiff, sizeof tiff }), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_pillow), cmocka_unit_test(cut_short),
                                        cmocka_unit_test(announced), cmocka_unit_test(something_else),
                                        cmocka_unit_test(broken_exif) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
