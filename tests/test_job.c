/* test_job.c - the table of options: every row's default and range, strict parsing, values as text and back. */
#include "tests/support.h"

#include <string.h>

#include "base/nearest.h"
#include "base/utf8.h"
#include "cmd/command.h"
#include "pipeline/foreign.h"
#include "pipeline/job.h"
#include "scheduler/samplers.h"

static const Option *option(const char *name)
{
    const Option *o = option_find(name, strlen(name));
    if (!o) fail_msg("no option %s", name);
    return o;
}

/* Every row has what --help and the parser need, and no name or letter twice. */
static void rows_are_whole(void **state)
{
    (void)state;
    for (const Option *o = job_options; o->name; o++) {
        assert_non_null(o->help);
        assert_true(o->type == OPT_FLAG || o->value);
        assert_true(o->min <= o->max);
        assert_true(strlen(o->name) < 32);
        const Option *named = option_find(o->name, strlen(o->name)); /* or a command's own row of that name */
        assert_true(named == o || (o->group >= GROUP_BENCH && named->group < GROUP_BENCH));
        if (o->letter) assert_ptr_equal(option_letter(o->letter), o);
    }
    assert_ptr_equal(option("cfg_scale"), option("cfg-scale"));
    assert_ptr_equal(option("CFG Scale"), option("cfg-scale"));
    assert_ptr_equal(option("guidanceScale"), option("cfg-scale"));
    assert_ptr_equal(option("num_inference_steps"), option("steps"));
    assert_null(option_find("step", 4));
    assert_null(option_find("", 0));
    assert_null(option_letter(0));
}

/* Calls f with each of the names in a list parted by commas. */
static void each_name(const char *names, void (*f)(const char *name, void *ctx), void *ctx)
{
    for (const char *p = names; p && *p; p += strspn(p, ", ")) {
        char name[64] = "";
        size_t len = strcspn(p, ",");
        assert_in_range(len, 1, sizeof name - 1);
        memcpy(name, p, len);
        f(name, ctx);
        p += len;
    }
}

static void alias_is_its_own(const char *name, void *ctx)
{
    const Option *o = ctx;
    if (option_find(name, strlen(name)) != o) fail_msg("%s is another option than %s", name, o->name);
    if (foreign_find(name, strlen(name), true))
        fail_msg("%s is an alias of %s, and a row of foreign_rows.c", name, o->name);
}

/* No alias is an option's own name, nor stands in two rows. */
static void aliases_are_clear(void **state)
{
    (void)state;
    for (const Option *o = job_options; o->name; o++) each_name(o->aliases, alias_is_its_own, (void *)(size_t)o);
}

static int keep(void *ctx, const char *name, const char *value, Err *e)
{
    (void)e;
    Str *out = ctx;
    assert_non_null(option_find(name, strlen(name)));
    str_addf(out, "%s%s=%s", out->len ? "," : "", name, value);
    return 0;
}

/* What another tool's option with a value comes to: settings of limn, or "!" and why not. */
static void means(const char *name, const char *value, const char *expected)
{
    Str got = { 0 };
    Err e;
    const Foreign *f =
        strlen(name) == 2 && *name == '-' ? foreign_letter(name[1]) : foreign_find(name, strlen(name), true);
    if (!f) fail_msg("nobody calls it %s", name);
    if (foreign_apply(f, value, &(ForeignSink){ &got, keep }, &e)) str_clear(&got), str_addf(&got, "!%s", e.text);
    bool fits = *expected == '!' ? got.len && got.s[0] == '!' && strstr(got.s, expected + 1)
                                 : strcmp(str_text(&got), expected) == 0;
    if (!fits) fail_msg("%s %s: %s, expected %s", name, value ? value : "", str_text(&got), expected);
    str_release(&got);
}

static void other_tools_options(void **state)
{
    (void)state;
    means("scale", "7", "cfg-scale=7");
    means("-b", "4", "count=4");
    means("n_samples", "2", "count=2");
    means("tiling", "true", "tile=both");
    means("tiling", "false", "");
    means("size", "512x768", "width=512,height=768");
    means("size", "512", "width=512,height=512");
    means("size", "small", "!-W");
    means("size", "512x", "!-W");
    means("size", "99999999999999999999x1", "!-W");
    means("scheduler", "Karras", "schedule=Karras");
    means("scheduler", "EulerDiscreteScheduler", "sampler=EulerDiscreteScheduler");
    means("scheduler", "ddim", "!--sampler");
    means("outdir", "out", "output=out/");
    means("outdir", "out/", "output=out/");
    means("outdir", "", "!folder");
    means("device", "cpu", "");
    means("device", "cuda:0", "!CPU");
    means("restore_faces", "false", "");
    means("restore_faces", "true", "!faces");
    means("lora-strength", "1", "!--lora FILE");
    means("enable_hr", "false", "");
    means("enable_hr", "true", "hires=2");
    means("hr_scale", "1.5", "hires=1.5");
    means("inpainting_fill", "1", "fill=1");
    means("subseed", "-1", "");
    means("H", "64", "height=64");
    assert_null(foreign_find("c", 1, true)); /* "C" is CompVis' latent channels */
    assert_null(foreign_find("", 0, true));
    assert_null(foreign_letter(0));
}

