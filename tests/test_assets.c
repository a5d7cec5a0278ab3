/* test_assets.c - pictures made smaller, cut out and packed, against answers that are known. */
#include "tests/support.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "image/atlas.h"
#include "image/colour.h"
#include "image/cutout.h"
#include "image/png.h"
#include "image/resize.h"
#include "image/skyline.h"
#include "pipeline/job.h"

static const double PI = 3.14159265358979323846;

static void with_alpha(Image *im)
{
    im->alpha = mem_array((size_t)im->w * (size_t)im->h, 1);
    memset(im->alpha, 255, (size_t)im->w * (size_t)im->h);
}

static double light_at(const Image *im, int x, int y)
{
    float light[256];
    srgb_linear_table(light);
    return light[im->rgb[(y * im->w + x) * 3]];
}

/* ---- colour ---- */

static void srgb_goes_both_ways(void **state)
{
    (void)state;
    float light[256];
    srgb_linear_table(light);
    for (int i = 0; i < 256; i++) assert_int_equal(srgb_from_linear(light[i]), i);
    assert_true(fabsf(light[188] - 0.5029F) < 1e-4F); /* IEC 61966-2-1 by hand: ((188/255 + .055)/1.055)^2.4 */
    assert_int_equal(srgb_from_linear(-1), 0);
    assert_int_equal(srgb_from_linear(NAN), 0);
    assert_int_equal(srgb_from_linear(2), 255);
}

static void oklab_has_its_landmarks(void **state)
{
    (void)state;
    OkLab white = oklab_from_linear(1, 1, 1), black = oklab_from_linear(0, 0, 0),
          grey = oklab_from_linear(.5F, .5F, .5F);
    assert_true(fabsf(oklab_distance(white, black) - 100) < 0.1F);
    assert_true(fabsf(grey.a) < 1e-4F && fabsf(grey.b) < 1e-4F);
    OkLab red = oklab_from_linear(1, 0, 0), blue = oklab_from_linear(0, 0, 1);
    assert_true(red.a > 0.15F && blue.b < -0.2F);
    /* two blacks are nearer than two greys so far apart in sRGB would be in plain OKLab */
    float light[256];
    srgb_linear_table(light);
    assert_true(oklab_distance(oklab_from_linear(light[8], light[8], light[8]), black) < 6); /* 13 */
}

/* ---- smaller ---- */

static Image wave(int w, int h, double cycles, bool down)
{
    Image im;
    image_init(&im, w, h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double at = down ? (y + 0.5) / h : (x + 0.5) / w, v = 0.5 + 0.4 * cos(2 * PI * cycles * at);
            memset(im.rgb + (y * w + x) * 3, srgb_from_linear((float)v), 3);
        }
    return im;
}

/* A cosine that the new pixels can show stays where and as high as it was, sampled at the new centres. */
static void a_coarse_wave_stays(void **state)
{
    (void)state;
    static const int sizes[] = { 64, 50, 33, 128 };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int down = 0; down < 2; down++) {
            int n = sizes[k];
            Image im = wave(128, 128, 4, down), out;
            image_resize(&out, &im, n, n, true, true);
            for (int i = 0; i < n; i++) {
                double want = 0.5 + 0.4 * cos(2 * PI * 4 * (i + 0.5) / n);
                assert_true(fabs(light_at(&out, down ? n / 2 : i, down ? i : n / 2) - want) < 0.015);
            }
            image_release(&im);
            image_release(&out);
        }
}

/* One that is too fine for them becomes its mean light, not an alias, and not the mean of sRGB values. */
static void a_fine_wave_becomes_its_mean(void **state)
{
    (void)state;
    Image im = wave(128, 128, 51, false), out;
    image_resize(&out, &im, 32, 32, true, true);
    for (int i = 0; i < 32; i++) assert_true(fabs(light_at(&out, i, 7) - 0.5) < 0.02);
    image_release(&im);
    image_release(&out);
}

