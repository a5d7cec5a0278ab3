/* test_metadata.c - A1111's text to the letter, limn's JSON both ways. */
#include "tests/support.h"

#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "nn/kernels.h"
#include "pipeline/language.h"
#include "pipeline/metadata.h"
#include "scheduler/schedules.h"

static Model model(void)
{
    Model m = { .name = (char *)(size_t) "v1-5", .path = (char *)(size_t) "models/v1-5.safetensors" };
    snprintf(m.sha256, sizeof m.sha256, "%064d", 0);
    memcpy(m.sha256, "6ce0161689", 10);
    return m;
}

static void set(Job *j, const char *name, const char *text)
{
    Err e;
    if (job_set(j, option_find(name, strlen(name)), text, &e)) fail_msg("%s: %s", name, e.text);
}

static Job job(void)
{
    Job j;
    job_init(&j);
    set(&j, "prompt", "a red potion");
    set(&j, "steps", "20");
    set(&j, "cfg-scale", "7.0");
    set(&j, "width", "512");
    set(&j, "height", "768");
    set(&j, "sampler", "dpmpp_2m");
    set(&j, "schedule", "karras");
    return j;
}

static void expect_a1111(const Job *j, const Model *m, const char *expected)
{
    Str text = { 0 };
    metadata_a1111(j, m, 42, &text);
    assert_string_equal(str_text(&text), expected);
    str_release(&text);
}

#define END     "Size: 512x768, Model hash: 6ce0161689, Model: "
#define VERSION "Version: limn " LIMN_VERSION

static void a1111_text(void **state)
{
    (void)state;
    Job j = job();
    Model m = model();
    expect_a1111(&j, &m,
                 "a red potion\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, " END
                 "v1-5, RNG: CPU, " VERSION);

    set(&j, "negative-prompt", "blurry, low");
    set(&j, "clip-skip", "2");
    set(&j, "rng", "philox");
    set(&j, "cfg-scale", "4.25");
    set(&j, "vae", "/x/my.vae.safetensors");
    expect_a1111(&j, &m,
                 "a red potion\nNegative prompt: blurry, low\nSteps: 20, Sampler: DPM++ 2M, Schedule type: "
                 "Karras, CFG scale: 4.25, Seed: 42, " END "v1-5, VAE: my.vae, Clip skip: 2, RNG: NV, " VERSION);
    job_release(&j);

    /* a value with a comma, colon or newline is quoted as JSON; the whole is stripped */
    j = job();
    set(&j, "prompt", " \n two\nlines ");
    m.name = (char *)(size_t) "a, \"b\": \xC3\xA9";
    expect_a1111(&j, &m,
                 "two\nlines \nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, " END
                 "\"a, \\\"b\\\": \xC3\xA9\", RNG: CPU, " VERSION);
    set(&j, "prompt", "");
    m = model();
    m.sha256[0] = 0;
    expect_a1111(&j, &m,
                 "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768, "
                 "Model: v1-5, RNG: CPU, " VERSION);
    job_release(&j);
}

/* What a picture was made with comes back, option by option. */
static void expect_round_trip(const Job *j, uint64_t seed)
{
    Model m = model();
    Str json = { 0 }, again = { 0 };
    Job back;
    Origin from;
    Err e;
    metadata_json(j, &m, seed, &json);
    if (metadata_parse(json.s, &back, &from, &e)) fail_msg("%s: %s", e.text, json.s);
    assert_string_equal(from.version, LIMN_VERSION);
    assert_string_equal(from.model, "v1-5");
    assert_string_equal(from.sha256, m.sha256);
    const char *why = NULL;
    assert_string_equal(from.kernels, kernels_select(&why)->name);
    assert_true(back.has_seed && back.seed == seed);
    assert_int_equal(back.count, 1);
    assert_string_equal(back.model, j->model ? j->model : m.path);
    for (const Option *o = job_options; o->name; o++) {
        Str a = { 0 }, b = { 0 };
        if (!o->picture || o->type == OPT_SEED) continue;
        assert_int_equal(job_get(j, o, &a), job_get(&back, o, &b));
        assert_string_equal(str_text(&a), str_text(&b));
        str_release(&a);
        str_release(&b);
    }
    /* so that a picture drawn again has the same bytes */
    metadata_json(&back, &m, back.seed, &again);
    assert_string_equal(str_text(&json), str_text(&again));
    str_release(&json);
    str_release(&again);
    job_release(&back);
}

