/* test_hint.c - control pictures made here, to the byte as OpenCV makes them (tests/golden/hint.py). */
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/sha.h"
#include "image/canny.h"
#include "image/hint.h"

/* The pictures of hint.py. */
static Image picture_of(uint32_t seed)
{
    Image im;
    image_init(&im, (int)(20 + seed * 37 % 101), (int)(17 + seed * 53 % 83));
    uint32_t w = (uint32_t)im.w, h = (uint32_t)im.h, state = seed * 2654435761U + 1;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            for (uint32_t c = 0; c < 3; c++) {
                state = state * 1664525U + 1013904223U;
                uint32_t v = (x * (seed + c) + y * (7 - seed % 7)) >> (seed % 3);
                uint32_t dx = x - w / 2, dy = y - h / 3;
                if (dx * dx + dy * dy < (5 + seed) * (5 + seed)) v += 90 + 40 * c;
                if ((x + y * (seed % 4)) % (9 + seed) < 4) v = 255 - v;
                if (seed % 5 == 0) v += state >> 27;
                im.rgb[(y * w + x) * 3 + c] = (uint8_t)v;
            }
    return im;
}

static void assert_hash(const char *what, int seed, const uint8_t *data, size_t len, const cJSON *want)
{
    char hex[65];
    sha_hex((Bytes){ data, len }, hex);
    if (strcmp(hex, cJSON_GetStringValue(want)) != 0) fail_msg("%s of picture %d is another than OpenCV's", what, seed);
}

static void check_canny(const Image *im, int seed, const cJSON *want)
{
    static const Canny how[] = { { 100, 200, 3, false }, { 50, 150, 3, false },     { 0, 0, 3, false },
                                 { 200, 100, 3, true },  { 30.5, 90.25, 3, false }, { 1000, 3000, 5, false } };
    for (int i = 0; i < 6; i++) {
        Samples found = canny((Samples){ im->rgb, im->w, im->h, 3 }, &how[i]);
        assert_hash("canny", seed, found.data, (size_t)im->w * (size_t)im->h, cJSON_GetArrayItem(want, i));
        free(found.data);
    }
}

/* A way with one number, of a copy. */
static void check_way(const char *name, double number, const Image *im, int seed, const cJSON *want)
{
    Image copy;
    HintSpec s;
    Err e;
    Str text = { 0 };
    str_addf(&text, "%s:%g:x.png", name, number);
    if (hint_spec_parse(&s, text.s, &e)) fail_msg("%s", e.text);
    image_copy(&copy, im);
    s.way->make(&copy, s.numbers);
    assert_hash(text.s, seed, copy.rgb, 3 * (size_t)copy.w * (size_t)copy.h, want);
    image_release(&copy);
    str_release(&text);
}

static void as_opencv(void **state)
{
    static const double blurs[] = { 1, 2.5, 9 }, tiles[] = { 1.5, 2, 3, 4 };
    (void)state;
    Bytes file;
    Err e;
    if (file_map(&file, GOLDEN "/hint.json", &e)) fail_msg("%s", e.text);
    cJSON *root = json_parse(file, &e), *cases = cJSON_GetObjectItem(root, "cases");
    assert_int_equal(cJSON_GetArraySize(cases), 20);
    for (int seed = 0; seed < 20; seed++) {
        const cJSON *c = cJSON_GetArrayItem(cases, seed);
        Image im = picture_of((uint32_t)seed);
        assert_hash("the picture itself", seed, im.rgb, 3 * (size_t)im.w * (size_t)im.h,
                    cJSON_GetObjectItem(c, "picture"));
        check_canny(&im, seed, cJSON_GetObjectItem(c, "canny"));
        for (int i = 0; i < 3; i++)
            check_way("blur", blurs[i], &im, seed, cJSON_GetArrayItem(cJSON_GetObjectItem(c, "blur"), i));
        for (int i = 0; i < 4; i++)
            check_way("tile", tiles[i], &im, seed, cJSON_GetArrayItem(cJSON_GetObjectItem(c, "tile"), i));
        image_release(&im);
    }
    cJSON_Delete(root);
    file_unmap(&file);
}

/* One pixel of each way. */
static void single_pixels(void **state)
{
    static const struct {
        const char *spec;
        uint8_t in[3], out[3];
    } cases[] = {
        { "lines:x", { 126, 200, 200 }, { 255, 255, 255 } },
        { "lines:x", { 127, 200, 200 }, { 0, 0, 0 } },
        { "threshold:x", { 128, 200, 200 }, { 255, 255, 255 } },
        { "threshold:x", { 127, 200, 200 }, { 0, 0, 0 } },
        { "threshold:10:x", { 11, 12, 13 }, { 255, 255, 255 } },
        { "invert:x", { 0, 100, 255 }, { 255, 155, 0 } },
        { "luminance:x", { 255, 255, 255 }, { 255, 255, 255 } },
        { "luminance:x", { 0, 0, 0 }, { 0, 0, 0 } },
        { "luminance:x", { 128, 128, 128 }, { 137, 137, 137 } },
        { "edges:x", { 9, 9, 9 }, { 0, 0, 0 } },
        { "tile:2:x", { 9, 9, 9 }, { 9, 9, 9 } },
        { "blur:x", { 9, 8, 7 }, { 9, 8, 7 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Image im;
        HintSpec s;
        Err e;
        image_init(&im, 1, 1);
        memcpy(im.rgb, cases[i].in, 3);
        if (hint_spec_parse(&s, cases[i].spec, &e)) fail_msg("%s", e.text);
        assert_string_equal(s.file, "x");
        s.way->make(&im, s.numbers);
        if (memcmp(im.rgb, cases[i].out, 3) != 0)
            fail_msg("%s gives %d %d %d", cases[i].spec, im.rgb[0], im.rgb[1], im.rgb[2]);
        image_release(&im);
    }
}

static void specs(void **state)
{
    static const struct {
        const char *text, *way, *file; /* way NULL and a file: no way; file NULL: refused with a word of `way` */
    } cases[] = {
        { "a.png", NULL, "a.png" },
        { "./edges:a.png", NULL, "./edges:a.png" },
        { "canny:a.png", "edges", "a.png" },
        { "edges:50:150:a:b.png", "edges", "a:b.png" },
        { "edges:7.png", "edges", "7.png" },
        { "lines:100:a.png", "lines", "a.png" },
        { "depth:a.png", "bring the map", NULL },
        { "openpose:a.png", "bring the map", NULL },
        { "edgse:a.png", "did you mean edges", NULL },
        { "nonsense:a.png", "there are: edges", NULL },
        { "edges:50:a.png", "2 numbers", NULL },
        { "lines:1000:a.png", "from 0 to 256", NULL },
        { "blur:0:a.png", "from 0.3 to 64", NULL },
        { "edges:", "no file", NULL },
        { "edges:1:2:", "no file", NULL },
        { "", "no file", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        HintSpec s;
        Err e;
        int failed = hint_spec_parse(&s, cases[i].text, &e);
        if (!cases[i].file) {
            if (!failed || !strstr(e.text, cases[i].way)) fail_msg("%s: %s", cases[i].text, failed ? e.text : "taken");
            continue;
        }
        if (failed) fail_msg("%s: %s", cases[i].text, e.text);
        assert_string_equal(s.file, cases[i].file);
        assert_string_equal(s.way ? s.way->name : "", cases[i].way ? cases[i].way : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_opencv), cmocka_unit_test(single_pixels),
                                        cmocka_unit_test(specs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