static void stripes_of_black_and_white_are_half_the_light(void **state)
{
    (void)state;
    Image im, out;
    image_init(&im, 64, 64);
    for (int i = 0; i < 64 * 64; i++) memset(im.rgb + i * 3, i % 2 ? 255 : 0, 3);
    image_resize(&out, &im, 16, 16, true, true);
    for (int i = 0; i < 16 * 16; i++)
        assert_in_range(out.rgb[i * 3], 187, 189); /* 188: half the light; 128 were wrong */
    image_release(&im);
    image_release(&out);
}

static void one_colour_stays_at_any_size(void **state)
{
    (void)state;
    for (int n = 1; n <= 37; n += 4) {
        Image im, out;
        image_init(&im, 37, 41);
        for (int i = 0; i < 37 * 41; i++) memcpy(im.rgb + i * 3, (uint8_t[]){ 200, 30, 7 }, 3);
        image_resize(&out, &im, n, n, false, false);
        assert_null(out.alpha);
        for (int i = 0; i < n * n; i++) assert_memory_equal(out.rgb + i * 3, ((uint8_t[]){ 200, 30, 7 }), 3);
        image_release(&im);
        image_release(&out);
    }
}

static void the_same_size_is_the_same_picture(void **state)
{
    (void)state;
    Image im, out;
    image_init(&im, 19, 23);
    with_alpha(&im);
    for (int i = 0; i < 19 * 23 * 3; i++) im.rgb[i] = (uint8_t)(i * i / 7);
    image_resize(&out, &im, 19, 23, false, false);
    assert_memory_equal(out.rgb, im.rgb, 19 * 23 * 3);
    assert_memory_equal(out.alpha, im.alpha, 19 * 23);
    image_release(&im);
    image_release(&out);
}

/* The colours of clear pixels do not reach what can be seen. */
static void clear_pixels_lend_no_colour(void **state)
{
    (void)state;
    Image im, out;
    image_init(&im, 64, 64);
    with_alpha(&im);
    for (int i = 0; i < 64 * 64; i++) {
        bool thing = i % 64 >= 32;
        memcpy(im.rgb + i * 3, thing ? (uint8_t[]){ 255, 0, 0 } : (uint8_t[]){ 0, 255, 0 }, 3);
        im.alpha[i] = thing ? 255 : 0;
    }
    image_resize(&out, &im, 13, 13, false, false);
    bool soft = false;
    for (int i = 0; i < 13 * 13; i++) {
        soft = soft || (out.alpha[i] > 20 && out.alpha[i] < 235);
        if (out.alpha[i]) assert_memory_equal(out.rgb + i * 3, ((uint8_t[]){ 255, 0, 0 }), 3);
    }
    assert_true(soft);
    image_release(&im);
    image_release(&out);
}

/* A tiled picture stays one: turned round before or after, it is the same. */
static void a_tile_stays_a_tile(void **state)
{
    (void)state;
    Image im, turned, a, b;
    image_init(&im, 64, 32);
    image_init(&turned, 64, 32);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 64; x++) {
            uint8_t v = (uint8_t)(x * 37 + y * 11 + x * y);
            memset(im.rgb + (y * 64 + x) * 3, v, 3);
            memset(turned.rgb + (y * 64 + (x + 16) % 64) * 3, v, 3);
        }
    image_resize(&a, &im, 16, 8, true, false);
    image_resize(&b, &turned, 16, 8, true, false);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 16; x++) assert_int_equal(a.rgb[(y * 16 + x) * 3], b.rgb[(y * 16 + (x + 4) % 16) * 3]);
    image_release(&im);
    image_release(&turned);
    image_release(&a);
    image_release(&b);
}

