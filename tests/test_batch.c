/*
 * test_batch.c - the parts of a batch that need no model: what a prompt's choices come to (expected values from dynamicprompts
 * 0.31), products of lists, shards, names, the index, the manifest after a crash, the search for a batch size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha.h"
#include "batch/draw.h"
#include "batch/expand.h"
#include "batch/index.h"
#include "batch/manifest.h"
#include "batch/place.h"
#include "batch/tune.h"
#include "batch/worker.h"
#include "tests/files.h"
#include "tests/support.h"

/* ---- choices ---- */

static void run_choice(Node *n, ExpandMode mode, uint64_t number, Str *out)
{
    Str variables[CHOICE_VARIABLES] = { { 0 } };
    ChoiceRun run = { .random = number, .number = number, .mode = mode, .variables = variables };
    str_clear(out);
    Err e = { 0 };
    if (choice_run(n, &run, out, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < CHOICE_VARIABLES; i++) str_release(&variables[i]);
}

/* All values of a prompt in combinatorial mode, with a '/' behind each. */
static void all_of(Wildcards *w, const char *prompt, Str *out)
{
    Err e = { 0 };
    Str one = { 0 };
    Node *n = choice_parse(&(ChoiceReader){ .wildcards = w, .mode = EXPAND_ALL }, prompt, &e);
    if (!n) fail_msg("%s: %s", prompt, e.text);
    str_clear(out);
    uint64_t count = choice_count(n);
    assert_in_range(count, 1, 1000);
    for (uint64_t k = 0; k < count; k++) {
        run_choice(n, EXPAND_ALL, k, &one);
        str_addf(out, "%s/", str_text(&one));
    }
    str_release(&one);
    choice_free(n);
}

static void test_combinations(void **state)
{
    static const char *const cases[][2] = {
        { "{2$$a|b|c}", "a,b/a,c/b,a/b,c/c,a/c,b/" },
        { "{1-2$$ and $$a|b|c}", "a/b/c/a and b/a and c/b and a/b and c/c and a/c and b/" },
        { "{a|{b|c}} x {d|e}", "a x d/a x e/b x d/b x e/c x d/c x e/" },
        { "{0.3::a|b}", "a/b/" },
        { "{a|}", "a//" },
        { "{-2$$a|b|c}", "a/b/c/a,b/a,c/b,a/b,c/c,a/c,b/" },
        { "{2-$$a|b|c}", "a,b/a,c/b,a/b,c/c,a/c,b/a,b,c/a,c,b/b,a,c/b,c,a/c,a,b/c,b,a/" },
        { "{3$$a|b}", "a,b/b,a/" },
        { "{0-1$$a|b}", "/a/b/" },
        { "{2$$a|a|b}", "a,b/b,a/" },
        { "{2$$; $$a|b}", "a; b/b; a/" },
        { "{ a | b }", "a /b /" },
        { "{2$$ and $$ a | b}", "a  and b/b and a /" },
        { "{a::b|c}", "a::b/c/" },
        { "1.5::a", "1.5::a/" },
        { "(a:1.2) [b] \\(c\\)", "(a:1.2) [b] \\(c\\)/" },
        { "${x={a|b}}${x} ${x}", "a a/a b/b a/b b/" },
        { "${x=!{a|b}}${x} ${x}", "a a/b b/" },
        { "__colour__", "red/green/blue/" },
        { "{2$$__colour__}", "red,green/red,blue/green,red/green,blue/blue,red/blue,green/" },
        { "{2$$__colour__|x}", "red,x/green,x/blue,x/x,red/x,green/x,blue/" },
        { "__sub/*__", "x/y/z/red/green/blue/" },
        { "__sub/{a|b}__", "x/y/z/red/green/blue/" },
    };
    put_text(*state, "colour.txt", "red\n# c\ngreen\n\n0.5::blue\n");
    put_text(*state, "sub/a.txt", "x\r\ny");
    put_text(*state, "sub/b.txt", "z\n  __colour__ \n");
    Wildcards *w = wildcards_new(*state, EXPAND_ALL, NULL);
    Str found = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        all_of(w, cases[i][0], &found);
        if (strcmp(str_text(&found), cases[i][1]) != 0)
            fail_msg("%s: %s, expected %s", cases[i][0], str_text(&found), cases[i][1]);
    }
    str_release(&found);
    wildcards_free(w);
}

