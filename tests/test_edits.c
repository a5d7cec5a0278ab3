/*
 * test_edits.c - prompts in time, in parts and in sums: edits.h and compose.h against what A1111's own parser makes of the texts
 * (golden/prompts/a1111.json: its documented examples, and more), mix.h by hand. Whole pictures are in test_pipeline.c.
 */
#include "tests/support.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "clip/compose.h"
#include "clip/edits.h"
#include "clip/mix.h"

static cJSON *golden(void)
{
    Bytes file;
    Err e;
    if (file_map(&file, GOLDEN "/prompts/a1111.json", &e)) fail_msg("%s", e.text);
    cJSON *json = json_parse(file, &e);
    if (!json) fail_msg("%s", e.text);
    file_unmap(&file);
    return json;
}

static int number(const cJSON *o, const char *key)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, key);
    return n ? (int)n->valuedouble : 0;
}

/* A1111 counts steps of a second pass in hires_steps, and what was before in steps. */
static void check_schedule(const cJSON *c)
{
    const char *prompt = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "prompt"));
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(c, "schedule");
    int steps = number(c, "steps"), hires = number(c, "hires_steps");
    Edits got;
    Err e;
    if (edits_parse(prompt, hires ? (EditSteps){ hires, steps } : (EditSteps){ steps, 0 }, &got, &e))
        fail_msg("%s: %s", prompt, e.text);
    if (got.count != cJSON_GetArraySize(expected))
        fail_msg("%s: %d entries, not %d", prompt, got.count, cJSON_GetArraySize(expected));
    for (int i = 0; i < got.count; i++) {
        const cJSON *entry = cJSON_GetArrayItem(expected, i);
        const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(entry, 1));
        if (got.at[i].until != (int)cJSON_GetArrayItem(entry, 0)->valuedouble || strcmp(got.at[i].text, text) != 0)
            fail_msg("%s: %d \"%s\", not \"%s\"", prompt, got.at[i].until, got.at[i].text, text);
    }
    edits_release(&got);
}

static void schedules(void **state)
{
    (void)state;
    cJSON *root = golden();
    const char *const lists[] = { "doctest", "more" };
    int checked = 0;
    for (size_t i = 0; i < 2; i++) {
        const cJSON *c, *list = cJSON_GetObjectItemCaseSensitive(root, lists[i]);
        cJSON_ArrayForEach(c, list)
        {
            check_schedule(c);
            checked++;
        }
    }
    assert_true(checked > 100);
    cJSON_Delete(root);
}

static void parts(void **state)
{
    (void)state;
    cJSON *root = golden();
    const cJSON *c, *list = cJSON_GetObjectItemCaseSensitive(root, "and");
    assert_true(cJSON_GetArraySize(list) > 10);
    cJSON_ArrayForEach(c, list)
    {
        const char *prompt = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "prompt"));
        const cJSON *expected = cJSON_GetObjectItemCaseSensitive(c, "parts");
        Clauses got;
        Err e;
        if (clauses_parse(prompt, true, &got, &e)) fail_msg("%s: %s", prompt, e.text);
        if (got.count != cJSON_GetArraySize(expected)) fail_msg("%s: %d parts", prompt, got.count);
        for (int i = 0; i < got.count; i++) {
            const cJSON *part = cJSON_GetArrayItem(expected, i);
            const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(part, 0));
            if (strcmp(got.at[i].text, text) != 0 || got.at[i].weight != cJSON_GetArrayItem(part, 1)->valuedouble)
                fail_msg("%s: \"%s\" x %g, not \"%s\"", prompt, got.at[i].text, got.at[i].weight, text);
        }
        clauses_release(&got);
    }
    cJSON_Delete(root);
}