static void fit_keeps_the_shape(void **state)
{
    (void)state;
    static const int cases[][5] = { { 128, 128, 64, 64, 64 }, { 128, 64, 32, 32, 16 }, { 64, 128, 32, 16, 32 },
                                    { 100, 33, 10, 10, 3 },   { 8192, 8, 16, 16, 1 },  { 3, 2, 1, 1, 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int w, h;
        image_fit(cases[i][0], cases[i][1], cases[i][2], &w, &h);
        assert_int_equal(w, cases[i][3]);
        assert_int_equal(h, cases[i][4]);
    }
}

/* ---- cut out ---- */

typedef struct {
    double x, y, radius, inner; /* a disc, or a ring */
    uint8_t thing[3], ground[3];
    double lighter; /* how much the ground gains from left to right, of 255 */
} Scene;

/* How much of a pixel is the disc: 16 x 16 samples, softened by a pixel. */
static double cover(const Scene *s, int x, int y)
{
    int in = 0;
    for (int i = 0; i < 256; i++) {
        double u = x - 0.5 + (i % 16 + 0.5) / 8, v = y - 0.5 + (double)(i / 16) / 8 + 1.0 / 16;
        double r = hypot(u - s->x, v - s->y);
        in += r < s->radius && r >= s->inner;
    }
    return in / 256.0;
}

static double ground_at(const Scene *s, int x, int w, int c)
{
    return s->ground[c] + s->lighter * ((double)x / (w - 1) - .5);
}

static void paint(Image *im, const Scene *s, int w, int h)
{
    image_init(im, w, h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double a = cover(s, x, y);
            for (int c = 0; c < 3; c++)
                im->rgb[(y * w + x) * 3 + c] = (uint8_t)lround(a * s->thing[c] + (1 - a) * ground_at(s, x, w, c));
        }
}

/* Mean and largest error of alpha; the largest of the picture laid over `over` against the scene painted on it. */
static void compare(const Image *im, const Scene *s, const uint8_t over[3], double *mean, double *most)
{
    *mean = *most = 0;
    for (int y = 0; y < im->h; y++)
        for (int x = 0; x < im->w; x++) {
            int i = y * im->w + x;
            double a = cover(s, x, y), got = im->alpha[i] / 255.0;
            *mean += fabs(a - got) / (im->w * im->h);
            for (int c = 0; c < 3; c++) {
                double want = a * s->thing[c] + (1 - a) * over[c], is = got * im->rgb[i * 3 + c] + (1 - got) * over[c];
                *most = fmax(*most, fabs(want - is));
            }
        }
}

static void discs_are_cut_out(void **state)
{
    (void)state;
    static const Scene scenes[] = {
        { 64.3, 61.8, 40, 0, { 200, 30, 40 }, { 255, 255, 255 }, 0 },
        { 50, 70, 33.5, 0, { 250, 240, 60 }, { 12, 12, 14 }, 0 },
        { 64, 64, 50, 0, { 40, 90, 200 }, { 150, 200, 120 }, 0 },
        { 64, 64, 30, 0, { 20, 20, 20 }, { 200, 205, 220 }, 40 }, /* a ground that is not even */
        { 64, 64, 3, 0, { 200, 0, 0 }, { 255, 255, 255 }, 0 },
        { 0, 64, 40, 0, { 200, 30, 40 }, { 128, 128, 128 }, 0 }, /* cut by the border */
    };
    static const uint8_t grounds[][3] = { { 0, 0, 0 }, { 255, 255, 255 }, { 255, 0, 255 } };
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        Image im;
        paint(&im, &scenes[i], 128, 128);
        double plain = image_cut_out(&im, &(Cutout){ .tolerance = 6 });
        assert_true(plain > (i == 5 ? 0.6 : 0.99));
        for (size_t g = 0; g < 3; g++) {
            double mean, most;
            compare(&im, &scenes[i], grounds[g], &mean, &most);
            assert_error(mean, 0.002, "scene %zu: alpha", i);
            assert_error(most, 26, "scene %zu on ground %zu: a pixel of 255", i, g);
        }
        image_release(&im);
    }
}