/* Chosen as often as the weights say, and by the seed alone. */
static void test_weights(void **state)
{
    (void)state;
    Err e = { 0 };
    Wildcards *w = wildcards_new("nowhere", EXPAND_RANDOM, NULL);
    Node *n = choice_parse(&(ChoiceReader){ .wildcards = w }, "{0.2::a|0.7::b|0.1::c}", &e);
    int count[3] = { 0 };
    Str s = { 0 };
    assert_non_null(n);
    for (uint64_t seed = 0; seed < 20000; seed++) {
        run_choice(n, EXPAND_RANDOM, choice_seed(seed, 1), &s);
        count[str_text(&s)[0] - 'a']++;
    }
    assert_in_range(count[0], 3800, 4200); /* five deviations: 283 */
    assert_in_range(count[1], 13700, 14300);
    assert_in_range(count[2], 1800, 2200);
    choice_free(n);
    /* two of three without the same twice, in both orders */
    n = choice_parse(&(ChoiceReader){ .wildcards = w }, "{2$$a|b|c}", &e);
    int pairs[9] = { 0 };
    for (uint64_t seed = 0; seed < 6000; seed++) {
        run_choice(n, EXPAND_RANDOM, choice_seed(seed, 1), &s);
        assert_int_equal(s.len, 3);
        pairs[(s.s[0] - 'a') * 3 + s.s[2] - 'a']++;
    }
    for (int i = 0; i < 9; i++)
        if (i % 4 == 0) assert_int_equal(pairs[i], 0);
        else assert_in_range(pairs[i], 850, 1150);
    choice_free(n);
    str_release(&s);
    wildcards_free(w);
}

static void test_large_counts(void **state)
{
    (void)state;
    Err e = { 0 };
    Wildcards *w = wildcards_new("nowhere", EXPAND_ALL, NULL);
    Str prompt = { 0 };
    for (int i = 0; i < 80; i++) str_add(&prompt, "{a|b}");
    Node *n = choice_parse(&(ChoiceReader){ .wildcards = w, .mode = EXPAND_ALL }, str_text(&prompt), &e);
    assert_true(choice_count(n) == UINT64_MAX); /* 2^80 */
    choice_free(n);
    str_clear(&prompt);
    for (int i = 0; i < 100; i++) str_add(&prompt, "{a|");
    assert_null(choice_parse(&(ChoiceReader){ .wildcards = w, .mode = EXPAND_ALL }, str_text(&prompt), &e));
    assert_non_null(strstr(e.text, "nested more than"));
    str_release(&prompt);
    wildcards_free(w);
}

/* Drawing without putting back, one option after the other: what draw.h is to be equal to. */
static size_t draw_plainly(const double *weights, const bool *taken, size_t count, double share)
{
    double total = 0;
    size_t last = 0, left = 0;
    for (size_t i = 0; i < count; i++)
        if (!taken[i]) total += weights[i], left++;
    double at = share * (total > 0 ? total : (double)left);
    for (size_t i = 0; i < count; i++) {
        if (taken[i]) continue;
        if (total > 0 && !(weights[i] > 0)) continue;
        last = i;
        at -= total > 0 ? weights[i] : 1;
        if (at < 0) break;
    }
    return last;
}

static void test_draw(void **state)
{
    (void)state;
    static const double weights[] = { 0.25, 2, 0, 1.5, 0, 0.125, 8, 1, 0 };
    for (size_t count = 1; count <= 9; count++) {
        Draw *d = draw_new(weights, count);
        for (int turn = 0; turn < 50; turn++) {
            bool taken[9] = { false };
            size_t order[9], r = 1 + (size_t)turn % count;
            for (size_t k = 0; k < r; k++) {
                double share = (double)((turn * 37 + (int)k * 11) % 64) / 64;
                order[k] = draw_take(d, share);
                assert_int_equal(order[k], draw_plainly(weights, taken, count, share));
                assert_false(taken[order[k]]);
                taken[order[k]] = true;
            }
            draw_put_back(d, order, r);
        }
        draw_free(d);
    }
}

