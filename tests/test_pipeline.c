/*
 * test_pipeline.c - whole pictures against diffusers' pipelines: every .safetensors of tests/golden/pipeline and control/cases is
 * a case. Its metadata `job` holds limn's options, one a line (and _model, the folder next to it; _index, which picture of
 * the job; _limit, for the latents where they cannot be as exact as usual); its tensors have the names of limn's --trace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/controls.h"
#include "pipeline/generate.h"
#include "tests/support.h"

/*
 * Relative L2. The networks agree to 1e-6 an evaluation (test_unet.c); guidance of 5 and the steps carry that on: 3e-7 to
 * 3e-6 measured.
 */
static const double EMBEDS_LIMIT = 1e-6;
static const double LATENTS_LIMIT = 8e-6;
static const double IMAGE_PSNR = 110; /* dB, of -1..1; 126 and more measured */

/* Settings of a case other than the job. */
typedef struct {
    char model[256];
    uint64_t index;
    double limit;
} Case;

static void set_option(Job *j, const char *name, size_t len, const char *value)
{
    Err e = { 0 };
    const Option *o = option_find(name, len);
    if (!o) fail_msg("the job has an unknown option %.*s", (int)len, name);
    if (job_set(j, o, value, &e)) fail_msg("%.*s: %s", (int)len, name, e.text);
}

/* Sets the job's options; those of the test go to the case. */
static void read_job(Fixture *f, Job *j, Case *c)
{
    const char *text = fixture_metadata(f, "job");
    assert_non_null(text);
    *c = (Case){ .limit = LATENTS_LIMIT };
    while (*text) {
        size_t key = strcspn(text, "="), len = strcspn(text, "\n");
        char value[512];
        snprintf(value, sizeof value, "%.*s", (int)(len - key - 1), text + key + 1);
        if (str_starts(text, "_model=")) snprintf(c->model, sizeof c->model, "%.255s", value);
        else if (str_starts(text, "_index=")) c->index = strtoull(value, NULL, 10);
        else if (str_starts(text, "_limit=")) c->limit = strtod(value, NULL);
        else set_option(j, text, key, value);
        text += len + (text[len] == '\n');
    }
}

static void compare_ids(Fixture *ours, Fixture *theirs, const char *name)
{
    size_t n, m;
    const int *a = fixture_ints(ours, name, &n), *b = fixture_ints(theirs, name, &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n * sizeof *a);
}

static void compare(Fixture *ours, Fixture *theirs, const char *name, const char *what, double limit)
{
    size_t n, m;
    const float *a = fixture_f32(ours, name, &n), *b = fixture_f32(theirs, name, &m);
    assert_int_equal(n, m);
    if (strcmp(name, "image") == 0) assert_error(-psnr(a, b, n, 2), -IMAGE_PSNR, "%s image, -dB", what);
    else if (strcmp(name, "noise") == 0) assert_memory_equal(a, b, n * sizeof *a);
    else assert_error(relative_l2(a, b, n), strstr(name, "embeds") ? EMBEDS_LIMIT : limit, "%s %s", what, name);
}

static void check_case(const char *dir, const char *file)
{
    Fixture theirs, ours;
    Job j;
    Err e = { 0 };
    Case c;
    char path[512], trace[] = "/tmp/limn-test-XXXXXX";
    fixture_open(&theirs, GOLDEN "/%s/%s", dir, file);
    job_init(&j);
    read_job(&theirs, &j, &c);
    close(mkstemp(trace));
    set_option(&j, "trace", 5, trace);
    set_option(&j, "threads", 7, "1"); /* these networks are too small to share */

    snprintf(path, sizeof path, GOLDEN "/pipeline/%s", c.model);
    Model *m = model_open(&(ModelPaths){ .path = path, .encoder = j.init_image != NULL }, &e);
    if (!m || controls_use(m, &j, &e)) fail_msg("%s: %s", file, e.text);
    Generator *g = generator_new(m, &j, NULL, NULL, &e);
    Picture p = { 0 };
    if (!g || generator_run(g, &(Request){ .seed = j.seed + c.index }, 1, &p, &e)) fail_msg("%s: %s", file, e.text);
    assert_int_equal(p.image.w, j.width);
    assert_int_equal(p.image.h, j.height);

    fixture_open(&ours, "%s", trace);
    for (size_t i = 0; i < weights_count(theirs.w); i++) {
        const char *name = weights_at(theirs.w, i)->name;
        if (strstr(name, "tokens")) compare_ids(&ours, &theirs, name);
        else compare(&ours, &theirs, name, file, c.limit);
    }
    fixture_close(&ours);
    fixture_close(&theirs);
    unlink(trace);
    picture_release(&p);
    generator_free(g);
    model_free(m);
    job_release(&j);
}

static int check_folder(const char *dir)
{
    int found = 0;
    Str path = { 0 };
    str_addf(&path, GOLDEN "/%s", dir);
    char **files = files_in(path.s, ".safetensors");
    for (char **f = files; *f; f++, found++) check_case(dir, *f);
    names_free(files);
    str_release(&path);
    return found;
}

static void test_golden(void **state)
{
    (void)state;
    assert_true(check_folder("pipeline") >= 20);
    assert_true(check_folder("control/cases") >= 15);
    assert_true(check_folder("prompts") >= 8);
}

/* One step: Ctrl-C before it, and between it and the VAE. */
static bool cancelled_later(void *ctx)
{
    int *left = ctx;
    return (*left)-- == 0;
}

static void test_cancelled(void **state)
{
    (void)state;
    Err e = { 0 };
    Model *m = model_open(&(ModelPaths){ .path = "sprites" }, &e);
    assert_non_null(m);
    for (int calls = 0; calls < 3; calls++) {
        int left = calls;
        Job j;
        job_init(&j);
        set_option(&j, "width", 5, "32");
        set_option(&j, "height", 6, "32");
        set_option(&j, "steps", 5, "1");
        Generator *g = generator_new(m, &j, NULL, &(Watch){ .ctx = &left, .cancelled = cancelled_later }, &e);
        Picture p = { 0 };
        assert_non_null(g);
        assert_int_equal(generator_run(g, &(Request){ .seed = 1 }, 1, &p, &e), calls < 2 ? -1 : 0);
        if (calls < 2) assert_int_equal(e.code, ERR_INTERRUPTED);
        picture_release(&p);
        generator_free(g);
        job_release(&j);
    }
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_cancelled) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