/* Without AND the end of a prompt is its own in limn's language: "16:9" is no weight. */
static void alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool alone;
        int count;
        const char *first;
        double weight;
    } cases[] = { { "a lake 16:9", false, 1, "a lake 16:9", 1 },
                  { "a lake 16:9", true, 1, "a lake 16", 9 },
                  { "a lake ", false, 1, "a lake ", 1 },
                  { "a:2 AND b", false, 2, "a", 2 },
                  { "\xC3\xA9"
                    "AND b",
                    false, 1,
                    "\xC3\xA9"
                    "AND b",
                    1 },
                  { "a ANDb", false, 1, "a ANDb", 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Clauses got;
        Err e;
        assert_int_equal(clauses_parse(cases[i].text, cases[i].alone, &got, &e), 0);
        assert_int_equal(got.count, cases[i].count);
        assert_string_equal(got.at[0].text, cases[i].first);
        assert_true(got.at[0].weight == cases[i].weight);
        clauses_release(&got);
    }
    Clauses got;
    Err e;
    assert_int_equal(clauses_parse("a AND b:10000000", false, &got, &e), -1);
    clauses_release(&got);
    Str many = { 0 };
    for (int i = 0; i <= CLAUSES_MAX; i++) str_add(&many, "a AND ");
    assert_int_equal(clauses_parse(str_text(&many), false, &got, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    clauses_release(&got);
    str_release(&many);
}

/* Which text holds: the first one for one evaluation more than its number, beyond the last one the first. */
static void when(void **state)
{
    (void)state;
    Edits x;
    Err e;
    assert_int_equal(edits_parse("[a:b:2]", (EditSteps){ 5, 0 }, &x, &e), 0);
    static const int expected[] = { 0, 0, 0, 1, 1, 1, 0 };
    for (int i = 0; i < 7; i++) assert_int_equal(edits_at(&x, i), expected[i]);
    edits_release(&x);
}

/* Texts of brackets alone take no square of their length; too deep and too much are refused. */
static void hostile(void **state)
{
    (void)state;
    enum { LEN = 1 << 20 };
    char *text = malloc(LEN + 1);
    static const char *const patterns[] = { "[a:", "[a:b:1]", "(a)", "[a",         "[:]",
                                            ":",   "]",       "\\[", "[a:b:1e99]", "(a:b:c)" };
    Edits x;
    Err e;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t n = strlen(patterns[i]);
        for (size_t k = 0; k < LEN; k++) text[k] = patterns[i][k % n];
        text[LEN] = 0;
        edits_parse(text, (EditSteps){ 3, 0 }, &x, &e);
        edits_release(&x);
    }
    memset(text, '[', LEN);
    assert_int_equal(edits_parse(text, (EditSteps){ 3, 0 }, &x, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    edits_release(&x);
    memset(text, 'a', LEN);
    memcpy(text, "[a|b] ", 6);
    assert_int_equal(edits_parse(text, (EditSteps){ 1000, 0 }, &x, &e), -1);
    edits_release(&x);
    free(text);
}

/* ---- sums ---- */

/* Rows: one for each "/" and one more. */
static int read_rows(void *ctx, const char *text, Ids *out, Err *e)
{
    (void)ctx;
    (void)e;
    *out = (Ids){ .ids = calloc(8, sizeof(int)), .rows = 1 };
    for (; *text; text++) out->rows += *text == '/';
    out->own = out->rows;
    return 0;
}

static char *sum_of(const char *text)
{
    Mix m;
    Err e;
    Str out = { 0 };
    const MixReader r = { read_rows, NULL };
    if (mix_parse(text, (MixWords){ true, true }, &r, &m, &e)) {
        str_addf(&out, "! %s", e.text);
    } else {
        str_addf(&out, "%d:", m.rows);
        for (int i = 0; i < m.count; i++)
            str_addf(&out, " %.4g@%d+%d%s", m.term[i].weight, m.term[i].at, m.term[i].rows,
                     m.term[i].pooled ? "p" : "");
    }
    mix_release(&m);
    return out.s;
}

static void sums(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "a", "1: 1@0+1p" },
        { "a/b", "2: 1@0+2p" },
        { "a AVERAGE(0.7) b", "1: 0.7@0+1p 0.3@0+1p" },
        { "a AVG( .25 ) b", "1: 0.25@0+1p 0.75@0+1p" },
        { "a AVERAGE(0.5) b/c", "1: 0.5@0+1p 0.5@0+1p" }, /* cut */
        { "a/b AVERAGE(0.5) c", "2: 0.5@0+2p 0.5@0+1p" }, /* zeros behind it */
        { "a AVG(.5) b AVG(.5) c", "1: 0.25@0+1p 0.25@0+1p 0.5@0+1p" },
        { "a CONCAT b/c", "3: 1@0+1p 1@1+2" },
        { "a CONCAT b AVG(.5) c", "2: 0.5@0+1p 0.5@1+1 0.5@0+1p" },
        { "AVERAGE joe, CONCATENATE", "1: 1@0+1p" },
        { "(\"a\", \"b\").blend(0.7,0.3)", "1: 0.7@0+1p 0.3@0+1p" },
        { "(\"a\", \"b\") .blend(2,2)", "1: 1@0+1p" },
        { " (\"a\", \"b/c\").blend(2, 2) ", "2: 0.5@0+1p 0.5@1+1 0.5@0+2p" },
        { "(\"a\", \"b\").blend(1,1,no_normalize)", "1: 1@0+1p 1@0+1p" },
        { "(\"a\", \"b \\\" c\").and()", "2: 1@0+1p 1@1+1" },
        { "(\"a\", \"b\").and(1, 0.5)", "2: 1@0+1p 0.5@1+1 0.5@1+1" },
        { "(\"a\", \"b\").swap(x)", "1: 1@0+1p" },
        { "(\"a\"", "1: 1@0+1p" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = sum_of(cases[i][0]);
        if (strcmp(got, cases[i][1]) != 0) fail_msg("%s: %s", cases[i][0], got);
        free(got);
    }
    static const char *const wrong[][2] = {
        { "a AVERAGE(2) b", "from 0 to 1" },
        { "a AVG() b", "not a number" },
        { "a AVG(nan) b", "not a number" },
        { "(\"a\",\"b\").blend(1)", "as many" },
        { "(\"a\",\"b\").blend(1,x)", "number" },
        { "(\"a\",\"b\").blend(1,-1)", "sum is 0" },
        { "(\"a\",\"b\").blend(1,1) cat", "nothing behind" },
        { "(\"a\",\"b\").and(1,2,3)", "as many" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *got = sum_of(wrong[i][0]);
        if (*got != '!' || !strstr(got, wrong[i][1])) fail_msg("%s: %s", wrong[i][0], got);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules), cmocka_unit_test(parts),   cmocka_unit_test(alone),
        cmocka_unit_test(when),      cmocka_unit_test(hostile), cmocka_unit_test(sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
