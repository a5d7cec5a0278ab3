/* test_sheet.c - letters and contact sheets: that words are there, fit, and are cut where they must be. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "image/letters.h"
#include "image/sheet.h"
#include "tests/support.h"

static const Pen pen = { 1, false, { 0, 0, 0 } };

static Image white(int w, int h)
{
    Image im;
    image_init(&im, w, h);
    image_fill(&im, 0, 0, w, h, (Colour){ 255, 255, 255 });
    return im;
}

/* How much ink there is in a rectangle, in pixels of full black. */
static double ink(const Image *im, int x0, int y0, int x1, int y1)
{
    double sum = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) sum += 1 - im->rgb[(y * im->w + x) * 3] / 255.0;
    return sum;
}

/* Every letter has ink, stays between the lines' bounds and in its own width, and no two letters look the same. */
static void test_every_letter(void **state)
{
    enum { SIDE = 40, X = 10, Y = 22 };
    static unsigned char seen[128][SIDE * SIDE * 3];
    (void)state;
    for (int c = 33; c < 127; c++) {
        char text[] = { (char)c, 0 };
        Image im = white(SIDE, SIDE);
        letters_draw(&im, X, Y, text, &pen);
        double all = ink(&im, 0, 0, SIDE, SIDE), wide = letters_width(text, &pen);
        assert_true(all > 1);
        assert_true(wide >= 3 && wide < 16);
        double inside = ink(&im, X - 1, Y - LETTERS_ABOVE, X + (int)ceil(wide), Y + LETTERS_BELOW);
        assert_error(all - inside, 0.01, "ink of '%c' outside its place", c);
        memcpy(seen[c], im.rgb, sizeof seen[c]);
        for (int other = 33; other < c; other++) assert_true(memcmp(seen[c], seen[other], sizeof seen[c]) != 0);
        image_release(&im);
    }
}

static void test_accents(void **state)
{
    (void)state;
    const char *plain = "aeiounAEOC", *accented[] = { "\u00e4", "\u00e9", "\u00ee", "\u00f6", "\u00f9",
                                                      "\u00f1", "\u00c5", "\u00c8", "\u0150", "\u00c7" };
    for (int i = 0; plain[i]; i++) {
        char text[] = { plain[i], 0 };
        Image a = white(30, 40), b = white(30, 40), box = white(30, 40);
        letters_draw(&a, 5, 25, text, &pen);
        letters_draw(&b, 5, 25, accented[i], &pen);
        letters_draw(&box, 5, 25, "\u6f22", &pen);
        assert_true(memcmp(a.rgb, b.rgb, 30 * 40 * 3) != 0);
        assert_true(memcmp(b.rgb, box.rgb, 30 * 40 * 3) != 0);
        assert_error(fabs(letters_width(text, &pen) - letters_width(accented[i], &pen)), 1e-9, "width of %s",
                     accented[i]);
        image_release(&a);
        image_release(&b);
        image_release(&box);
    }
    letters_width("\xff\xfe broken \xc3", &pen); /* any bytes */
}

static void test_shorten(void **state)
{
    Str s = { 0 };
    (void)state;
    letters_shorten(&s, "short", 500, &pen);
    assert_string_equal(str_text(&s), "short");
    const char *text = "a very long label that says more than there is room for";
    for (double most = 20; most < 300; most += 17) {
        str_clear(&s);
        letters_shorten(&s, text, most, &pen);
        assert_true(letters_width(str_text(&s), &pen) <= most);
        assert_true(str_ends(str_text(&s), "\u2026"));
        assert_memory_equal(str_text(&s), text, s.len - 3);
    }
    str_release(&s);
}

static void test_drawing_off_the_edge(void **state)
{
    (void)state;
    Image im = white(20, 12);
    for (int x = -40; x < 40; x += 7)
        for (int y = -30; y < 40; y += 5) letters_draw(&im, x, y, "Wg@", &pen);
    image_fill(&im, -5, -5, 100, 3, (Colour){ 1, 2, 3 });
    image_fill(&im, 18, 10, 100, 100, (Colour){ 1, 2, 3 });
    image_release(&im);
}

/* ---- sheets ---- */

typedef struct {
    int w, h;
    int asked;
} Source;

/* Picture r, c is of one colour that tells which it is. */
static int picture(void *ctx, int row, int column, SheetCell *out, Err *e)
{
    Source *s = ctx;
    s->asked++;
    if (row == 9) return err_set(e, "no picture of row 9");
    image_init(&out->image, s->w, s->h);
    image_fill(&out->image, 0, 0, s->w, s->h, (Colour){ (uint8_t)(200 - row), (uint8_t)(20 + column), 77 });
    str_addf(&out->caption, "%d, %d", row, column);
    return 0;
}

static int count_colour(const Image *im, int row, int column)
{
    int n = 0;
    for (int i = 0; i < im->w * im->h; i++)
        n += im->rgb[3 * i] == 200 - row && im->rgb[3 * i + 1] == 20 + column && im->rgb[3 * i + 2] == 77;
    return n;
}

static void test_sheet(void **state)
{
    const char *rows[] = { "euler\nkarras",
                           "a label so long that it cannot be shown without being shortened somewhere" };
    const char *columns[] = { "5", "10", "20" };
    Source src = { 40, 30, 0 };
    Sheet s = { "title", "subtitle", 2, 3, rows, columns, "rows / columns", 40, 30, true, picture, &src, 0 };
    Image im;
    Err e;
    int pages;
    (void)state;
    assert_int_equal(sheet_pages(&s, &pages, &e), 0);
    assert_int_equal(pages, 1);
    assert_int_equal(sheet_draw(&s, 0, &im, &e), 0);
    assert_int_equal(src.asked, 6);
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < 3; c++) assert_int_equal(count_colour(&im, r, c), 40 * 30); /* at 100 %, whole */
    image_release(&im);
}

