/* test_speeds.c - what auto takes is measured once for a CPU, remembered, and never read from a foreign or broken file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "pipeline/speeds.h"
#include "tests/support.h"

static char cache[] = "/tmp/limn-test-XXXXXX", path[64];

/* Another set asked in between, so that the file is read again. */
static Speeds again(const Kernels *k)
{
    const Kernels *const *other = kernels_rows;
    while (*other && (*other == k || !kernels_supported(*other))) other++;
    if (*other) speeds_of(*other);
    return speeds_of(k);
}

static const Kernels *rounding_set(void)
{
    for (const Kernels *const *k = kernels_rows; *k; k++)
        if (kernels_supported(*k) && (*k)->gemm_i16) return *k;
    return NULL;
}

static int bits(Precision p) { return (int)p.conv * 100 + (int)p.linear * 10 + (int)p.attention; }

static void put(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char *get(void)
{
    static char buf[1 << 16];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    buf[fread(buf, 1, sizeof buf - 1, f)] = 0;
    fclose(f);
    return buf;
}

static void test_remembered(void **state)
{
    (void)state;
    const Kernels *k = rounding_set();
    if (!k) skip();
    Speeds first = again(k), second = again(k);
    assert_true(first.gops[0] > 0 && first.chosen.linear != FACTORS_I8);
    assert_int_equal(bits(first.chosen), bits(second.chosen));
    assert_true(second.gops[0] > 0);
    assert_non_null(strstr(get(), k->name));

    /* What stands there is taken, be it another choice: "f32" in the place of what there was. */
    char *text = strdup(get()), *at = strstr(strstr(text, k->name), "precision"), *value;
    assert_non_null(at);
    value = strchr(strchr(at, ':'), '"') + 1;
    size_t n = strcspn(value, "\"");
    memmove(value + 3, value + n, strlen(value + n) + 1);
    memcpy(value, "f32", 3);
    put(text);
    free(text);
    assert_int_equal(bits(again(k).chosen), 0);
    /* but not what these kernels lack, or 8 bits, which nobody asked for */
    text = strdup(get());
    at = strstr(strstr(text, k->name), "f32");
    assert_non_null(at);
    at[0] = 'x';
    put(text);
    free(text);
    assert_true(again(k).chosen.linear != FACTORS_I8);
    assert_null(strstr(get(), "x32")); /* measured anew */
}

/* Broken files, links and what a set lacks: measured anew, nothing said, nothing followed. */
static void test_broken(void **state)
{
    (void)state;
    const Kernels *k = rounding_set();
    if (!k) skip();
    const char *const texts[] = {
        "", "{", "[]", "{\"x\": 1}", "null", "\"", "{\"a\": {\"precision\": 3, \"gops\": []}}"
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put(texts[i]);
        assert_true(again(k).gops[0] > 0);
    }
    char target[80];
    snprintf(target, sizeof target, "%s/elsewhere", cache);
    FILE *f = fopen(target, "w");
    assert_non_null(f);
    fputs("{}", f);
    fclose(f);
    unlink(path);
    assert_int_equal(symlink(target, path), 0);
    assert_true(again(k).gops[0] > 0);
    struct stat st;
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_size, 2); /* never written through */
    chmod(cache, 0700);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(cache)) return -1;
    snprintf(path, sizeof path, "%s/limn/speeds.json", cache);
    return setenv("XDG_CACHE_HOME", cache, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_remembered), cmocka_unit_test(test_broken) };
    return cmocka_run_group_tests(tests, setup, NULL);
}