/* The names in a list parted by spaces are options that the command takes, or does not. */
static void check_list(const Command *c, const char *list, bool takes)
{
    for (const char *p = list; p && *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        const Option *o = option_find(p, len);
        assert_non_null(o);
        assert_int_equal(command_takes(c, o), takes);
        p += len;
    }
}

static void commands_name_options(void **state)
{
    (void)state;
    for (const Command *c = commands; c->name; c++) {
        check_list(c, c->options, true);
        check_list(c, c->without, false);
        assert_true(str_ends(c->about, "\n"));
        for (const Option *o = job_options; o->name; o++)
            if (command_owns(c, o))
                for (const Command *other = commands; other->name; other++)
                    assert_true(command_owns(other, o) == command_takes(other, o));
    }
    const Option *steps = option("steps"), *counts = option("step-counts");
    assert_string_equal(counts->name, "steps");
    assert_ptr_equal(command_reads(command_find("compare"), steps), counts);
    assert_ptr_equal(command_reads(command_find("batch"), steps), steps);
    assert_false(command_takes(command_find("compare"), steps) || command_takes(command_find("batch"), counts));
}

/* A value read, written as text and read again is the same. */
static void round_trip(const char *name, const char *text, const char *expected)
{
    Job j;
    Str got = { 0 };
    Err e;
    job_init(&j);
    if (job_set(&j, option(name), text, &e)) fail_msg("%s %s: %s", name, text, e.text);
    assert_true(job_get(&j, option(name), &got));
    assert_string_equal(str_text(&got), expected);
    assert_int_equal(job_set(&j, option(name), expected, &e), 0);
    str_release(&got);
    job_release(&j);
}

/* Values as other tools write them; "" stays open. */
static void other_tools_values(void **state)
{
    (void)state;
    round_trip("rng", "cuda", "philox");
    round_trip("rng", "CPU", "torch");
    round_trip("compat", "Automatic1111", "a1111");
    round_trip("compat", "comfy", "comfyui");
    round_trip("prediction", "v", "v_prediction");
    round_trip("prediction", "v-prediction", "v_prediction");
    round_trip("precision", "float32", "f32");
    round_trip("tile", "XY", "both");
    round_trip("seed", "auto", "random");
    static const char *const refused[][2] = {
        { "rng", "std_default" }, { "compat", "forge" }, { "precision", "fp16" }, { "prediction", "flux_flow" }
    };
    Job j;
    Err e;
    job_init(&j);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(job_set(&j, option(refused[i][0]), refused[i][1], &e), -1);
    assert_int_equal(job_set(&j, option("schedule"), "karras", &e), 0);
    assert_int_equal(job_set(&j, option("schedule"), "Automatic", &e), 0);
    assert_null(j.schedule);
    job_release(&j);
}

static void good_values(void **state)
{
    (void)state;
    round_trip("steps", "1", "1");
    round_trip("steps", "1000", "1000");
    round_trip("steps", "007", "7");
    round_trip("width", "8192", "8192");
    round_trip("cfg-scale", "0", "0");
    round_trip("cfg-scale", "7.50", "7.5");
    round_trip("cfg-scale", "1e1", "10");
    round_trip("cfg-scale", "0.1", "0.1");
    round_trip("cfg-scale", "3.3333333333333335", "3.3333333333333335");
    round_trip("seed", "0", "0");
    round_trip("seed", "18446744073709551615", "18446744073709551615");
    round_trip("seed", "random", "random");
    round_trip("seed", "-1", "random");
    round_trip("rng", "philox", "philox");
    round_trip("vae-tile", "off", "off");
    round_trip("vae-tile", "512", "512");
    round_trip("prompt", "", "");
    round_trip("prompt", "a\nb", "a\nb");
    round_trip("prompt",
               "a\xFF"
               "b",
               "a\xEF\xBF\xBD"
               "b");
    round_trip("output", "\xFF.png", "\xFF.png"); /* a file name is bytes */
    round_trip("threads", "1", "1");
    for (const Sampler *s = samplers; s->name; s++) round_trip("sampler", s->name, s->name);
}

