/* test_words.c - words that a model knows, what in a prompt is no word, lines in a width, lines told once, settings that count. */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/told.h"
#include "base/wrap.h"
#include "clip/syntax.h"
#include "pipeline/words.h"
#include "scheduler/heeds.h"
#include "weights/source.h"

static const char list[] =
    "{\"things\": {\"potion\": [\"potion\", \"potions\", \"potion bottle\"], \"house\": [\"house\"], \"axe\": "
    "[\"battle axe\", \"axe\"]},"
    " \"colours\": {\"red\": [\"red\"], \"blue\": [\"blue\"]},"
    " \"backgrounds\": {\"white\": [\"white background\"], \"light blue\": [\"light blue background\", \"sky blue "
    "background\"]},"
    " \"styles\": {\"pixel art\": [\"pixel art\", \"8-bit\"], \"outlined\": [\"with an outline\"]},"
    " \"also\": [\"a\", \"on\", \"next to\"], \"silent\": [\"the\", \"with\", \"in\"]}";

static Words *words_of(const char *json)
{
    Err e = { 0 };
    Words *w = words_parse((Bytes){ (const unsigned char *)json, strlen(json) }, &e);
    if (!w) fail_msg("%s", e.text);
    return w;
}

static void unknown_words(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "a red potion", "" },
        { "", "" },
        { "  ,;. ", "" },
        { "A RED POTION on a white BACKGROUND", "" },
        { "the potions, 8-bit, with an outline", "" },
        { "red potion bottle next to battle axe", "" },
        { "an astronaut", "\"an\", \"astronaut\"" },
        { "a rde potion", "\"rde\" (red?)" },
        { "horse", "\"horse\" (house?)" },
        { "a bottle", "\"bottle\" (in \"potion bottle\")" },
        { "a light blue potion", "\"light\" (in \"light blue background\")" },
        { "a blue background", "\"blue background\"" },
        { "a wooden background", "\"wooden background\"" },
        { "a background", "\"background\"" },
        { "background", "\"background\"" },
        { "128-bit", "\"128\", \"bit\" (in \"8-bit\")" },
        { "3 potions", "\"3\"" },
        { "(red:1.3) potion, [blue: 0.5]", "" },
        { "the potion's red", "" },
        { "red, red, dragon, dragon", "\"dragon\"" },
        { "Straße ÉCOLE е\xCC\x88", "\"straße\", \"école\", \"ё\"" }, /* the Cyrillic letter, composed */
        { "next", "\"next\" (in \"next to\")" },
        { "<lora:dragon:1> red", "" },
        { "a < b: c", "\"b\", \"c\"" },
        { "b1 b2 b3 b4 b5 b6 b7", "\"b\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\"" },
        { "ca cb cc cd ce cf cg ch ci cj ck cl cm cn",
          "\"ca\", \"cb\", \"cc\", \"cd\", \"ce\", \"cf\", \"cg\", \"ch\", \"ci\", \"cj\", \"ck\", \"cl\" and 2 more" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Words *w = words_of(list);
        Str found = { 0 };
        bool any = words_unknown(w, cases[i][0], &found);
        if (strcmp(str_text(&found), cases[i][1]) != 0) fail_msg("%s: %s", cases[i][0], str_text(&found));
        assert_true(any == (found.len > 0));
        str_clear(&found);
        assert_false(words_unknown(w, cases[i][0], &found)); /* each is told once */
        str_release(&found);
        words_free(w);
    }
}

static void lines_of_words(void **state)
{
    (void)state;
    Words *w = words_of(list);
    Str line = { 0 };
    assert_int_equal(w->count, 4);
    assert_string_equal(w->categories[0].name, "things");
    assert_false(w->categories[0].headed);
    assert_true(w->categories[2].headed);
    words_line(&w->categories[0], false, &line);
    assert_string_equal(str_text(&line), "potion, house, axe");
    str_clear(&line);
    words_line(&w->categories[0], true, &line);
    assert_string_equal(str_text(&line), "potion, house, axe (battle axe)");
    str_clear(&line);
    words_line(&w->categories[2], true, &line);
    assert_string_equal(str_text(&line), "white, light blue (sky blue background)");
    str_release(&line);
    words_free(w);
}

