/* test_visible.c - what reaches a terminal of a stranger's text, and words of commands that are pasted. */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/shell.h"
#include "base/utf8.h"
#include "base/visible.h"

static const uint32_t not_shown[] = {
    0x1B,   0x7F,   0x80,   0x9B,   0x9D,   0x9F,   0xAD,   0x61C,  0x200B,  0x200E,
    0x200F, 0x2028, 0x202A, 0x202E, 0x2060, 0x2066, 0x2069, 0xFEFF, 0xE0001, 0xE007F,
};
static const uint32_t shown_ones[] = { 0x20, 0x7E, 0xA0, 0xE9, 0x200C, 0x200D, 0x6C34, 0xFE0F, 0x1F408 };

static void which(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof not_shown / sizeof *not_shown; i++) assert_false(visible(not_shown[i]));
    for (size_t i = 0; i < sizeof shown_ones / sizeof *shown_ones; i++) assert_true(visible(shown_ones[i]));
}

static void expect_mask(const char *text, bool lines, const char *want)
{
    char *s = mem_strdup(text);
    visible_mask(s, lines);
    assert_string_equal(s, want);
    free(s);
}

static void masked(void **state)
{
    (void)state;
    expect_mask("caf\xC3\xA9 \xE6\xB0\xB4", false, "caf\xC3\xA9 \xE6\xB0\xB4");
    expect_mask("a\xC2\x9B"
                "31m\x1B[0m\n\t",
                false, "a?31m?[0m??");
    expect_mask("a\n\tb\r", true, "a\n\tb?");
    expect_mask("\xE2\x80\xAEgnp\xFF\x9B\xC3", false, "?gnp???");
    Err e;
    err_set(&e,
            "\xC2\x9D"
            "52;c;\x07 %s",
            "\xE2\x81\xA6x");
    assert_string_equal(e.text, "?52;c;? ?x");
}

static void json_keeps_its_value(void **state)
{
    (void)state;
    Str text = { 0 }, out = { 0 };
    for (size_t i = 0; i < sizeof not_shown / sizeof *not_shown; i++) utf8_put(&text, not_shown[i]);
    for (size_t i = 0; i < sizeof shown_ones / sizeof *shown_ones; i++) utf8_put(&text, shown_ones[i]);
    cJSON *value = cJSON_CreateString(text.s);
    char *json = cJSON_Print(value);
    visible_json(&out, json);
    assert_true(visible_all(out.s));
    assert_null(strstr(out.s, "\xE2\x80\x8D"));
    cJSON *back = cJSON_Parse(out.s);
    assert_string_equal(back->valuestring, text.s);
    cJSON_Delete(back);
    cJSON_Delete(value);
    cJSON_free(json);
    str_release(&out);
    visible_json(&out, "{\n\t\"\xC2\x9B\xFF\": 1 }");
    assert_string_equal(out.s, "{\n\t\"\\u009b\\ufffd\": 1 }");
    str_release(&out);
    str_release(&text);
}

static void paths(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "out/a b.png", "out/a b.png" },
        { "\xE6\xB0\xB4.png", "\xE6\xB0\xB4.png" },
        { "a\xC2\x9B.png", "\"a\\302\\233.png\"" },
        { "a\nb\x1B", "\"a\\nb\\033\"" },
        { "\xE9.png", "\"\\351.png\"" }, /* Latin-1 */
        { "a\"b\\", "\"a\\\"b\\\\\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str s = { 0 };
        visible_path(&s, cases[i][0]);
        assert_string_equal(s.s, cases[i][1]);
        str_release(&s);
    }
}

/* What the shell makes of a word. */
static void expect_word(const char *word)
{
    Str command = { 0 };
    char got[256];
    str_add(&command, "printf %s ");
    shell_add(&command, word);
    size_t end = command.len;
    while (end && word[0] && command.s[end - 2] == '\n') end--; /* newlines at the end stay */
    for (size_t i = 0; i + 2 < end; i++) assert_true((unsigned char)command.s[i] >= 32 && command.s[i] != 127);
    assert_null(strstr(command.s, "\xC2\x9B"));
    FILE *f = popen(command.s, "r");
    size_t n = fread(got, 1, sizeof got - 1, f);
    got[n] = 0;
    assert_int_equal(pclose(f), 0);
    assert_string_equal(got, word);
    str_release(&command);
}

static void words_come_back(void **state)
{
    (void)state;
    static const char *const words[] = {
        "",
        "plain-1.png",
        "a red potion",
        "it's",
        "$(x) `y` \"z\" \\ !! ~",
        "a\nb",
        "a\n\n'b",
        "a\n\xC3\xA9",
        "end\n\n",
        "\x03touch x",
        "\x1B[201~\ntouch y\n",
        ("\xC2\x9B"
         "31m"),
        "\xE2\x80\xAE%s\\n",
        "\xFF%d",
        "\t",
        "\n",
        "-\x7F",
        "\xF0\x9F\x90\x88\xE2\x80\x8D\xE2\xAC\x9B",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) expect_word(words[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which), cmocka_unit_test(masked),          cmocka_unit_test(json_keeps_its_value),
        cmocka_unit_test(paths), cmocka_unit_test(words_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
