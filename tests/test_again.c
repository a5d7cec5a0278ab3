/*
 * test_again.c - other tools' texts as limn reads them, against what they were made to mean (golden/foreign.py, checked there against
 * sd-parsers); and what strangers may write.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "again/files.h"
#include "again/foreign_picture.h"
#include "again/graph.h"
#include "again/infotext.h"
#include "again/near.h"
#include "again/readers.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/visible.h"
#include "image/comment.h"
#include "tests/files.h"
#include "tests/support.h"

static const cJSON *member(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static PngTexts texts_of(const cJSON *object)
{
    PngTexts t = { 0 };
    const cJSON *item;
    t.items = mem_array((size_t)cJSON_GetArraySize(object) + 1, sizeof *t.items);
    cJSON_ArrayForEach(item, object) t.items[t.count++] =
        (PngText){ mem_strdup(item->string), mem_strdup(item->valuestring) };
    return t;
}

static void assert_text(const char *where, const char *key, const char *found, const char *expected)
{
    if (found && strcmp(found, expected) == 0) return;
    fail_msg("%s: %s is \"%s\", expected \"%s\"", where, key, found ? found : "(nothing)", expected);
}

static void check_lora(const char *where, const Reading *r, const cJSON *lora)
{
    const char *name = cJSON_GetArrayItem(lora, 0)->valuestring,
               *hash = cJSON_GetStringValue(cJSON_GetArrayItem(lora, 1));
    for (int i = 0; i < r->loras; i++) {
        const ReadLora *l = &r->lora[i];
        if (strcmp(l->name, name) != 0) continue;
        if (hash) assert_text(where, "the LoRA's hash", l->hash, hash);
        if (cJSON_GetArraySize(lora) < 4) return;
        assert_true(l->apply);
        assert_float_equal(l->weight, cJSON_GetArrayItem(lora, 2)->valuedouble, 1e-9);
        assert_float_equal(l->text_weight, cJSON_GetArrayItem(lora, 3)->valuedouble, 1e-9);
        return;
    }
    fail_msg("%s: the LoRA %s is not read", where, name);
}

/* What is no option of limn's. */
static void check_named(const char *where, const Reading *r, const cJSON *expect)
{
    const cJSON *item;
    if ((item = member(expect, "@tool"))) assert_text(where, "the tool", r->tool, item->valuestring);
    if ((item = member(expect, "@model"))) assert_text(where, "the model", r->model, item->valuestring);
    if ((item = member(expect, "@model_hash"))) assert_text(where, "its hash", r->model_hash, item->valuestring);
    if ((item = member(expect, "@vae"))) assert_text(where, "the VAE", r->vae, item->valuestring);
    cJSON_ArrayForEach(item, member(expect, "@loras")) check_lora(where, r, item);
    bool wholly = false;
    for (size_t i = 0; i < r->remarks; i++) wholly = wholly || r->remark[i].how == MATTERS_WHOLLY;
    if (wholly != (cJSON_IsTrue(member(expect, "@wholly")) != 0))
        fail_msg("%s: %s is remarked on as another picture", where, wholly ? r->remark[0].text : "nothing");
}

/* Every option: as expected, or not said at all. */
static void check_options(const char *where, const Reading *r, const cJSON *expect)
{
    Job fresh;
    job_init(&fresh);
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 }, wanted = { 0 }, usual = { 0 };
        const cJSON *item = member(expect, o->name);
        if (option_find(o->name, strlen(o->name)) != o) continue; /* another command's of that name */
        bool is = job_get(&r->job, o, &value), was = job_get(&fresh, o, &usual);
        if (item) {
            Job one;
            Err e = { 0 };
            Str text = { 0 };
            job_init(&one);
            assert_true(loose_text(item, &text));
            if (job_set(&one, o, str_text(&text), &e)) fail_msg("%s: %s: %s", where, o->name, e.text);
            job_get(&one, o, &wanted);
            job_release(&one);
            str_release(&text);
        }
        if (item) assert_text(where, o->name, is ? str_text(&value) : NULL, str_text(&wanted));
        else if (o->picture && is && strcmp(o->name, "prompt") != 0)
            assert_text(where, o->name, str_text(&value), was ? str_text(&usual) : "(nothing)");
        str_release(&value);
        str_release(&wanted);
        str_release(&usual);
    }
    job_release(&fresh);
}