static void broken_lists(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        "[]",
        "{",
        "{\"things\": []}",
        "{\"things\": {\"potion\": \"potion\"}}",
        "{\"things\": {\"potion\": [1]}}",
        "{\"things\": {\"potion\": [\"\"]}}",
        "{\"also\": {}}",
        "{\"silent\": [null]}",
        "{\"a\": {}, \"a\": {}}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        Err e = { 0 };
        assert_null(words_parse((Bytes){ (const unsigned char *)broken[i], strlen(broken[i]) }, &e));
        assert_true(*e.text);
    }
    Words *w = words_of("{}");
    Str found = { 0 };
    assert_true(words_unknown(w, "anything", &found));
    str_release(&found);
    words_free(w);
    words_free(NULL);
}

/* The model inside knows all that its own list says, and the list is not empty. */
static void model_inside(void **state)
{
    (void)state;
    Err e;
    Bytes file;
    Source *s = source_open_builtin("sprites", &e);
    assert_non_null(s);
    assert_int_equal(source_get(s, "limn-words.json", &file, &e), 0);
    Words *w = words_parse(file, &e);
    if (!w) fail_msg("%s", e.text);
    assert_true(w->count >= 5 && w->categories[0].count >= 35);
    Str found = { 0 };
    for (int i = 0; i < w->count; i++)
        for (int k = 0; k < w->categories[i].count; k++)
            for (int p = 0; p < w->categories[i].meanings[k].count; p++)
                if (words_unknown(w, w->categories[i].meanings[k].phrases[p], &found)) fail_msg("%s", str_text(&found));
    words_free(w);
    source_free(s);
}

/* ---- syntax ---- */

static const char *const kind_names[] = { "lora",  "network", "embedding", "weight", "editing", "choice", "wildcard",
                                          "break", "and",     "compel",    "swap",   "blend",   "option" };

static void syntax_seen(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "<lora:x:1> a cat", "lora=<lora:x:1>" },
        { "a <lyco:x y:0.5:1> cat", "lora=<lyco:x y:0.5:1>" },
        { "<hypernet:x:1>", "network=<hypernet:x:1>" },
        { "<3 <a> <:x> <a:> <a:b", "" },
        { "embedding:bad-hands, cat", "embedding=embedding:bad-hands" },
        { "(embedding:x:1.2)", "embedding=embedding:x:1.2 weight=(embedding:x:1.2)" },
        { "noembedding:x embedding: x", "" },
        { "a (red:1.3) cat", "weight=(red:1.3)" },
        { "((red))", "weight=((red))" },
        { "(red: -1 )", "weight=(red: -1 )" },
        { "(red) (a:b) (1:) (9:30 pm) :-) (", "" },
        { "\\(red:1.3\\)", "" },
        { "[red:blue:0.5]", "editing=[red:blue:0.5]" },
        { "[red|blue]", "editing=[red|blue]" },
        { "[red] [a:b] \\[a|b\\]", "" },
        { "{red|blue}", "choice={red|blue}" },
        { "{2$$a|b} {x} }|{", "choice={2$$a|b}" },
        { "__colour__ __", "wildcard=__colour__" },
        { "__a/b*__", "wildcard=__a/b*__" },
        { "snake__case__x ____ __a b__", "" },
        { "a BREAK b", "break=BREAK" },
        { "a BREAKER b, aBREAK", "" },
        { "A BREAK B", "" },
        { "cat AND dog", "and=AND" },
        { "SALT AND PEPPER", "" },
        { "red++ cat", "compel=++" },
        { "(red cat)1.3", "compel=1.3" },
        { "(red)-", "compel=-" },
        { "C++ a++b x-- -- red-blue", "" },
        { "a (\"ball\").swap(\"flower\")", "swap=.swap(" },
        { "ball.swap(flower, s_start=0.2)", "swap=.swap(" },
        { "(\"a\", \"b\").blend(1, 2)", "blend=.blend(" },
        { "('a', 'b').and()", "blend=.and(" },
        { "a .swap( swap(a) swap this.and(that)", "" },
        { "a cat --ar 16:9", "option=--ar" },
        { "--no-dogs", "option=--no-dogs" },
        { "a--ar -- --1", "" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SyntaxSpan found[SYNTAX_COUNT];
        Str got = { 0 };
        syntax_find(cases[i][0], found);
        for (int k = 0; k < SYNTAX_COUNT; k++)
            if (found[k].to)
                str_addf(&got, "%s%s=%.*s", got.len ? " " : "", kind_names[k], (int)(found[k].to - found[k].from),
                         cases[i][0] + found[k].from);
        if (strcmp(str_text(&got), cases[i][1]) != 0) fail_msg("%s: %s", cases[i][0], str_text(&got));
        str_release(&got);
    }
    static const struct {
        const char *language;
        bool comfyui, weights, brk;
    } read[] = { { "limn", false, true, true },    { "a1111", false, true, true },   { "comfyui", true, true, false },
                 { "plain", false, false, false }, { "weights", false, true, true }, { "weights", true, true, false } };
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        const Language *l = language_find(read[i].language, read[i].comfyui);
        assert_int_equal(!syntax_unread(SYNTAX_WEIGHT, l), read[i].weights);
        assert_int_equal(!syntax_unread(SYNTAX_BREAK, l), read[i].brk);
    }
    assert_null(language_find("nosuch", false));
}