static void test_large_pictures_are_shrunk(void **state)
{
    Source src = { 400, 100, 0 };
    Sheet s = { .rows = 1, .columns = 2, .cell_w = 100, .cell_h = 100, .picture = picture, .ctx = &src };
    Image im;
    Err e;
    (void)state;
    assert_int_equal(sheet_draw(&s, 0, &im, &e), 0);
    assert_int_equal(count_colour(&im, 0, 1), 100 * 25);
    image_release(&im);
}

/* The left half of the picture is clear, of a colour that nobody may see; the right half is half clear. */
static int clear_picture(void *ctx, int row, int column, SheetCell *out, Err *e)
{
    int *side = ctx;
    (void)row, (void)column, (void)e;
    image_init(&out->image, *side, *side);
    out->image.alpha = mem_array((size_t)(*side * *side), 1);
    for (int i = 0; i < *side * *side; i++) {
        bool left = i % *side < *side / 2;
        memcpy(&out->image.rgb[3 * i], left ? "\1\2\3" : "\0\0\0", 3);
        out->image.alpha[i] = left ? 0 : 128;
    }
    return 0;
}

/* At both sizes, whole and made smaller: the checkerboard's colours, or half of them, and nothing of what is clear. */
static void test_transparent_pictures(void **state)
{
    (void)state;
    for (int side = 64; side <= 256; side *= 4) {
        Sheet s = { .rows = 1, .columns = 1, .cell_w = 64, .cell_h = 64, .picture = clear_picture, .ctx = &side };
        Image im;
        Err e;
        int seen[256] = { 0 };
        assert_int_equal(sheet_draw(&s, 0, &im, &e), 0);
        for (int y = 0; y < 64; y++) {
            for (int x = 0; x < 64; x++) {
                if (x >= 28 && x < 36) continue; /* between the halves, where a filter mixes them */
                const uint8_t *p = im.rgb + ((y + (im.h - 64) / 2) * im.w + x + (im.w - 64) / 2) * 3;
                bool square = (x / 8 + y / 8) % 2;
                int expected = x < 32 ? (square ? 224 : 255) : square ? 112 : 127;
                assert_error(abs(p[0] - expected), 1, "the ground at %d, %d", x, y);
                assert_true(p[0] == p[1] && p[1] == p[2]);
                seen[p[0]]++;
            }
        }
        assert_true(seen[255] > 500 && seen[224] > 500);
        image_release(&im);
    }
}

/* Each picture is on exactly one page, no page is too large. */
static void test_split(void **state)
{
    Source src = { 40, 30, 0 };
    Sheet s = { .title = "t",
                .rows = 7,
                .columns = 11,
                .cell_w = 40,
                .cell_h = 30,
                .picture = picture,
                .ctx = &src,
                .max_side = 260 };
    int pages, found[7][11] = { 0 };
    Err e;
    (void)state;
    assert_int_equal(sheet_pages(&s, &pages, &e), 0);
    assert_true(pages > 3);
    for (int page = 0; page < pages; page++) {
        Image im;
        assert_int_equal(sheet_draw(&s, page, &im, &e), 0);
        assert_true(im.w <= 260 && im.h <= 260);
        for (int r = 0; r < 7; r++)
            for (int c = 0; c < 11; c++) found[r][c] += count_colour(&im, r, c) == 40 * 30;
        image_release(&im);
    }
    for (int r = 0; r < 7; r++)
        for (int c = 0; c < 11; c++) assert_int_equal(found[r][c], 1);
    s.cell_w = 300;
    assert_int_equal(sheet_pages(&s, &pages, &e), -1);
}

static void test_errors_and_files(void **state)
{
    Source src = { 8, 8, 0 };
    Sheet s = { .rows = 10, .columns = 1, .cell_w = 8, .cell_h = 8, .picture = picture, .ctx = &src };
    char dir[] = "/tmp/limn-sheet-XXXXXX";
    Str path = { 0 };
    int pages;
    Err e;
    (void)state;
    assert_non_null(mkdtemp(dir));
    str_addf(&path, "%s/x.png", dir);
    Folder in;
    assert_int_equal(folder_open(&in, dir, &e), 0);
    assert_int_equal(sheet_write(&s, &in, "x.png", &pages, &e), -1);
    assert_string_equal(e.text, "no picture of row 9");
    assert_false(file_exists(str_text(&path)));
    s.rows = 8;
    s.max_side = 140;
    assert_int_equal(sheet_write(&s, &in, "x.png", &pages, &e), 0);
    assert_int_equal(pages, 2);
    for (int page = 0; page < pages; page++) {
        Str name = { 0 };
        sheet_path(&name, str_text(&path), page, pages);
        assert_int_equal(unlink(str_text(&name)), 0);
        str_release(&name);
    }
    rmdir(dir);
    str_release(&path);
    folder_close(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_letter),
        cmocka_unit_test(test_accents),
        cmocka_unit_test(test_shorten),
        cmocka_unit_test(test_drawing_off_the_edge),
        cmocka_unit_test(test_sheet),
        cmocka_unit_test(test_large_pictures_are_shrunk),
        cmocka_unit_test(test_transparent_pictures),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_errors_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