/* Laid over its old background, the picture is the old one. */
static void the_old_picture_comes_back(void **state)
{
    (void)state;
    const Scene s = { 64.3, 61.8, 40, 20, { 200, 30, 40 }, { 230, 240, 250 }, 0 };
    Image im, old;
    paint(&im, &s, 128, 128);
    paint(&old, &s, 128, 128);
    image_cut_out(&im, &(Cutout){ .tolerance = 6, .holes = true });
    for (int i = 0; i < 128 * 128; i++)
        for (int c = 0; c < 3; c++) {
            double a = im.alpha[i] / 255.0;
            assert_true(fabs(a * im.rgb[i * 3 + c] + (1 - a) * s.ground[c] - old.rgb[i * 3 + c]) < 5);
        }
    image_release(&im);
    image_release(&old);
}

static void holes_are_asked_for(void **state)
{
    (void)state;
    const Scene ring = { 64, 64, 40, 25, { 220, 180, 30 }, { 255, 255, 255 }, 0 };
    for (int holes = 0; holes < 2; holes++) {
        Image im;
        paint(&im, &ring, 128, 128);
        image_cut_out(&im, &(Cutout){ .tolerance = 6, .holes = holes });
        assert_int_equal(im.alpha[64 * 128 + 64], holes ? 0 : 255);
        assert_int_equal(im.alpha[64 * 128 + 64 + 33], 255);
        assert_int_equal(im.alpha[0], 0);
        if (holes) {
            double mean, most;
            compare(&im, &ring, (uint8_t[]){ 0, 0, 0 }, &mean, &most);
            assert_error(most, 26, "a ring's pixels on black");
        }
        image_release(&im);
    }
}

/* Clear pixels next to an edge have the object's colour, not the background's: a game's filter would show it as a rim. */
static void colours_reach_past_the_edge(void **state)
{
    (void)state;
    const Scene s = { 64, 64, 40, 0, { 200, 30, 40 }, { 255, 255, 255 }, 0 };
    Image im;
    paint(&im, &s, 128, 128);
    image_cut_out(&im, &(Cutout){ .tolerance = 6 });
    int seen = 0;
    for (int i = 1; i < 128 * 128; i++)
        if (im.alpha[i] && !im.alpha[i - 1]) {
            seen++;
            assert_in_range(im.rgb[(i - 1) * 3], 170, 230);
            assert_in_range(im.rgb[(i - 1) * 3 + 1], 0, 70);
        }
    assert_true(seen > 60);
    image_release(&im);
}

static void what_is_not_plain_stays(void **state)
{
    (void)state;
    Image im;
    image_init(&im, 64, 48);
    uint32_t seed = 1;
    for (int i = 0; i < 64 * 48 * 3; i++) im.rgb[i] = (uint8_t)((seed = seed * 1664525U + 1013904223U) >> 24);
    assert_true(image_cut_out(&im, &(Cutout){ .tolerance = 6 }) < CUTOUT_PLAIN);
    for (int i = 0; i < 64 * 48; i++) assert_int_equal(im.alpha[i], 255);
    image_release(&im);
}

static void any_size_is_cut_out(void **state)
{
    (void)state;
    for (int w = 1; w < 9; w++)
        for (int h = 1; h < 9; h++) {
            Image im;
            image_init(&im, w, h);
            image_cut_out(&im, &(Cutout){ .tolerance = 6, .holes = true });
            for (int i = 0; i < w * h; i++) assert_int_equal(im.alpha[i], 0);
            image_release(&im);
        }
}

/* ---- packing ---- */

static bool apart(const Box *a, const Box *b)
{
    return a->x + a->w <= b->x || b->x + b->w <= a->x || a->y + a->h <= b->y || b->y + b->h <= a->y;
}