static void syntax_left_out(void **state)
{
    (void)state;
    char *bare = syntax_without_tags("a <lora:x:1>, <hypernet:y:1>cat <b>");
    assert_string_equal(bare, "a , cat <b>");
    free(bare);
    bare = syntax_words("a<lora:x:1>b BREAK embedding:x __w__ (c:1.2)");
    assert_string_equal(bare, "a b       (c:1.2)");
    free(bare);
}

/* A text of nothing but brackets takes no square of its length. */
static void long_texts(void **state)
{
    (void)state;
    enum { LEN = 1 << 20 };
    static const char letters[] = "([{<_B+-";
    char *text = malloc(LEN + 1);
    SyntaxSpan found[SYNTAX_COUNT];
    Words *w = words_of(list);
    Str out = { 0 };
    for (size_t i = 0; letters[i]; i++) {
        memset(text, letters[i], LEN);
        text[LEN] = '\0';
        syntax_find(text, found);
        free(syntax_words(text));
        words_unknown(w, text, &out);
    }
    for (int i = 0; i < LEN; i++) text[i] = i % 3 ? (char)('a' + i % 26) : ' ';
    words_unknown(w, text, &out);
    str_release(&out);
    words_free(w);
    free(text);
}

/* ---- small things ---- */

static void wrapping(void **state)
{
    (void)state;
    Str out = { 0 };
    wrap_add(&out, "one two three", 2, 9);
    assert_string_equal(str_text(&out), "one two\n  three\n");
    str_clear(&out);
    wrap_add(&out, "é é é é", 0, 3); /* columns, not bytes */
    assert_string_equal(str_text(&out), "é é\né é\n");
    str_clear(&out);
    wrap_add(&out, "toolongaword x", 0, 3);
    assert_string_equal(str_text(&out), "toolongaword\nx\n");
    str_clear(&out);
    wrap_add(&out, "", 5, 9);
    assert_string_equal(str_text(&out), "\n");
    str_release(&out);
}

static void told_once(void **state)
{
    (void)state;
    Told t = { 0 };
    char line[32];
    assert_true(told_add(&t, "a"));
    assert_false(told_add(&t, "a"));
    for (int i = 0; i < 999; i++) {
        snprintf(line, sizeof line, "%d", i);
        assert_true(told_add(&t, line));
    }
    assert_false(told_add(&t, "one more"));
    told_release(&t);
}

/* Against what the samplers' sources say. */
static void settings_heeded(void **state)
{
    (void)state;
    static const char *const churning[] = { "euler", "heun", "dpm_2", "heunpp2" };
    const Tuning plain = { 0 }, churned = { .churn = 3 }, weaker = { .noise_less = .5 };
    for (const Sampler *s = samplers; s->name; s++) {
        bool churns = false;
        if (s->adaptive) continue;
        for (size_t i = 0; i < sizeof churning / sizeof *churning; i++) churns |= strcmp(s->name, churning[i]) == 0;
        if (sampler_heeds(s, 24, s->eta, &plain, &churned) != churns) fail_msg("%s: churn", s->name);
        bool noisy = !sampler_deterministic(s, s->eta);
        if (noisy && !sampler_heeds(s, 24, s->eta, &plain, &weaker)) fail_msg("%s: noise", s->name);
        assert_false(sampler_heeds(s, 24, s->eta, &plain, &plain));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_words),   cmocka_unit_test(lines_of_words), cmocka_unit_test(broken_lists),
        cmocka_unit_test(model_inside),    cmocka_unit_test(syntax_seen),    cmocka_unit_test(syntax_left_out),
        cmocka_unit_test(long_texts),      cmocka_unit_test(wrapping),       cmocka_unit_test(told_once),
        cmocka_unit_test(settings_heeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
