/* test_limits.c - the figures that bound what a file may grow to: at the figure it is read, one above it is refused by name. */
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "weights/safetensors.h"

static Bytes bytes_of(const Str *s) { return (Bytes){ (const unsigned char *)str_text(s), s->len }; }

/* {"a":[0,0,...]} with `values` values in all. */
static void list_of(Str *s, size_t values)
{
    str_add(s, "{\"a\":[0");
    for (size_t i = 3; i < values; i++) str_add(s, ",0");
    str_add(s, "]}");
}

static void assert_refused(Bytes text, const char *word)
{
    Err e = { .text = "" };
    assert_null(json_parse(text, &e));
    if (!strstr(e.text, word)) fail_msg("\"%s\" has no \"%s\"", e.text, word);
}

static void json_values(void **state)
{
    (void)state;
    Str most = { 0 }, more = { 0 };
    Err e = { .text = "" };
    list_of(&most, JSON_MAX_VALUES);
    cJSON *root = json_parse(bytes_of(&most), &e);
    assert_non_null(root);
    assert_int_equal(cJSON_GetArraySize(root->child), JSON_MAX_VALUES - 2);
    cJSON_Delete(root);
    list_of(&more, JSON_MAX_VALUES + 1);
    assert_refused(bytes_of(&more), "values, more than the 1048576 that limn reads");
    str_release(&most);
    str_release(&more);
}

/* What stands in a text is no value, and what is escaped does not end it. */
static void json_values_in_texts(void **state)
{
    (void)state;
    Str s = { 0 };
    Err e = { .text = "" };
    str_add(&s, "{\"a\":\"\\\"\\\\");
    for (int i = 0; i < JSON_MAX_VALUES; i++) str_add(&s, ",[");
    str_add(&s, "\"}");
    cJSON *root = json_parse(bytes_of(&s), &e);
    assert_non_null(root);
    cJSON_Delete(root);
    str_release(&s);
}

static void json_depth(void **state)
{
    (void)state;
    for (int depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        Str s = { 0 };
        Err e = { .text = "" };
        str_add(&s, "{\"a\":");
        for (int i = 1; i < depth; i++) str_add(&s, "[");
        for (int i = 1; i < depth; i++) str_add(&s, "]");
        str_add(&s, "}");
        cJSON *root = json_parse(bytes_of(&s), &e);
        assert_int_equal(root != NULL, depth == JSON_MAX_DEPTH);
        assert_true(root || strstr(e.text, "more than 100 deep"));
        cJSON_Delete(root);
        str_release(&s);
    }
}

static void json_bytes(void **state)
{
    (void)state;
    assert_refused((Bytes){ (const unsigned char *)"{}", (size_t)JSON_MAX_BYTES + 1 }, "bytes of JSON, more than");
}

static void safetensors_header(void **state)
{
    (void)state;
    Str file = { 0 }, header = { 0 };
    Err e = { .text = "" };
    list_of(&header, 2 * JSON_MAX_VALUES);
    uint64_t len = header.len;
    str_addn(&file, (const char *)&len, 8);
    str_addn(&file, header.s, header.len);
    Weights *w = weights_new();
    assert_int_equal(safetensors_read(w, bytes_of(&file), &e), -1);
    assert_true(strstr(e.text, "header: JSON of about 2097152 values") != NULL);
    weights_free(w);
    str_release(&header);
    str_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_values), cmocka_unit_test(json_values_in_texts), cmocka_unit_test(json_depth),
        cmocka_unit_test(json_bytes),  cmocka_unit_test(safetensors_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
