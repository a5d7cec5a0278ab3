/* test_config.c - config.json: what each getter takes, and that nothing is ignored in silence. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/files.h"
#include "tests/support.h"
#include "weights/config.h"

static Config *parse(const char *json)
{
    Err e = { 0 };
    Config *c = config_parse((Bytes){ (const unsigned char *)json, strlen(json) }, "unet/config.json", &e);
    if (!c) fail_msg("%s: %s", json, e.text);
    return c;
}

static void values(void **state)
{
    (void)state;
    Err e = { 0 };
    int four[4], two[2];
    bool flags[2];
    Config *c = parse(
        "{\"i\": 3, \"whole\": 4.0, \"x\": -0.5, \"b\": true, \"s\": \"silu\", \"none\": null, \"list\": [1, 2, 3, 4],"
        "\"one\": 7, \"flags\": [true, false], \"words\": [\"a\", \"b\"], \"nums\": [1, 2.5], \"_class\": 1, \"off\": "
        "false}");
    assert_int_equal(config_int(c, "i", 0, 0, 10), 3);
    assert_int_equal(config_int(c, "whole", 0, 0, 10), 4);
    assert_int_equal(config_int(c, "none", 9, 0, 10), 9);
    assert_int_equal(config_int(c, "absent", 8, 0, 10), 8);
    assert_true(config_num(c, "x", 0, -1, 1) == -0.5);
    assert_true(config_bool(c, "b", false));
    assert_string_equal(config_str(c, "s", NULL), "silu");
    assert_string_equal(config_str(c, "none", "dflt"), "dflt");
    assert_true(config_has(c, "s") && !config_has(c, "none") && !config_has(c, "absent"));
    assert_true(config_is_null(c, "none") && !config_is_null(c, "absent"));
    config_ints(c, "list", 0, four, 4, 0, 10);
    assert_true(four[0] == 1 && four[3] == 4);
    config_ints(c, "one", 0, two, 2, 0, 10);
    assert_true(two[0] == 7 && two[1] == 7);
    config_ints(c, "absent", 5, two, 2, 0, 10);
    assert_true(two[0] == 5 && two[1] == 5);
    config_bools(c, "flags", true, flags, 2);
    assert_true(flags[0] && !flags[1]);
    config_bools(c, "b", false, flags, 2);
    assert_true(flags[0] && flags[1]);
    assert_int_equal(config_list_len(c, "words"), 2);
    assert_int_equal(config_list_len(c, "i"), -1);
    assert_int_equal(config_list_len(c, "none"), 0);
    assert_string_equal(config_str_at(c, "words", 1), "b");
    assert_true(config_num_at(c, "nums", 1) == 2.5);
    if (config_finish(c, &e)) fail_msg("%s", e.text);
    config_free(c);
}

/* What a reader says about one key. */
typedef void (*ReadFn)(Config *c);
static void read_int(Config *c) { config_int(c, "k", 1, 1, 8); }
static void read_num(Config *c) { config_num(c, "k", 1, 0, 1); }
static void read_bool(Config *c) { config_bool(c, "k", true); }
static void read_str(Config *c) { config_str(c, "k", "x"); }
static void read_ints(Config *c) { config_ints(c, "k", 1, (int[3]){ 0 }, 3, 1, 8); }
static void read_bools(Config *c) { config_bools(c, "k", true, (bool[2]){ false }, 2); }
static void read_str_at(Config *c) { config_str_at(c, "k", 1); }
static void read_num_at(Config *c) { config_num_at(c, "k", 1); }
static void only_str(Config *c) { config_only_str(c, "k", "silu"); }
static void only_num(Config *c) { config_only_num(c, "k", 1); }
static void only_bool(Config *c) { config_only_bool(c, "k", false); }
static void only_null(Config *c) { config_only_null(c, "k"); }
static void read_none(Config *c) { (void)c; }