static void bad_values(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "steps", "" },
        { "steps", "0" },
        { "steps", "1001" },
        { "steps", "1x" },
        { "steps", "abc" },
        { "steps", "1.5" },
        { "steps", "99999999999" },
        { "steps", " 1" },
        { "steps", "1 " },
        { "steps", "0x10" },
        { "steps", "+" },
        { "steps", "--1" },
        { "width", "-1" },
        { "width", "0" },
        { "width", "1000000" },
        { "width", "99999999999999999999" },
        { "height", "-512" },
        { "cfg-scale", "nan" },
        { "cfg-scale", "inf" },
        { "cfg-scale", "-inf" },
        { "cfg-scale", "1e400" },
        { "cfg-scale", "-0.1" },
        { "cfg-scale", "100.1" },
        { "cfg-scale", "" },
        { "cfg-scale", "7,5" },
        { "cfg-scale", "0x1p3" },
        { "cfg-scale", "e" },
        { "cfg-scale", "1e" },
        { "seed", "" },
        { "seed", "abc" },
        { "seed", "-2" },
        { "seed", "1.5" },
        { "seed", "18446744073709551616" },
        { "seed", "+1" },
        { "seed", " 1" },
        { "count", "0" },
        { "count", "-3" },
        { "clip-skip", "0" },
        { "rng", "" },
        { "rng", "tor" },
        { "rng", "torch|philox" },
        { "rng", "torchy" },
        { "prediction", "epsilo" },
        { "long-prompt", "cut" },
        { "vae-tile", "" },
        { "vae-tile", "63" },
        { "vae-tile", "512x" },
        { "vae-tile", "-512" },
        { "sampler", "" },
        { "sampler", "eulre" },
        { "schedule", "nope" },
        { "threads", "0" },
        { "threads", "100000" },
        { "threads", "-1" },
        { "output", "" },
        { "model", "" },
        { "json", "yes" },
        { "json", "" },
        { "eta", "2" },
    };
    Job j;
    job_init(&j);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = { 0 };
        if (job_set(&j, option(bad[i][0]), bad[i][1], &e) == 0) fail_msg("%s took \"%s\"", bad[i][0], bad[i][1]);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strchr(e.text, '"')); /* what was found */
        assert_null(strchr(e.text, '\n'));
    }
    job_release(&j);
}

static void defaults_and_copies(void **state)
{
    (void)state;
    Job a, b;
    Err e;
    job_init(&a);
    assert_int_equal(a.steps, 0);
    assert_true(a.cfg_scale < 0 && a.eta < 0);
    assert_false(a.has_seed);
    assert_null(a.sampler);
    assert_string_equal(a.prompt, "");
    assert_int_equal(a.count, 1);
    job_set(&a, option("prompt"), "a cat", &e);
    job_copy(&b, &a);
    job_set(&a, option("prompt"), "a dog", &e);
    assert_string_equal(b.prompt, "a cat");
    for (const Option *o = job_options; o->name; o++) {
        Str text = { 0 };
        bool open = !job_get(&b, o, &text);
        assert_true(open == (!o->dflt)); /* what has no default is open */
        str_release(&text);
    }
    job_release(&a);
    job_release(&b);
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "stesp", "steps" },   { "cfgscale", "cfg-scale" }, { "modle", "model" },
        { "hieght", "height" }, { "xyzzy", NULL },           { "", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Nearest n = nearest_to(cases[i][0]);
        for (const Option *o = job_options; o->name; o++) nearest_try(&n, o->name);
        if (cases[i][1]) assert_string_equal(n.best, cases[i][1]);
        else assert_null(n.best);
    }
    char longest[1000];
    memset(longest, 'a', sizeof longest);
    Nearest n = nearest_to_n(longest, sizeof longest);
    nearest_try(&n, "steps");
    assert_null(n.best);
}

/* Python: bytes.decode("utf-8", "replace") */
static void utf8_is_pythons(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "caf\xC3\xA9", "caf\xC3\xA9" },
        { "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD" },                                 /* overlong */
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },                 /* a surrogate */
        { "\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" }, /* above U+10FFFF */
        { "\xE6\xB0", "\xEF\xBF\xBD" },                                             /* cut off: one part */
        { "\xE6\xB0"
          "a",
          "\xEF\xBF\xBD"
          "a" },
        { "\xF0\x9F\x90\x88", "\xF0\x9F\x90\x88" },
        { "\x80", "\xEF\xBF\xBD" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str out = { 0 };
        bool valid = utf8_add(&out, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(str_text(&out), cases[i][1]);
        assert_true(valid == (strcmp(cases[i][0], cases[i][1]) == 0));
        str_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(aliases_are_clear),
        cmocka_unit_test(other_tools_options),
        cmocka_unit_test(other_tools_values),
        cmocka_unit_test(commands_name_options),
        cmocka_unit_test(good_values),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(defaults_and_copies),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(utf8_is_pythons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