/* Prompts that double at every step: refused where they come to too much, counted where they are only many. */
static void test_explosions(void **state)
{
    Err e = { 0 };
    Str prompt = { 0 }, out = { 0 }, line = { 0 };
    Str variables[CHOICE_VARIABLES] = { { 0 } };
    for (int with_text = 0; with_text < 2; with_text++) {
        str_clear(&prompt);
        str_add(&prompt, with_text ? "${v0=a potion in a bottle}" : "${v0=}");
        for (int i = 1; i < 31; i++) str_addf(&prompt, "${v%d=${v%d}${v%d}${v%d}}", i, i - 1, i - 1, i - 1);
        str_add(&prompt, "${v30}");
        Node *n = choice_parse(&(ChoiceReader){ .mode = EXPAND_ALL }, str_text(&prompt), &e);
        ChoiceRun run = { .mode = EXPAND_ALL, .variables = variables };
        if (!n) fail_msg("%s", e.text);
        assert_int_equal(choice_count(n), 1);
        assert_said(choice_run(n, &run, &out, &e), &e, with_text ? "bytes of text" : "parts within each other");
        str_clear(&out);
        choice_free(n);
    }
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "w%d.txt", i);
        str_clear(&line);
        str_addf(&line, "__w%d____w%d____w%d__\n", i + 1, i + 1, i + 1);
        put_text(*state, name, str_text(&line));
    }
    put_text(*state, "w20.txt", "{a|b}\n");
    str_clear(&line);
    for (int i = 0; i < 3000; i++) str_addf(&line, "line%d\n", i);
    put_text(*state, "big.txt", str_text(&line));
    Wildcards *w = wildcards_new(*state, EXPAND_ALL, NULL);
    Node *n = choice_parse(&(ChoiceReader){ .wildcards = w, .mode = EXPAND_ALL }, "__w0__", &e);
    if (!n) fail_msg("%s", e.text);
    assert_true(choice_count(n) == UINT64_MAX);
    choice_free(n);
    n = choice_parse(&(ChoiceReader){ .wildcards = w, .mode = EXPAND_ALL }, "{1-$$__big__}", &e);
    assert_true(n && choice_count(n) == UINT64_MAX);
    choice_free(n);
    n = choice_parse(&(ChoiceReader){ .wildcards = w, .mode = EXPAND_ALL }, "{0-2$$__big__}", &e);
    assert_true(n && choice_count(n) == 1 + 3000 + 3000 * 2999);
    run_choice(n, EXPAND_ALL, 0, &out);
    assert_string_equal(str_text(&out), "");
    run_choice(n, EXPAND_ALL, 3000, &out);
    assert_string_equal(str_text(&out), "line2999");
    run_choice(n, EXPAND_ALL, 3001 + 2999 + 5, &out);
    assert_string_equal(str_text(&out), "line1,line6");
    run_choice(n, EXPAND_ALL, 3000 + 3000 * 2999, &out);
    assert_string_equal(str_text(&out), "line2999,line2998");
    choice_free(n);
    wildcards_free(w);
    str_release(&prompt);
    str_release(&line);
    str_release(&out);
}

/* ---- shards, names, the index ---- */

static void test_shards(void **state)
{
    (void)state;
    for (uint64_t of = 1; of < 8; of++)
        for (uint64_t index = 1; index < 100; index++) {
            int owners = 0;
            for (uint64_t at = 1; at <= of; at++) owners += shard_has(&(Shard){ at, of }, index);
            assert_int_equal(owners, 1);
        }
}

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = { "a.png", "a/b.png", "...png", "a..b/c.png", "\xc3\xa9.png" };
    static const char *const bad[] = { "../a.png",  "a/../b.png", "/a.png",      "a//b.png", "./a.png",
                                       "a/./b.png", "a\nb.png",   "x.png/y.png", "a.jpg",    "" };
    Err e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (name_check(good[i], &e)) fail_msg("%s: %s", good[i], e.text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!name_check(bad[i], &e)) fail_msg("%s is no name", bad[i]);
    static const char *const plans[][3] = { { NULL, "jobs", NULL },
                                            { "out", "out", NULL },
                                            { "out//", "out", NULL },
                                            { "/", "/", NULL },
                                            { "x.png", ".", "x.png" },
                                            { "a/{id}/b.png", "a", "{id}/b.png" },
                                            { "a/b{id}/{seed}.png", "a", "b{id}/{seed}.png" },
                                            { "/t/{id}.png", "/t", "{id}.png" },
                                            { "{id}.png", ".", "{id}.png" } };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        NamePlan p;
        assert_int_equal(name_plan(&p, plans[i][0], "d/jobs.jsonl", &e), 0);
        assert_string_equal(p.folder, plans[i][1]);
        if (plans[i][2]) assert_string_equal(p.pattern, plans[i][2]);
        else assert_null(p.pattern);
        name_plan_release(&p);
    }
}

static void test_index(void **state)
{
    (void)state;
    Index x = { 0 };
    char name[32];
    bool fresh;
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "picture-%d.png", i);
        *index_add(&x, index_hash(name), &fresh) = (uint64_t)i;
        assert_true(fresh);
    }
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "picture-%d.png", i);
        uint64_t *v = index_find(&x, index_hash(name));
        assert_true(v && *v == (uint64_t)i);
    }
    assert_null(index_find(&x, index_hash("another")));
    index_release(&x);
}

/* ---- the manifest ---- */

