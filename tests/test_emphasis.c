/*
 * test_emphasis.c - weights in prompts: the parsers on the examples of A1111's own documentation and on broken text, rows of
 * ids and their weights, the arithmetic, and what must be refused. The expected values are what A1111's
 * parse_prompt_attention() and ComfyUI's token_weights() give.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clip/chunks.h"
#include "clip/emphasis.h"
#include "tests/support.h"

/* "a =1|house=1.3": the pieces and their weights; BREAK is "//". */
static void shown(const Pieces *p, Str *out)
{
    for (size_t i = 0; i < p->count; i++) {
        if (i) str_add(out, "|");
        if (p->at[i].brk) str_add(out, "//");
        else str_addf(out, "%s=%.5g", p->at[i].text, p->at[i].weight);
    }
}

static void check(Emphasis kind, const char *text, const char *expected)
{
    Pieces p = { 0 };
    Err e = { .text = "" };
    Str s = { 0 };
    if (emphasis_parse(kind, text, &p, &e)) fail_msg("%s: %s", text, e.text);
    shown(&p, &s);
    if (strcmp(str_text(&s), expected) != 0) fail_msg("%s: \"%s\", not \"%s\"", text, str_text(&s), expected);
    str_release(&s);
    pieces_release(&p);
}

static void test_a1111(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        /* the examples of parse_prompt_attention() */
        { "normal text", "normal text=1" },
        { "an (important) word", "an =1|important=1.1| word=1" },
        { "(unbalanced", "unbalanced=1.1" },
        { "\\(literal\\]", "(literal]=1" },
        { "(unnecessary)(parens)", "unnecessaryparens=1.1" },
        { "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
          "a =1|house=1.573| =1.1|on=1| a =1.1|hill=0.55|, sun, =1.1|sky=1.4641|.=1.1" },
        { "a (house:1.3) [on] a (hill, sun, (((sky))).",
          "a =1|house=1.3| =1|on=0.90909| a =1|hill, sun, =1.1|sky=1.4641|.=1.1" },
        /* numbers */
        { "((a))", "a=1.21" },
        { "(a: 1.5 )", "a=1.5" },
        { "(a:-.5)", "a=-0.5" },
        { "(a:0)", "a=0" },
        { "(a:-)", "a:-=1.1" },
        { "(a:1e4)", "a:1e4=1.1" },
        { "(cat:1e400)", "cat:1e400=1.1" },
        { "(cat:nan)", "cat:nan=1.1" },
        { "(a:b:1.2)", "a:b=1.2" },
        { "[a:1.2)", "a:1.2)=0.90909" },
        /* brackets that do not match */
        { "a) b] :1.2)", "a) b] :1.2)=1" },
        { "(a [b) c]", "a =1.1|b=1| c=0.90909" },
        { "[[a]", "a=0.82645" },
        { "()[]", "" },
        { "", "" },
        /* escapes */
        { "a\\\\b \\[c\\) \\d", "a\\b [c) d=1" },
        { "(a\\)b)", "a)b=1.1" },
        { "a\\", "a=1" },
        /* BREAK, which is a word in brackets, where it is weighted */
        { "a BREAK b", "a=1|//|b=1" },
        { "a\n BREAK\t\n(b)", "a=1|//|=1|b=1.1" },
        { "BREAKa aBREAK _BREAK éBREAK", "BREAKa aBREAK _BREAK éBREAK=1" },
        { "BREAK BREAK,BREAK", "=1|//|=1|//|,=1|//|=1" },
        { "(a BREAK b)", "a=1.1|BREAK=-1.1|b=1.1" },
        /* what limn does not read */
        { "[a:b:0.5] [c|d]", "a:b:0.5=0.90909| =1|c|d=0.90909" },
        { "a AND b :2", "a AND b :2=1" },
        { "a,\n\"b\" \xF0\x9F\x98\x80", "a,\n\"b\" \xF0\x9F\x98\x80=1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(EMPHASIS_A1111, cases[i][0], cases[i][1]);
}

static void test_comfyui(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "normal text", "normal text=1" },
        { "an (important) word", "an =1|important=1.1| word=1" },
        { "((a) b:2)", "a=2.2| b=2" },
        { "((a:1.2):3)", "a=1.2" }, /* a number replaces */
        { "((a:1.2))", "a=1.2" },
        { "(((a)))", "a=1.331" },
        { "(a: 1e2 )", "a=100" },
        { "(a:-.5)", "a=-0.5" },
        { "(a:b)", "a:b=1.1" },
        { "(a:0x10)", "a:0x10=1.1" },
        { "(a:1.2x)", "a:1.2x=1.1" },
        { "(:1.2)", ":1.2=1.1" },
        { "(a:b:1.2)", "a:b=1.2" },
        { "[a] BREAK AND", "[a] BREAK AND=1" },
        { "\\(a\\) (\\(b:2)", "(a) =1|(b=2" },
        { "a\\\\ \\[", "a\\\\ \\[=1" },
        { "(unbalanced", "(unbalanced=1" },
        { "(a(b)", "a=1.1|(b=1.1" },
        { ")(a)(b)", ")(a)(b)=1" },
        { "()", "" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(EMPHASIS_COMFYUI, cases[i][0], cases[i][1]);
    check(EMPHASIS_NONE, "(a:1.2) [b] BREAK", "(a:1.2) [b] BREAK=1");
}

static void refused(Emphasis kind, const char *text, const char *says)
{
    Pieces p = { 0 };
    Err e = { .text = "" };
    if (!emphasis_parse(kind, text, &p, &e)) fail_msg("%.40s was taken", text);
    assert_int_equal(e.code, ERR_USAGE);
    if (!strstr(e.text, says)) fail_msg("%.40s: \"%s\" does not say \"%s\"", text, e.text, says);
    pieces_release(&p);
}

static void repeat(Str *s, const char *text, int count)
{
    str_clear(s);
    for (int i = 0; i < count; i++) str_add(s, text);
}

static void test_refused(void **state)
{
    (void)state;
    refused(EMPHASIS_A1111, "a (cat:1000001)", "the weight of \"cat\" is 1e+06; it must be from -1000000 to 1000000");
    refused(EMPHASIS_A1111, "((a:1000):-1001)", "-1.001e+06");
    refused(EMPHASIS_A1111, "(a:1.2.3)", "\"1.2.3\" is not a number");
    refused(EMPHASIS_A1111, "(a:.)", "\".\" is not a number");
    refused(EMPHASIS_COMFYUI, "(cat:1e400)", "the weight of \"cat\" is inf");
    refused(EMPHASIS_COMFYUI, "(cat:nan)", "the weight of \"cat\" is nan");
    refused(EMPHASIS_COMFYUI, "(cat:-infinity)", "-inf");
    refused(EMPHASIS_COMFYUI, "((cat) dog:1e6)", "\"cat\" is 1.1e+06");
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A megabyte of the worst: an answer or an error, soon. */
static void test_hostile(void **state)
{
    (void)state;
    static const char *const parts[] = { "(",     "[",        "(a", "[a", "(a)", "a)",   "(a:1)", "\\(", "\\",      ":",
                                         "BREAK", " BREAK (", ": ", "()", "))(", "([a]", ")",     ":1)", "\xC3\xA9" };
    Str s = { 0 };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        repeat(&s, parts[i], (1 << 20) / (int)strlen(parts[i]));
        for (Emphasis kind = EMPHASIS_A1111; kind <= EMPHASIS_COMFYUI; kind++) {
            Pieces p = { 0 };
            Err e = { .text = "" };
            double start = seconds();
            if (emphasis_parse(kind, s.s, &p, &e)) assert_non_null(strstr(e.text, "nested more than 256 deep"));
            assert_error(seconds() - start, 10, "%s: seconds", parts[i]);
            pieces_release(&p);
        }
    }
    repeat(&s, "(", 257);
    refused(EMPHASIS_A1111, s.s, "nested more than 256 deep");
    str_release(&s);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

/* The golden vocabulary, rows of 32: room for 30 ids; "a" and "b" are one id each. */
static Tokenizer *golden(void)
{
    Err e = { 0 };
    TokenizerFiles f = { 0 };
    if (file_map(&f.vocab, GOLDEN "/clip/tokenizer/vocab.json", &e) ||
        file_map(&f.merges, GOLDEN "/clip/tokenizer/merges.txt", &e) ||
        file_map(&f.added.config, GOLDEN "/clip/tokenizer/tokenizer_config.json", &e))
        fail_msg("%s", e.text);
    Tokenizer *t = tokenizer_new(&f, &e);
    if (!t) fail_msg("%s", e.text);
    file_unmap(&f.vocab);
    file_unmap(&f.merges);
    file_unmap(&f.added.config);
    return t;
}

/* Rows as runs of ids of one weight: "30x1 / 5x1 4x1.3"; an empty one is "-". */
static void check_rows(const Tokenizer *t, Emphasis kind, const char *text, const char *expected)
{
    Pieces p = { 0 };
    Err e = { .text = "" };
    Str s = { 0 };
    int max = tokenizer_max(t);
    if (emphasis_parse(kind, text, &p, &e)) fail_msg("%s: %s", text, e.text);
    Ids ids = chunks_of(t, kind, &p, false);
    for (int r = 0; r < ids.rows; r++) {
        const int *row = ids.ids + r * max;
        const float *weight = ids.weight ? ids.weight + r * max : NULL;
        if (r) str_add(&s, " / ");
        assert_int_equal(row[0], tokenizer_bos(t));
        int end = 1;
        for (int from = 1; row[from] != tokenizer_eos(t); from = end) {
            while (row[end] != tokenizer_eos(t) && (!weight || weight[end] == weight[from])) end++;
            str_addf(&s, "%s%dx%g", from > 1 ? " " : "", end - from, weight ? (double)weight[from] : 1);
        }
        if (end == 1) str_add(&s, "-");
        for (int i = end + 1; i < max; i++) assert_int_equal(row[i], tokenizer_pad(t));
        for (int i = end; i < max && weight; i++) assert_true(weight[i] == 1);
        assert_true(!weight || weight[0] == 1);
    }
    if (strcmp(str_text(&s), expected) != 0) fail_msg("%s: \"%s\", not \"%s\"", text, str_text(&s), expected);
    str_release(&s);
    ids_release(&ids);
    pieces_release(&p);
}

#define TEN "a a a a a a a a a a "

static void test_rows(void **state)
{
    (void)state;
    Tokenizer *t = golden();
    check_rows(t, EMPHASIS_A1111, "", "-");
    check_rows(t, EMPHASIS_A1111, "a (b:1.5) [a]", "1x1 1x1.5 1x0.909091");
    check_rows(t, EMPHASIS_A1111, TEN TEN TEN "(b:2)", "30x1 / 1x2");
    check_rows(t, EMPHASIS_A1111, TEN TEN "(b:2)" TEN, "20x1 1x2 9x1 / 1x1");
    check_rows(t, EMPHASIS_A1111, TEN "a a, (" TEN "b b b b b b b b:1.2)", "13x1 / 18x1.2"); /* behind the comma */
    check_rows(t, EMPHASIS_A1111, TEN "," TEN TEN, "11x1 / 20x1"); /* the comma is 20 back, then 21 */
    check_rows(t, EMPHASIS_A1111, "a a a a a a a a a, a " TEN TEN, "30x1 / 1x1");
    check_rows(t, EMPHASIS_A1111, "a BREAK b b", "1x1 / 2x1");
    check_rows(t, EMPHASIS_A1111, "BREAK b", "- / 1x1");
    check_rows(t, EMPHASIS_A1111, "a BREAK", "1x1");
    check_rows(t, EMPHASIS_A1111, "a BREAK BREAK (b:2)", "1x1 / - / 1x2");
    check_rows(t, EMPHASIS_A1111, TEN TEN TEN "BREAK a", "30x1 / 1x1");

    check_rows(t, EMPHASIS_COMFYUI, "", "-");
    check_rows(t, EMPHASIS_COMFYUI, "a (b:1.5) [a]", "1x1 1x1.5 3x1");
    check_rows(t, EMPHASIS_COMFYUI, TEN TEN TEN TEN, "30x1 / 10x1");
    check_rows(t, EMPHASIS_COMFYUI, TEN TEN "a a a a a(b b b b b b b:2)",
               "25x1 / 7x2"); /* fewer than 8 stay together */
    check_rows(t, EMPHASIS_COMFYUI, TEN TEN "a a a a a(b b b b b b b b:2)", "25x1 5x2 / 3x2");
    check_rows(t, EMPHASIS_COMFYUI, TEN TEN TEN "(b:2)", "30x1 / 1x2");
    tokenizer_free(t);
}

/* ---- arithmetic ------------------------------------------------------------------------------------------------------ */

static void test_arithmetic(void **state)
{
    (void)state;
    const float weight[3] = { 1, 2, -0.5F }, ones[3] = { 1, 1, 1 };
    const float z[6] = { 1, 2, 3, -4, 5, 6 }, empty[6] = { 1, 1, 1, 1, -2, 2 };
    float out[6];

    memcpy(out, z, sizeof z);
    emphasis_scale(out, weight, 3, 2, true); /* 1 2 6 -8 -2.5 -3: the mean was 13 / 6, is -4.5 / 6 */
    const float scaled[6] = { 1, 2, 6, -8, -2.5F, -3 };
    double sum = 0;
    for (int i = 0; i < 6; i++) {
        assert_error(fabs(out[i] - scaled[i] * (13 / -4.5)), 1e-5, "scaled %d", i);
        sum += out[i];
    }
    assert_error(fabs(sum - 13), 1e-5, "the mean");

    memcpy(out, z, sizeof z);
    emphasis_scale(out, weight, 3, 2, false); /* A1111's "No norm" */
    for (int i = 0; i < 6; i++) assert_true(out[i] == scaled[i]);

    memcpy(out, z, sizeof z);
    emphasis_blend(out, empty, weight, 3, 2);
    const float blended[6] = { 1, 2, 5, -9, -5.5F, 0 };
    for (int i = 0; i < 6; i++) assert_true(out[i] == blended[i]);

    memcpy(out, z, sizeof z);
    emphasis_scale(out, ones, 3, 2, true);
    emphasis_blend(out, empty, ones, 3, 2);
    assert_memory_equal(out, z, sizeof z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1111),   cmocka_unit_test(test_comfyui), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_rows),    cmocka_unit_test(test_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