static const struct {
    const char *json;
    ReadFn read;
    const char *said; /* NULL: accepted */
} rows[] = {
    { "{\"k\": 2.5}", read_int, "unet/config.json: \"k\" is 2.5: expected a whole number from 1 to 8" },
    { "{\"k\": 9}", read_int, "\"k\" is 9" },
    { "{\"k\": 1e300}", read_int, "from 1 to 8" },
    { "{\"k\": \"2\"}", read_int, "\"k\" is \"2\"" },
    { "{\"k\": [2]}", read_int, "\"k\" is [2]" },
    { "{\"k\": true}", read_int, "\"k\" is true" },
    { "{\"k\": 1.5}", read_num, "a number from 0 to 1" },
    { "{\"k\": Infinity}", read_num, "a number from 0 to 1" },
    { "{\"k\": \"no\"}", read_bool, "true or false" },
    { "{\"k\": 0}", read_bool, "true or false" },
    { "{\"k\": 0}", read_str, "a text" },
    { "{\"k\": [1, 2]}", read_ints, "a list of 3, or one value for all" },
    { "{\"k\": [1, 2, 9]}", read_ints, "from 1 to 8" },
    { "{\"k\": [1, 2, \"x\"]}", read_ints, "\"k\" is \"x\"" },
    { "{\"k\": [true, 1]}", read_bools, "true or false" },
    { "{\"k\": [\"a\"]}", read_str_at, "a text at place 1" },
    { "{\"k\": [\"a\", 1]}", read_str_at, "a text at place 1" },
    { "{}", read_str_at, "\"k\" is missing" },
    { "{\"k\": [0, \"a\"]}", read_num_at, "a number at place 1" },
    { "{\"k\": \"relu\"}", only_str, "expected \"silu\", the only one" },
    { "{\"k\": \"silu\"}", only_str, NULL },
    { "{\"k\": null}", only_str, NULL },
    { "{\"k\": 2}", only_num, "expected 1, the only one" },
    { "{\"k\": 1.0}", only_num, NULL },
    { "{\"k\": true}", only_bool, "expected false, the only one" },
    { "{\"k\": false}", only_bool, NULL },
    { "{\"k\": 0}", only_null, "limn does not know this option" },
    { "{\"k\": null}", only_null, NULL },
    { "{\"k\": 1}", read_none, "does not know the option \"k\": 1" },
    { "{\"k\": \"\"}", read_none, "the option \"k\"" },
    { "{\"k\": false}", read_none, NULL },
    { "{\"k\": null}", read_none, NULL },
    { "{\"_k\": 1}", read_none, NULL },
    { "{\"k\": 2.5, \"other\": 1}", read_int, "\"k\" is 2.5" }, /* the first thing wrong is said */
};

static void wrong_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Config *c = parse(rows[i].json);
        rows[i].read(c);
        int failed = config_finish(c, &e);
        if (rows[i].said) assert_said(failed, &e, rows[i].said);
        else if (failed) fail_msg("%s: %s", rows[i].json, e.text);
        config_free(c);
    }
}

/* -Infinity, as diffusers writes it, is a number; in a text it is a text. */
static void infinity(void **state)
{
    (void)state;
    Config *c = parse("{\"lambda_min_clipped\": -Infinity, \"s\": \"an \\\"Infinity\\\"\"}");
    assert_true(config_num(c, "lambda_min_clipped", 0, -INFINITY, 0) == -INFINITY);
    assert_string_equal(config_str(c, "s", NULL), "an \"Infinity\"");
    config_free(c);
}

static void ignored(void **state)
{
    (void)state;
    Err e = { 0 };
    static const char *const keys[] = { "dropout", "absent", NULL };
    Config *c = parse("{\"dropout\": 0.1}");
    config_ignore(c, keys);
    assert_int_equal(config_finish(c, &e), 0);
    config_free(c);
}

static void broken_text(void **state)
{
    (void)state;
    static const struct {
        const char *json, *said;
    } texts[] = {
        { "", "empty" },
        { "[]", "an array" },
        { "3", "a plain value" },
        { "{\"a\": }", "not valid JSON (at byte" },
        { "{\"a\": 1} x", "after the end" },
        { "{\"a\": 1, \"a\": 2}", "\"a\" is there twice" },
        { "{\"a\": {\"b\": 1, \"c\": 2, \"b\": 3}}", "\"b\" is there twice" },
        { "{\"a\": \"x\\u0000y\"}", "NUL" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Err e = { 0 };
        Bytes copy = exact(texts[i].json, strlen(texts[i].json));
        assert_null(config_parse(copy, "vae/config.json", &e));
        assert_said(-1, &e, texts[i].said);
        assert_said(-1, &e, "vae/config.json: ");
        free((void *)(size_t)copy.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),  cmocka_unit_test(wrong_values), cmocka_unit_test(infinity),
        cmocka_unit_test(ignored), cmocka_unit_test(broken_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