static void test_manifest(void **state)
{
    Err e = { 0 };
    Entry entry;
    Shard all = { 1, 1 };
    put_text(*state, "out/manifest.jsonl",
             "{\"file\":\"a.png\",\"status\":\"done\",\"time\":\"2026-01-02T00:00:00.000Z\",\"key\":\"k\",\"bytes\":5,"
             "\"sha256\":\"s\"}\nnot json\n{\"file\":\"b.png\",\"sta");
    put_text(
        *state, "out/manifest-1-of-2.jsonl",
        "{ \"file\": \"a.png\", \"status\": \"failed\", \"time\": \"2026-01-01T00:00:00.000Z\", \"error\": \"x\" }\n");
    char *path = path_in(*state, "out");
    Folder folder, again;
    assert_int_equal(folder_open(&folder, path, &e) || folder_open(&again, path, &e), 0);
    Manifest *m = manifest_open(&folder, &all, &e);
    if (!m) fail_msg("%s", e.text);
    assert_true(manifest_find(m, "a.png", &entry)); /* the newer line, not the one read last */
    assert_int_equal(entry.status, STATUS_DONE);
    assert_string_equal(entry.key, "k");
    assert_int_equal(entry.bytes, 5);
    str_release(&entry.line);
    assert_false(manifest_find(m, "b.png", &entry)); /* half a line is no line */
    Manifest *second = manifest_open(&again, &all, &e);
    assert_said(second ? 0 : -1, &e, "another limn batch works");
    assert_int_equal(manifest_append(m, "{\"file\":\"c.png\",\"status\":\"done\"}", &e), 0);
    manifest_close(m);
    m = manifest_open(&folder, &all, &e);
    assert_true(m && manifest_find(m, "c.png", &entry));
    str_release(&entry.line);
    manifest_close(m);
    folder_close(&again);
    folder_close(&folder);
    free(path);
}

static void test_place(void **state)
{
    Err e = { 0 };
    Place p;
    bool fatal;
    char sha[65];
    const Bytes data = { (const unsigned char *)"abc", 3 };
    char *path = path_in(*state, "deep/out");
    Folder folder;
    assert_int_equal(folder_make(&folder, path, &e), 0);
    assert_int_equal(place_open(&p, &folder, &(Shard){ 2, 3 }, &e), 0);
    assert_int_equal(place_file(&p, "x/y/z.png", data, &fatal, &e), 0);
    sha_hex(data, sha);
    assert_string_equal(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(place_whole(&folder, "x/y/z.png", 3, sha));
    assert_false(place_whole(&folder, "x/y/z.png", 4, sha));
    sha[5] ^= 1;
    assert_false(place_whole(&folder, "x/y/z.png", 3, sha));
    assert_false(place_whole(&folder, "x/y/none.png", 3, sha));
    assert_int_equal(place_file(&p, "x/y/z.png/no.png", data, &fatal, &e), -1); /* a file is no folder */
    assert_false(fatal);
    place_close(&p);
    folder_close(&folder);
    char *staging = path_in(path, ".limn-batch-2-of-3");
    assert_false(file_named(staging));
    free(staging);
    free(path);
}

/* ---- the rest ---- */

/* Seconds of n at once when 4 are best. */
static double cost_of(int n) { return n * (n <= 4 ? 1.0 + 1.0 / n : 2.0); }

static void test_tune(void **state)
{
    (void)state;
    Tune t = { 0 };
    for (int i = 0; i < 20; i++) tune_ran(&t, tune_size(&t), cost_of(tune_size(&t)));
    assert_true(t.settled);
    assert_int_equal(tune_size(&t), 4);
    t = (Tune){ 0 };
    tune_limit(&t, 1);
    assert_int_equal(tune_size(&t), 1);
}

static void square(void *ctx, void *task)
{
    (void)ctx;
    *(int *)task *= *(int *)task;
}

static void test_worker(void **state)
{
    (void)state;
    Err e = { 0 };
    int numbers[100];
    Worker *w = worker_new(square, NULL, 3, &e);
    assert_non_null(w);
    for (int i = 0; i < 100; i++) {
        numbers[i] = i;
        worker_put(w, &numbers[i]);
    }
    for (int i = 0; i < 100; i++) {
        int *done = worker_take(w, 1);
        assert_true(done == &numbers[i] && *done == i * i);
    }
    assert_null(worker_take(w, 1));
    worker_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_combinations, folder_setup, folder_teardown),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_large_counts),
        cmocka_unit_test(test_draw),
        cmocka_unit_test_setup_teardown(test_explosions, folder_setup, folder_teardown),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_index),
        cmocka_unit_test_setup_teardown(test_manifest, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_place, folder_setup, folder_teardown),
        cmocka_unit_test(test_tune),
        cmocka_unit_test(test_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
