/* test_interval.c - intervals against scipy 1.17: stats.t.ppf, stats.t.interval, binomtest(...).proportion_ci(method="exact"). */
#include <math.h>

#include "compare/interval.h"
#include "tests/support.h"

static void test_student(void **state)
{
    static const struct {
        int degrees;
        double t95, t99;
    } expected[] = {
        { 1, 12.706204736174694, 63.656741162871526 },  { 2, 4.302652729749462, 9.924843200918287 },
        { 3, 3.1824463052837078, 5.840909309733355 },   { 5, 2.5705818356363146, 4.032142983555228 },
        { 11, 2.200985160091639, 3.1058065155392804 },  { 30, 2.0422724563012378, 2.7499956535672254 },
        { 200, 1.9718962236339088, 2.600634436191558 }, { 5000, 1.9604385517065073, 2.5768129665562802 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        int d = expected[i].degrees;
        assert_error(fabs(student_t(0.95, d) / expected[i].t95 - 1), 1e-9, "95 %% of %d degrees", d);
        assert_error(fabs(student_t(0.99, d) / expected[i].t99 - 1), 1e-9, "99 %% of %d degrees", d);
    }
}

static void test_mean(void **state)
{
    const double v[] = { 38.9, 40.1, 41.2, 36.5, 44.0, 39.7 };
    (void)state;
    Interval i = interval_of_mean(v, 6);
    assert_int_equal(i.n, 6);
    assert_error(fabs(i.mean - 40.06666666666666), 1e-12, "mean");
    assert_error(fabs(i.low - 37.45471714087283), 1e-9, "low end");
    assert_error(fabs(i.high - 42.678616192460495), 1e-9, "high end");
    i = interval_of_mean(v, 1);
    assert_true(i.mean == 38.9 && isnan(i.low) && isnan(i.high)); /* one says nothing of others */
    const double equal[] = { 3, 3, 3 };
    i = interval_of_mean(equal, 3);
    assert_true(i.mean == 3 && i.low == 3 && i.high == 3);
}

/* What is told of two settings, picture by picture: stats.ttest_rel(a, b).confidence_interval(0.95). */
static void test_pairs(void **state)
{
    static const struct {
        int n;
        double a[8], b[8], mean, low, high;
    } rows[] = {
        { 8,
          { 0.057, 0.046, 0.069, 0.061, 0.052, 0.049, 0.074, 0.058 },
          { 0.051, 0.046, 0.056, 0.066, 0.047, 0.052, 0.060, 0.049 },
          0.004875000000000001,
          -0.0010439454671254487,
          0.01079394546712545 },
        { 3,
          { 0.06, 0.07, 0.065 },
          { 0.05, 0.03, 0.06 },
          0.018333333333333337,
          -0.02869063461125382,
          0.0653573012779205 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double d[8];
        for (int k = 0; k < rows[i].n; k++) d[k] = rows[i].a[k] - rows[i].b[k];
        Interval x = interval_of_mean(d, rows[i].n);
        assert_error(fabs(x.mean - rows[i].mean), 1e-12, "mean of %d pairs", rows[i].n);
        assert_error(fabs(x.low - rows[i].low), 1e-12, "low end of %d pairs", rows[i].n);
        assert_error(fabs(x.high - rows[i].high), 1e-12, "high end of %d pairs", rows[i].n);
    }
}

/* binomtest(k, n).proportion_ci(1 - 2 * 0.05 / tries, method="exact").low */
static void test_share(void **state)
{
    static const struct {
        int k, n, tries;
        double least;
    } expected[] = {
        { 1, 1, 1, 0.04999999999999999 },     { 3, 3, 1, 0.3684031498640386 },
        { 10, 10, 1, 0.7411344491066528 },    { 24, 24, 1, 0.8826538438450512 },
        { 24, 24, 10, 0.8019065303497496 },   { 11, 12, 1, 0.661319331565876 },
        { 11, 12, 10, 0.5229737056375041 },   { 0, 5, 1, 0 },
        { 1, 30, 3, 0.0005600803736121976 },  { 140, 160, 18, 0.786551732978488 },
        { 400, 400, 25, 0.9845835488615549 }, { 24, 24, 6, 0.8191575682431991 },
        { 23, 24, 6, 0.747060826704275 },     { 5, 5, 9, 0.3539529195983109 },
        { 12, 12, 33, 0.5821541602027909 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_error(fabs(interval_least_share(expected[i].k, expected[i].n, expected[i].tries) - expected[i].least),
                     1e-9, "%d of %d, %d tries", expected[i].k, expected[i].n, expected[i].tries);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_student), cmocka_unit_test(test_mean),
                                        cmocka_unit_test(test_pairs), cmocka_unit_test(test_share) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
