/*
 * test_yaml.c - configurations in YAML: what is read, with PyYAML's answers as they were for the same texts, and what is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/files.h"
#include "tests/support.h"
#include "weights/yaml.h"

/* "path=text;path=text;" */
static const struct {
    const char *yaml, *values;
} read[] = {
    { "", "" },
    { "# nothing\n\n", "" },
    { "a: 1", "a=1;" },
    { "---\na: 1\r\nb:   two words  # comment\r\n", "a=1;b=two words;" },
    { "\xEF\xBB\xBF"
      "a: 1\n",
      "a=1;" },
    { "a:\n  b:\n    c: x:y\nd: 'q # r'\ne: \"\"\n", "a.b.c=x:y;d=q # r;e=;" },
    { "a: null\nb: ~\nc:\nd: {}\n", "a=;b=;c=;d=;" },
    { "a: [1, 2,4 ]  # c\nb: []\n", "a.0=1;a.1=2;a.2=4;b=;" },
    { "a:\n- 1\n- -2\nb:\n  - x\n  - y: 1\n    z: 2\n  -\n    w: 3\n", "a.0=1;a.1=-2;b.0=x;b.1.y=1;b.1.z=2;b.2.w=3;" },
    { "- - 1\n  - 2\n- 3\n", "0.0=1;0.1=2;1=3;" },
    { "a : 1\nb.c: 2\n", "a=1;b.c=2;" },
    { "a:\n  b: 1\n # less deep, but no text\n  c: 2\n", "a.b=1;a.c=2;" },
};

static void reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        Err e = { 0 };
        Yaml y;
        Str values = { 0 };
        Bytes file = exact(read[i].yaml, strlen(read[i].yaml));
        if (yaml_parse(&y, file, &e)) fail_msg("row %zu: %s", i, e.text);
        for (size_t k = 0; k < y.count; k++) str_addf(&values, "%s=%s;", y.items[k].path, y.items[k].text);
        assert_string_equal(str_text(&values), read[i].values);
        if (y.count) assert_string_equal(yaml_get(&y, y.items[0].path), y.items[0].text);
        assert_null(yaml_get(&y, "nowhere"));
        yaml_release(&y);
        str_release(&values);
        free((void *)(size_t)file.data);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *said;
    } rows[] = {
        { "a: 1\n  b: 2\n", "line 2: it stands deeper" },
        { "  a: 1\nb: 2\n", "line 2: it stands less deep" },
        { "a: 1\na: 2\n", "line 2: \"a\" is there twice" },
        { "a:\n  b: 1\na:\n  c: 1\n", "line 3: \"a\" is there twice" },
        { "a: 1\n- b\n", "line 2: a key among" },
        { "- a\nb: 1\n", "line 2: a key among" },
        { "words\n", "line 1: neither" },
        { "a: &b 1\n", "line 1: &b 1: limn reads" },
        { "a: !!python/object x\n", "line 1" },
        { "a: |\n  text\n", "line 1" },
        { "a: {b: 1}\n", "line 1" },
        { "a: [1, [2]]\n", "line 1" },
        { "a: [1,\n2]\n", "line 1: a list in brackets" },
        { "a: \"b\\n\"\n", "line 1: a quoted text" },
        { "a: 'b\n", "line 1: a quoted text" },
        { "a:\n\tb: 1\n", "line 2: a tab" },
        { "a: 1\n---\nb: 2\n", "line 2" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Yaml y;
        Bytes file = exact(rows[i].yaml, strlen(rows[i].yaml));
        assert_said(yaml_parse(&y, file, &e), &e, rows[i].said);
        yaml_release(&y);
        free((void *)(size_t)file.data);
    }
}

static void limits(void **state)
{
    (void)state;
    Err e = { 0 };
    Yaml y;
    Str deep = { 0 }, many = { 0 };
    for (int i = 0; i < 2 * YAML_MAX_DEPTH; i++) str_add(&deep, "- ");
    str_add(&deep, "x\n");
    for (int i = 0; i <= YAML_MAX_VALUES; i++) str_addf(&many, "k%d: v\n", i);
    assert_said(yaml_parse(&y, (Bytes){ (unsigned char *)deep.s, deep.len }, &e), &e, "levels");
    yaml_release(&y);
    assert_said(yaml_parse(&y, (Bytes){ (unsigned char *)many.s, many.len }, &e), &e, "more than 2000 values");
    yaml_release(&y);
    assert_said(yaml_parse(&y, (Bytes){ (const unsigned char *)"a: \0b", 5 }, &e), &e, "NUL");
    yaml_release(&y);
    assert_said(yaml_parse(&y, (Bytes){ (const unsigned char *)"", YAML_MAX_BYTES + 1 }, &e), &e, "more than a config");
    yaml_release(&y);
    str_release(&deep);
    str_release(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads), cmocka_unit_test(refuses), cmocka_unit_test(limits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