static void boxes_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 300 };
    Box boxes[N], *order[N];
    uint32_t seed = 7;
    for (int round = 0; round < 20; round++) {
        double area = 0;
        for (int i = 0; i < N; i++) {
            seed = seed * 1664525U + 1013904223U;
            boxes[i] = (Box){ 1 + (int)(seed >> 8) % 60, 1 + (int)(seed >> 20) % 60, -1, 0 };
            area += boxes[i].w * boxes[i].h;
        }
        skyline_order(order, boxes, N);
        int side = round % 2 ? 300 : (int)sqrt(area / 0.88), w, h; /* 300: not all fit */
        size_t placed = skyline_pack(order, N, side, side, &w, &h), found = 0;
        for (int i = 0; i < N; i++) {
            if (boxes[i].x < 0) continue;
            found++;
            assert_true(boxes[i].x + boxes[i].w <= w && boxes[i].y + boxes[i].h <= h);
            for (int k = 0; k < i; k++) assert_true(boxes[k].x < 0 || apart(&boxes[i], &boxes[k]));
        }
        assert_int_equal(placed, found);
        assert_true(w <= side && h <= side);
        if (round % 2 == 0) assert_int_equal(placed, N); /* 88 % of the page is used */
    }
}

enum { FRAMES = 12 };

static void write_frames(char names[FRAMES][64], const char *folder, int side)
{
    for (int i = 0; i < FRAMES; i++) {
        Image im;
        Bytes png;
        Err e;
        image_init(&im, side, side);
        with_alpha(&im);
        for (int p = 0; p < side * side; p++) {
            int x = p % side, y = p / side;
            bool seen = x >= i && x < side - 2 * i && y >= i / 2 && y < side - i; /* trimmed on every side */
            im.alpha[p] = seen ? (uint8_t)(100 + i) : 0;
            if (seen) memcpy(im.rgb + p * 3, (uint8_t[]){ (uint8_t)(i * 20), (uint8_t)x, (uint8_t)y }, 3);
        }
        snprintf(names[i], 64, "%s/f%d.png", folder, i);
        assert_int_equal(png_encode(&im, NULL, 0, &png, &e) || file_write(names[i], png, &e), 0);
        image_release(&im);
        free((void *)(size_t)png.data);
    }
}

static int number(const cJSON *o, const char *a, const char *b)
{
    return cJSON_GetObjectItem(cJSON_GetObjectItem(o, a), b)->valueint;
}

static void read_image(Image *im, const char *folder, const char *name)
{
    char path[128];
    Bytes file;
    Err e;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_map(&file, path, &e), 0);
    assert_int_equal(png_decode(file, im, &e), 0);
    file_unmap(&file);
}

/* Every frame, put together again from the page, is the picture that went in. Returns how many frames the page has. */
static int check_page(const char *folder, const char *json_name, int side, int padding)
{
    char path[128];
    Bytes file;
    Err e;
    int frames = 0;
    snprintf(path, sizeof path, "%s/%s", folder, json_name);
    assert_int_equal(file_map(&file, path, &e), 0);
    cJSON *root = cJSON_ParseWithLength((const char *)file.data, file.len), *meta = cJSON_GetObjectItem(root, "meta"),
          *f;
    Image page;
    read_image(&page, folder, cJSON_GetObjectItem(meta, "image")->valuestring);
    assert_int_equal(number(meta, "size", "w"), page.w);
    assert_int_equal(number(meta, "size", "h"), page.h);
    cJSON_ArrayForEach(f, cJSON_GetObjectItem(root, "frames"))
    {
        Image im;
        read_image(&im, folder, f->string);
        assert_int_equal(number(f, "sourceSize", "w"), side);
        int x0 = number(f, "frame", "x"), y0 = number(f, "frame", "y"), w = number(f, "frame", "w"),
            h = number(f, "frame", "h"), left = number(f, "spriteSourceSize", "x"),
            top = number(f, "spriteSourceSize", "y");
        assert_true(x0 >= padding && y0 >= padding && x0 + w + padding <= page.w && y0 + h + padding <= page.h);
        for (int y = -padding; y < h + padding; y++) /* nothing of a neighbour within the padding */
            for (int x = -padding; x < w + padding; x++)
                if (x < 0 || y < 0 || x >= w || y >= h) assert_int_equal(page.alpha[(y0 + y) * page.w + x0 + x], 0);
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                bool kept = x >= left && x < left + w && y >= top && y < top + h;
                int p = y * side + x, q = (y0 + y - top) * page.w + x0 + x - left;
                assert_int_equal(im.alpha[p], kept ? page.alpha[q] : 0);
                if (im.alpha[p]) assert_memory_equal(im.rgb + p * 3, page.rgb + q * 3, 3);
            }
        image_release(&im);
        frames++;
    }
    image_release(&page);
    cJSON_Delete(root);
    file_unmap(&file);
    return frames;
}

