/* test_fidelity.c - auto takes 8 bits of a model only where it was found to keep near and to gain, and believes no broken file. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/fidelity.h"
#include "tests/support.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define OTHER "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char cache[] = "/tmp/limn-test-XXXXXX";

static const Kernels *eight_bits(void)
{
    for (const Kernels *const *k = kernels_rows; *k; k++)
        if (kernels_supported(*k) && (*k)->gemm_i8) return *k;
    return NULL;
}

static Factors linear_of(const Kernels *k, const char *asked, const char *sha, size_t weights, bool bare)
{
    Precision p;
    Err e = { 0 };
    const FidelityModel m = { weights, sha, bare };
    assert_int_equal(fidelity_choose(&p, asked, k, &m, &e), 0);
    return p.linear;
}

static const Fidelity near_and_fast = { 43.7, 0.03, 0.89, 512, 512, 20, 2 };

static void test_chosen(void **state)
{
    (void)state;
    const Kernels *k = eight_bits();
    if (!k) skip();
    const size_t large = PRECISION_LARGE, small = large - 1;
    assert_int_not_equal(linear_of(k, "auto", SHA, large, true), FACTORS_I8);
    Fidelity f = near_and_fast, got;
    fidelity_remember(SHA, k, &f);
    assert_true(fidelity_known(SHA, k, &got));
    assert_memory_equal(&got, &f, sizeof f);
    assert_int_equal(linear_of(k, "auto", SHA, large, true), FACTORS_I8);
    assert_int_equal(linear_of(k, "auto", SHA, small, true), FACTORS_F32);
    assert_int_not_equal(linear_of(k, "auto", SHA, large, false), FACTORS_I8);
    assert_int_not_equal(linear_of(k, "auto", "", large, true), FACTORS_I8);
    assert_int_not_equal(linear_of(k, "auto", OTHER, large, true), FACTORS_I8);
    assert_int_equal(linear_of(k, "f32", SHA, large, true), FACTORS_F32);
    for (const Kernels *const *other = kernels_rows; *other; other++)
        if (*other != k && kernels_supported(*other)) assert_false(fidelity_known(SHA, *other, &got));
}

static void test_not_chosen(void **state)
{
    (void)state;
    const Kernels *k = eight_bits();
    if (!k) skip();
    const struct {
        double psnr, of_16;
        bool taken;
    } cases[] = { { 39.9, 0.5, false }, { 60, 0.99, false }, { 40, 0.98, true }, { NAN, 0.5, true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Fidelity f = near_and_fast;
        f.psnr = cases[i].psnr;
        f.of_16 = cases[i].of_16; /* no number: what was known before stays */
        fidelity_remember(SHA, k, &f);
        assert_int_equal(linear_of(k, "auto", SHA, PRECISION_LARGE, true) == FACTORS_I8, cases[i].taken);
    }
}

static void test_broken(void **state)
{
    (void)state;
    const Kernels *k = eight_bits();
    if (!k) skip();
    static const char *const texts[] = { "", "[]", "{", "{\"" SHA "\": {\"psnr\": 99}}", NULL };
    char path[80];
    Fidelity f;
    snprintf(path, sizeof path, "%s/limn/fidelity.json", cache);
    for (int i = 0; texts[i]; i++) {
        FILE *to = fopen(path, "w");
        assert_non_null(to);
        fputs(texts[i], to);
        fclose(to);
        assert_false(fidelity_known(SHA, k, &f));
    }
    fidelity_remember(SHA, k, &near_and_fast);
    assert_true(fidelity_known(SHA, k, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_chosen), cmocka_unit_test(test_not_chosen),
                                        cmocka_unit_test(test_broken) };
    if (!mkdtemp(cache) || setenv("XDG_CACHE_HOME", cache, 1)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[80];
    snprintf(command, sizeof command, "rm -rf %s", cache);
    return system(command) || failed;
}