static void json_round_trip(void **state)
{
    (void)state;
    Job j = job();
    set(&j, "prompt-syntax", "limn"); /* which a recipe always says */
    expect_round_trip(&j, 0);
    expect_round_trip(&j, 9007199254740993U);
    expect_round_trip(&j, UINT64_MAX);
    set(&j, "prompt", "\"quotes\", \\, \n, \x01, \xE6\xB0\xB4, \xFF");
    set(&j, "negative-prompt", "{}");
    set(&j, "cfg-scale", "3.3333333333333335");
    set(&j, "eta", "0.1");
    set(&j, "model", "some/where");
    set(&j, "vae", "v.safetensors");
    set(&j, "vae-tile", "256");
    set(&j, "prediction", "v_prediction");
    expect_round_trip(&j, 7);
    job_release(&j);
}

#define HEAD "\"limn\":\"0.1.0\",\"kernels\":\"portable\",\"model\":{\"name\":\"m\",\"path\":\"p\",\"sha256\":\"\"},"

static void broken_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        "{" HEAD "\"options\":[]}",
        "{" HEAD "\"options\":{}}",
        "{" HEAD "\"options\":{\"seed\":\"random\"}}",
        "{" HEAD "\"options\":{\"seed\":1,\"steps\":\"1x\"}}",
        "{" HEAD "\"options\":{\"seed\":1,\"steps\":1e9}}",
        "{" HEAD "\"options\":{\"seed\":1,\"steps\":1.5}}",
        "{" HEAD "\"options\":{\"seed\":1,\"steps\":null}}",
        "{" HEAD "\"options\":{\"seed\":1,\"cfg_scale\":1e999}}",
        "{" HEAD "\"options\":{\"seed\":1,\"width\":-8}}",
        "{" HEAD "\"options\":{\"seed\":1,\"output\":\"/etc/passwd\"}}", /* not part of a picture */
        "{" HEAD "\"options\":{\"seed\":1,\"trace\":\"x\"}}",
        "{" HEAD "\"options\":{\"seed\":1,\"novel\":1}}",
        "{\"limn\":3,\"kernels\":\"\",\"model\":{},\"options\":{\"seed\":1}}",
        "{\"limn\":\"\",\"kernels\":\"\",\"model\":{\"name\":\"m\",\"path\":\"\"},\"options\":{\"seed\":1}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Job j;
        Origin from;
        Err e = { 0 };
        if (metadata_parse(bad[i], &j, &from, &e) == 0) fail_msg("taken: %s", bad[i]);
        assert_int_equal(e.code, ERR_FAILED);
        assert_true(*e.text);
    }
    Job j;
    Origin from;
    Err e;
    assert_int_equal(metadata_parse("{" HEAD "\"options\":{\"seed\":1}}", &j, &from, &e), 0);
    job_release(&j);
}

/* Pictures from before --prompt-syntax: plain text, or weights and BREAK as the tool has them, whatever is read today. */
static void older_json(void **state)
{
    (void)state;
    static const char *const cases[][2] = { { "", "plain" },
                                            { ",\"compat\":\"diffusers\"", "plain" },
                                            { ",\"compat\":\"a1111\"", "weights" },
                                            { ",\"compat\":\"comfyui\"", "weights" },
                                            { ",\"compat\":\"a1111\",\"prompt_syntax\":\"a1111\"", "a1111" },
                                            { ",\"prompt_syntax\":\"limn\"", "limn" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[400];
        Job j;
        Origin from;
        Err e;
        snprintf(json, sizeof json, "{" HEAD "\"options\":{\"seed\":1,\"long_prompt\":\"truncate\"%s}}", cases[i][0]);
        if (metadata_parse(json, &j, &from, &e)) fail_msg("%s: %s", json, e.text);
        assert_string_equal(j.prompt_syntax, cases[i][1]);
        assert_string_equal(language_of(&j)->name, cases[i][1]);
        assert_int_equal(language_of(&j)->emphasis, strstr(json, "comfyui") ? EMPHASIS_COMFYUI
                                                    : i < 2                 ? EMPHASIS_NONE
                                                                            : EMPHASIS_A1111);
        job_release(&j);
    }
}

/* "Schedule type" is one that A1111 has (modules/sd_schedulers.py), or is left out. */
static void schedules_of_a1111(void **state)
{
    (void)state;
    static const char known[] =
        "|Automatic|Uniform|Karras|Exponential|Polyexponential|SGM Uniform|KL Optimal|Align Your Steps|"
        "Simple|Normal|DDIM|Beta|";
    for (const Schedule *s = schedules; s->name; s++) {
        char name[64];
        snprintf(name, sizeof name, "|%s|", s->a1111);
        if (*s->a1111 && !strstr(known, name)) fail_msg("%s: %s", s->name, s->a1111);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a1111_text),  cmocka_unit_test(schedules_of_a1111), cmocka_unit_test(json_round_trip),
        cmocka_unit_test(broken_json), cmocka_unit_test(older_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