static void frames_come_back(void **state)
{
    (void)state;
    char folder[] = "/tmp/limn-atlas-XXXXXX", names[FRAMES][64], file[64];
    AtlasFrame frames[FRAMES];
    Err e;
    assert_non_null(mkdtemp(folder));
    write_frames(names, folder, 40);
    for (int i = 0; i < FRAMES; i++) frames[i] = (AtlasFrame){ NULL, names[i], strrchr(names[i], '/') + 1 };
    static const struct {
        AtlasShape shape;
        int pages; /* at least */
    } cases[] = {
        { { 4096, 2, false }, 1 }, { { 4096, 0, true }, 1 }, { { 64, 1, false }, 4 }, { { 100, 3, true }, 4 }
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        Str written = { 0 };
        snprintf(file, sizeof file, "%s/atlas%zu.json", folder, c);
        assert_int_equal(atlas_write(file, frames, FRAMES, &cases[c].shape, &written, &e), 0);
        int found = 0, pages = 0;
        for (int pass = 0; pass < 2; pass++) /* the images come first */
            for (char *line = written.s, *end; (end = strchr(line, '\n')); line = end + 1) {
                *end = 0;
                if (pass) unlink(line);
                else if (str_ends(line, ".json")) {
                    found += check_page(folder, strrchr(line, '/') + 1, 40, cases[c].shape.padding);
                    pages++;
                }
                *end = '\n';
            }
        assert_int_equal(found, FRAMES);
        assert_true(cases[c].pages == 1 ? pages == 1 : pages >= cases[c].pages);
        str_release(&written);
    }
    Str written = { 0 };
    assert_int_equal(atlas_write(file, frames, FRAMES, &(AtlasShape){ 32, 2, false }, &written, &e), -1);
    assert_non_null(strstr(e.text, "do not fit on a page of 32"));
    assert_int_equal(written.len, 0);
    for (int i = 0; i < FRAMES; i++) unlink(names[i]);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- the option ---- */

static void lists_of_sizes_are_read(void **state)
{
    (void)state;
    int sizes[JOB_MAX_SIZES];
    Err e;
    assert_int_equal(job_sizes("128,64,32", sizes, &e), 3);
    assert_int_equal(sizes[2], 32);
    assert_int_equal(job_sizes(NULL, sizes, &e), 0);
    static const char *const bad[] = {
        "0",    "-1",  "64,",   ",64",         "64,,32",   "6x",
        "8193", " 64", "64 32", "99999999999", "64,32,64", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(job_sizes(bad[i], sizes, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(srgb_goes_both_ways),
        cmocka_unit_test(oklab_has_its_landmarks),
        cmocka_unit_test(a_coarse_wave_stays),
        cmocka_unit_test(a_fine_wave_becomes_its_mean),
        cmocka_unit_test(stripes_of_black_and_white_are_half_the_light),
        cmocka_unit_test(one_colour_stays_at_any_size),
        cmocka_unit_test(the_same_size_is_the_same_picture),
        cmocka_unit_test(clear_pixels_lend_no_colour),
        cmocka_unit_test(a_tile_stays_a_tile),
        cmocka_unit_test(fit_keeps_the_shape),
        cmocka_unit_test(discs_are_cut_out),
        cmocka_unit_test(the_old_picture_comes_back),
        cmocka_unit_test(holes_are_asked_for),
        cmocka_unit_test(colours_reach_past_the_edge),
        cmocka_unit_test(what_is_not_plain_stays),
        cmocka_unit_test(any_size_is_cut_out),
        cmocka_unit_test(boxes_do_not_overlap),
        cmocka_unit_test(frames_come_back),
        cmocka_unit_test(lists_of_sizes_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