static void check_row(const char *where, const cJSON *row)
{
    PngTexts texts = texts_of(member(row, "texts"));
    Reading r;
    Err e = { 0 };
    if (foreign_read(&texts, cJSON_GetStringValue(member(row, "node")), &r, &e)) fail_msg("%s: %s", where, e.text);
    check_named(where, &r, member(row, "expect"));
    check_options(where, &r, member(row, "expect"));
    if (r.unknown.len) fail_msg("%s: unknown: %s", where, r.unknown.s);
    reading_release(&r);
    png_texts_release(&texts);
}

static void reads_tools(void **state)
{
    (void)state;
    char **names = files_in(GOLDEN "/foreign", ".json");
    int rows = 0;
    for (char **name = names; *name; name++) {
        char path[256], where[300];
        Bytes file;
        Err e = { 0 };
        snprintf(path, sizeof path, GOLDEN "/foreign/%s", *name);
        assert_int_equal(file_map(&file, path, &e), 0);
        char *text = mem_strndup((const char *)file.data, file.len);
        cJSON *root = loose_json(text); /* seeds that a double does not hold */
        assert_non_null(root);
        int i = 0;
        const cJSON *row;
        cJSON_ArrayForEach(row, member(root, "rows"))
        {
            snprintf(where, sizeof where, "%s, row %d", *name, i++);
            check_row(where, row);
        }
        rows += i;
        cJSON_Delete(root);
        free(text);
        file_unmap(&file);
    }
    names_free(names);
    assert_true(rows >= 330);
}

/* ---- the forms ---- */

/* What a text of A1111's says of one key; "" where it is not there. */
static void assert_pair(const char *text, const char *key, const char *value)
{
    Infotext t;
    infotext_parse(text, &t);
    const char *found = infotext_value(&t, key);
    assert_string_equal(found ? found : "", value);
    infotext_release(&t);
}

static void splits_infotext(void **state)
{
    (void)state;
    /* the text in A1111's own documentation of the function */
    static const char girl[] =
        "girl with an artist's beret, ((eyeshadow)), (coquettish)\n"
        "Negative prompt: ugly, (((deformed))), [blurry]\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b";
    Infotext t;
    infotext_parse(girl, &t);
    assert_string_equal(t.prompt, "girl with an artist's beret, ((eyeshadow)), (coquettish)");
    assert_string_equal(t.negative, "ugly, (((deformed))), [blurry]");
    assert_int_equal(t.count, 6);
    assert_string_equal(infotext_value(&t, "Model hash"), "45dee52b");
    infotext_release(&t);

    assert_pair("x\nSteps: 1, Sampler: A, Seed: 2, Model: \"a, b: c\"", "Model", "a, b: c");
    assert_pair("x\nSteps: 1, Sampler: A, Seed: 2, Model: \"a \\\"b\\\"\\n\", Size: 1x2", "Model", "a \"b\"\n");
    assert_pair("x\nSteps: 1, Sampler: A, Seed: 2, Model: \"open, Size: 1x2", "Size", "1x2");
    assert_pair("x\nSteps: 1, Sampler: A, Civitai resources: [{\"a\":\"b, c\"},{\"d\":[1,2]}], Seed: 2", "Seed", "2");
    assert_pair("x\nSteps: 1, Sampler: A, Seed: 2\nTemplate: more", "Seed", "2");
    assert_pair("Steps: 1 of a stair", "Steps", "");
    assert_pair("", "Steps", "");
}

static void reads_loose_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key, *value;
    } rows[] = {
        { "{\"a\": NaN, \"b\": -Infinity, \"c\": 3}", "c", "3" },
        { "{\"a\": \"NaN, 12345678901234567890\"}", "a", "NaN, 12345678901234567890" },
        { "{\"a\": 18446744073709551615}", "a", "18446744073709551615" },
        { "{\"a\": -12345678901234567}", "a", "-12345678901234567" },
        { "{\"a\": 0.1250000000000000000}", "a", "0.125" },
        { "{\"a\": \"\\\"\", \"b\": 1}", "b", "1" },
        { "{\"a\": true}", "a", "true" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *root = loose_json(rows[i].text);
        Str s = { 0 };
        if (!root) fail_msg("%s is not read", rows[i].text);
        assert_true(loose_text(member(root, rows[i].key), &s));
        assert_string_equal(str_text(&s), rows[i].value);
        str_release(&s);
        cJSON_Delete(root);
    }
    assert_null(loose_json("[1]"));
    assert_null(loose_json("{\"a\": NaNs}"));
    assert_null(loose_json("{\"a\": 1, \"a\": 2}"));
    assert_null(loose_json("{"));
}

/* ---- what strangers write ---- */

