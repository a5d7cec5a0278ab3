/*
 * test_regions.c - where regions count: in the prompt's place (latent couple), and over it (ComfyUI's masks), against
 * the sums by hand.
 */
#include <math.h>

#include "pipeline/regions.h"
#include "tests/support.h"

enum { SIDE = 4, FACTOR = 8, PIXELS = SIDE * SIDE };

/* Shares at one place of a latent of 4x4, whose pictures have 32x32: the prompt's and each region's. */
static void check(const char *lines, int x, int y, const double *expected, int count)
{
    float shares[(1 + REGIONS_MAX) * PIXELS] = { 0 };
    double sum = 0;
    regions_shares(lines, FACTOR, SIDE, SIDE, 1, shares);
    for (int k = 0; k < count; k++) {
        double got = (double)shares[k * PIXELS + y * SIDE + x];
        assert_error(fabs(got - expected[k]), 1e-6, "%s: share %d at %d,%d", lines, k, x, y);
        sum += got;
    }
    assert_error(fabs(sum - 1), 1e-6, "%s: the sum at %d,%d", lines, x, y);
}

static void test_in_place(void **state)
{
    (void)state;
    check("0,0,0.5,1,soft=0=a cat", 0, 0, (double[]){ 0, 1 }, 2);
    check("0,0,0.5,1,soft=0=a cat", 2, 0, (double[]){ 1, 0 }, 2);
    check("0,0,16,32,soft=0,strength=0.25=a cat", 1, 3, (double[]){ 0.75, 0.25 }, 2);
    check("0,0,1,1,soft=0=a cat\n0,0,0.5,1,soft=0=a dog", 0, 0, (double[]){ 0, 0.5, 0.5 }, 3);
    check("0,0,1,1,soft=0=a cat\n0,0,0.5,1,soft=0=a dog", 3, 0, (double[]){ 0, 1, 0 }, 3);
    check("0,0,16,32,soft=16=a cat", 1, 0, (double[]){ 0.25, 0.75 },
          2); /* 4 pixels within an edge that rises over 16 */
}

/* ComfyUI's calc_cond_batch(): the mean of all that count at a place, each by mask times strength, the prompt by 1. */
static void test_over(void **state)
{
    (void)state;
    check("0,0,0.5,1,soft=0,over=a cat", 0, 0, (double[]){ 0.5, 0.5 }, 2);
    check("0,0,0.5,1,soft=0,over=a cat", 3, 3, (double[]){ 1, 0 }, 2);
    check("0,0,0.5,1,over,soft=0,strength=3=a cat", 0, 0, (double[]){ 0.25, 0.75 }, 2);
    check("0,0,1,1,soft=0,over=a cat\n0,0,1,1,soft=0,strength=2,over=a dog", 1, 1, (double[]){ 0.25, 0.25, 0.5 }, 3);
    /* one in the prompt's place, one over both */
    check("0,0,1,1,soft=0,strength=0.5=a cat\n0,0,1,1,soft=0,over=a dog", 1, 1, (double[]){ 0.25, 0.25, 0.5 }, 3);
}

/* ComfyUI's get_area_and_mult(): an edge that is not the picture's rises over 8 places, or a quarter of the area. */
static void test_area(void **state)
{
    (void)state;
    RegionWish r;
    Err e;
    assert_int_equal(region_line_parse("0.25,0,0.5,1,strength=2,area=a", &r, &e), 0);
    assert_true(r.area && r.over);
    Region at = region_area(&r, 8, 40, 30, 1);
    assert_true(at.x == 10 && at.y == 0 && at.w == 20 && at.h == 30);
    for (int i = 0; i < 5; i++) {
        assert_error(fabs(region_area_weight(&r, at, 40, 30, 10 + i, 7) - 2 * (i + 1) / 5.0), 1e-9, "left %d", i);
        assert_error(fabs(region_area_weight(&r, at, 40, 30, 29 - i, 7) - 2 * (i + 1) / 5.0), 1e-9, "right %d", i);
    }
    assert_error(fabs(region_area_weight(&r, at, 40, 30, 20, 0) - 2), 1e-9, "the picture's own edge");
    assert_error(region_area_weight(&r, at, 40, 30, 9, 0), 0, "outside");
    /* shares are rounded to the nearest, ties to the even one, and are one latent at least; pixels are cut; what lies outside is cut off */
    static const struct {
        const char *line;
        int at[4];
    } cases[] = { { "0.5,0.5,0.5,0.001,area=a", { 2, 2, 2, 1 } },
                  { "0,0,12,39,area=a", { 0, 0, 1, 4 } },
                  { "0.0625,0,0.875,1,area=a", { 0, 0, 4, 4 } },
                  { "24,8,640,640,area=a", { 3, 1, 1, 3 } },
                  { "64,0,64,64,area=a", { 0, 0, 0, 0 } } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int *want = cases[i].at;
        assert_int_equal(region_line_parse(cases[i].line, &r, &e), 0);
        at = region_area(&r, 8, 4, 4, 1);
        if (at.x != want[0] || at.y != want[1] || at.w != want[2] || at.h != want[3])
            fail_msg("%s: %d,%d,%d,%d", cases[i].line, at.x, at.y, at.w, at.h);
    }
    check("0,0,0.5,1,strength=3,area=a cat", 0, 0, (double[]){ 0.25, 0.75 }, 2);
    check("0,0,0.5,1,area=a cat", 3, 0, (double[]){ 1, 0 }, 2);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const lines[] = { "0,0,1,1",
                                         "0,0,1,1=",
                                         "0,0,1=a cat",
                                         "0,0,0,1=a",
                                         "0,0,1,1,strength=2=a",
                                         "0,0,1,1,over,strength=11=a",
                                         "0,0,1,1,above=a",
                                         "0,0,1,1,overt=a",
                                         "0,0,1,1,areas=a",
                                         "0,0,1,1,area,soft=4=a",
                                         "nan,0,1,1=a" };
    RegionWish r;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Err e = { 0 };
        if (region_line_parse(lines[i], &r, &e) == 0) fail_msg("%s was taken", lines[i]);
        assert_int_equal(e.code, ERR_USAGE);
    }
    Err e;
    assert_int_equal(region_line_parse("0.1,.2,0.5,1,over,strength=10=a = b,c", &r, &e), 0);
    assert_string_equal(r.text, "a = b,c");
    assert_true(r.over && r.strength == 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_in_place), cmocka_unit_test(test_over),
                                        cmocka_unit_test(test_area), cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