/* Reads one text; returns whether it was read. */
static bool reads(const char *key, const char *text, Reading *r, Err *e)
{
    PngText one = { (char *)(size_t)key, (char *)(size_t)text };
    PngTexts t = { &one, 1 };
    return foreign_read(&t, NULL, r, e) == 0;
}

/* Links in circles, of a node to itself, to nowhere: it ends, and what cannot be told is remarked on. */
static void ends_in_circles(void **state)
{
    (void)state;
    Reading r;
    Err e = { 0 };
    static const char circle[] =
        "{\"1\":{\"class_type\":\"KSampler\",\"inputs\":{\"seed\":[\"1\",0],\"steps\":2,\"cfg\":3,\"sampler_name\":"
        "\"euler\","
        "\"latent_image\":[\"2\",0],\"positive\":[\"2\",0],\"negative\":[\"2\",1],\"model\":[\"2\",0]}},"
        "\"2\":{\"class_type\":\"X\",\"inputs\":{\"samples\":[\"2\",0],\"conditioning\":[\"2\",0],\"model\":[\"2\",0],"
        "\"positive\":[\"2\",0],\"negative\":[\"2\",0]}}}";
    static const char reroutes[] =
        "{\"1\":{\"class_type\":\"KSampler\",\"inputs\":{\"seed\":1,\"steps\":2,\"cfg\":3,\"sampler_name\":\"euler\","
        "\"latent_image\":[\"2\",0],\"positive\":[\"2\",0],\"negative\":[\"9\",1],\"model\":[\"2\",0]}},"
        "\"2\":{\"class_type\":\"Reroute\",\"inputs\":{\"\":[\"2\",0]}}}";
    bool read = reads("prompt", circle, &r, &e);
    assert_true(!read || r.remarks > 0);
    reading_release(&r);
    assert_false(reads("prompt", reroutes, &r, &e));
    assert_non_null(strstr(e.text, "go in circles"));
    reading_release(&r);
}

/* No remark has a control character, whatever the text says; options keep their ranges. */
static void masks_and_bounds(void **state)
{
    (void)state;
    Reading r;
    Err e = { 0 };
    assert_true(
        reads("parameters",
              "x\nSteps: 99999999, Sampler: \"a\033[2J\\u009b\", CFG scale: nan, Seed: -4, Size: 9x99999999999, "
              "Strange\302\233thing: 1, Clip skip: 900",
              &r, &e));
    assert_true(r.remarks >= 5);
    for (size_t i = 0; i < r.remarks; i++) assert_true(visible_all(r.remark[i].text));
    assert_true(visible_all(str_text(&r.unknown)));
    assert_int_equal(r.job.steps, 0);
    assert_false(r.job.has_seed);
    assert_int_equal(r.job.width, 0);
    reading_release(&r);
}

static void knows_hashes(void **state)
{
    (void)state;
    static const char head[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}";
    unsigned char file[8 + sizeof head - 1 + 3] = { sizeof head - 1 };
    char path[] = "/tmp/limn-test-again-XXXXXX";
    int fd = mkstemp(path);
    memcpy(file + 8, head, sizeof head - 1);
    memcpy(file + sizeof file - 3, "abc", 3);
    assert_true(fd >= 0 && write(fd, file, sizeof file) == (ssize_t)sizeof file);
    close(fd);
    /* of "abc": FIPS 180-2, B.1 */
    assert_true(files_hash_is(path, "ba7816bf8f01"));
    assert_true(files_hash_is(path, "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"));
    assert_false(files_hash_is(path, "ba7816bf8f")); /* ten digits are the whole file's */
    assert_true(files_hash_is(path, "e3b0c442"));    /* eight: of nothing, since it is smaller than 1 MB */
    assert_false(files_hash_is(path, "ba7816bf8f0x"));
    assert_false(files_hash_is(path, ""));
    unlink(path);
}

static void tells_nearness(void **state)
{
    (void)state;
    static const struct {
        double psnr, flip;
        const char *says;
        bool far;
    } rows[] = { { INFINITY, 0, "the same pixels", false },
                 { 44, .004, "hardly a difference", false },
                 { 30, .03, "the same picture, with differences", false },
                 { 12, .4, "far from it", true } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Nearness n = { rows[i].psnr, 1, rows[i].flip };
        assert_string_equal(nearness_words(&n), rows[i].says);
        assert_int_equal(nearness_far(&n), rows[i].far);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tools),     cmocka_unit_test(splits_infotext),  cmocka_unit_test(reads_loose_json),
        cmocka_unit_test(ends_in_circles), cmocka_unit_test(masks_and_bounds), cmocka_unit_test(knows_hashes),
        cmocka_unit_test(tells_nearness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
