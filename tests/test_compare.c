/* test_compare.c - lists, grids, what a run leaves behind, and the converged picture: that another solver comes to the same. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "compare/grid.h"
#include "compare/reference.h"
#include "compare/store.h"
#include "image/measure.h"
#include "scheduler/samplers.h"
#include "tests/support.h"

/* ---- lists ---- */

static void check_list(const char *text, const char *const *expected)
{
    List l;
    Err e = { 0 };
    if (list_split(&l, text, &e)) fail_msg("%s: %s", text, e.text);
    int i = 0;
    for (; expected[i]; i++) {
        assert_true(i < l.count);
        assert_string_equal(l.items[i], expected[i]);
    }
    assert_int_equal(i, l.count);
    list_release(&l);
}

static void test_lists(void **state)
{
    (void)state;
    check_list("a", (const char *[]){ "a", NULL });
    check_list(" a b , c,d ", (const char *[]){ "a b", "c", "d", NULL });
    check_list("\"a, b\",c", (const char *[]){ "a, b", "c", NULL });
    check_list("\"say \"\"hi\"\"\" , \"\"", (const char *[]){ "say \"hi\"", "", NULL });
    check_list("it's 5\" wide,x", (const char *[]){ "it's 5\" wide", "x", NULL });
    const char *const bad[] = { "", ",", "a,", "a,,b", ",a", "\"a", "\"a\"b", "\"a\" b,c" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        List l;
        Err e = { 0 };
        if (!list_split(&l, bad[i], &e)) fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(e.code, ERR_USAGE);
        assert_null(l.items); /* nothing is left to release */
    }
}

static void check_counts(const char *text, const char *const *expected)
{
    List l;
    Err e = { 0 };
    if (list_split_counts(&l, text, &e)) fail_msg("%s: %s", text, e.text);
    int i = 0;
    for (; expected[i]; i++) {
        assert_true(i < l.count);
        assert_string_equal(l.items[i], expected[i]);
    }
    assert_int_equal(i, l.count);
    list_release(&l);
}

static void test_counts(void **state)
{
    (void)state;
    check_counts("5", (const char *[]){ "5", NULL });
    check_counts("5-8", (const char *[]){ "5", "6", "7", "8", NULL });
    check_counts("5-20:5,30, 40-41", (const char *[]){ "5", "10", "15", "20", "30", "40", "41", NULL });
    check_counts("7-7,1-9:20", (const char *[]){ "7", "1", NULL });
    check_counts("-1,x-y,1-,3-4:,9223372036854775806-9223372036854775807:9",
                 (const char *[]){ "-1", "x-y", "1-", "3-4:", "9223372036854775806", NULL }); /* for others to refuse */
    const char *const bad[] = { "", "1,,2", "8-5", "5-8:0", "1-5000", "1-600,1-600", "1-99999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        List l;
        Err e = { 0 };
        if (!list_split_counts(&l, bad[i], &e)) fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(e.code, ERR_USAGE);
        assert_null(l.items); /* nothing is left to release */
    }
}

/* ---- grids ---- */

/* Options and values in turn, ended by NULL. */
static int make_grid(Grid *g, Job *j, const char *const *options, Err *e)
{
    job_init(j);
    for (; *options; options += 2) {
        const Option *o = option_find(options[0], strlen(options[0]));
        if (!o) fail_msg("no option %s", options[0]);
        if (job_set(j, o, options[1], e)) return -1;
    }
    return grid_init(g, j, e);
}

static void test_grids(void **state)
{
    Grid g = { 0 };
    Job j, cell;
    Err e = { 0 };
    (void)state;
    assert_int_equal(make_grid(&g, &j,
                               (const char *[]){ "samplers", "euler, DPM++ 2M", "schedules", "karras,normal",
                                                 "step_counts", "5,10", NULL },
                               &e),
                     0);
    assert_int_equal(g.row_count, 4);
    assert_int_equal(g.column_count, 2);
    assert_true(g.converged);
    assert_string_equal(g.rows[2].label, "DPM++ 2M\nkarras");
    grid_job(&g, &j, 3, 1, &cell);
    assert_string_equal(cell.sampler, "DPM++ 2M");
    assert_string_equal(cell.schedule, "normal");
    assert_int_equal(cell.steps, 10);
    job_release(&cell);
    job_release(&j);
    grid_release(&g);

    assert_int_equal(make_grid(&g, &j,
                               (const char *[]){ "axis", "cfg-scale=1,2,3", "axis", "width=64,128", "against",
                                                 "width=128,cfg-scale=2", NULL },
                               &e),
                     0);
    assert_int_equal(g.row_count, 2);
    assert_int_equal(g.column_count, 3);
    assert_false(g.converged);
    assert_int_equal(g.against[0], 1);
    assert_int_equal(g.against[1], 1);
    grid_job(&g, &j, 1, 2, &cell);
    assert_int_equal(cell.width, 128);
    assert_true(cell.cfg_scale == 3);
    job_release(&cell);
    job_release(&j);
    grid_release(&g);

    assert_int_equal(make_grid(&g, &j, (const char *[]){ "axis", "seed=1,2", "axis", "sampler=euler", NULL }, &e), 0);
    assert_true(g.converged); /* they solve the same equation */
    job_release(&j);
    grid_release(&g);

    assert_int_equal(make_grid(&g, &j,
                               (const char *[]){ "axis", "steps=1,2,3", "seeds", "100", "axis",
                                                 "seed=1,2,3,4,5,6,7,8,9,10,11,12,13,14", NULL },
                               &e),
                     -1);
    assert_non_null(strstr(e.text, "4200 cells"));
    job_release(&j);
    grid_release(&g);
}

/* What is measured against what, and which axes are cases that a verdict must hold for. */
static void test_references_of_axes(void **state)
{
    static const struct {
        const char *axes[2];
        bool converged, case_rows, case_columns;
    } rows[] = {
        { { "steps=1,2", "sampler=euler,heun" }, true, false, false },
        { { "prompt=a,b", "sampler=euler,heun" }, true, false, true },
        { { "steps=1,2", "prompt=a,b" }, true, true, false },
        { { "seed=1,2", "steps=1,2" }, true, false, true },
        { { "cfg-scale=3,5", "steps=1,2" }, false, false, true },
        { { "prompt=a,b", "cfg-scale=3,5" }, false, true, true },
        { { "prompt=a,b", NULL }, false, false, true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *options[] = { "axis", rows[i].axes[0], rows[i].axes[1] ? "axis" : NULL, rows[i].axes[1], NULL };
        Grid g;
        Job j;
        Err e = { 0 };
        assert_int_equal(make_grid(&g, &j, options, &e), 0);
        if (g.converged != rows[i].converged || g.case_rows != rows[i].case_rows ||
            g.case_columns != rows[i].case_columns)
            fail_msg("axes %s, %s", rows[i].axes[0], rows[i].axes[1] ? rows[i].axes[1] : "none");
        job_release(&j);
        grid_release(&g);
    }
}

/* The model's default is a place of its own, in an order that a person reads. */
static void test_default_place(void **state)
{
    Grid g;
    Job j, dflt;
    Err e = { 0 };
    (void)state;
    job_init(&dflt);
    dflt.sampler = mem_strdup("dpmpp_2m");
    dflt.schedule = mem_strdup("trailing");
    dflt.steps = 12;
    for (int known = 0; known < 2; known++) {
        assert_int_equal(
            make_grid(&g, &j, (const char *[]){ "samplers", "euler,heun", "step_counts", "5-20:5", NULL }, &e), 0);
        grid_add_default(&g, &dflt, known ? 1 : -1, -1);
        assert_int_equal(g.row_count, known ? 2 : 3);
        assert_int_equal(g.column_count, 5);
        assert_string_equal(g.columns[2].label, "12 steps");
        int there = 0;
        for (int row = 0; row < g.row_count; row++)
            for (int column = 0; column < 5; column++) there += grid_has(&g, row, column);
        assert_int_equal(there, 9);
        assert_true(grid_has(&g, g.row_count - 1, 2) && !grid_has(&g, 0, 2));
        job_release(&j);
        grid_release(&g);
    }
    job_release(&dflt);
}

/* A1111's older names bring their schedule. */
static void test_names_with_a_schedule(void **state)
{
    Grid g = { 0 };
    Job j, cell;
    Err e = { 0 };
    (void)state;
    assert_int_equal(
        make_grid(&g, &j, (const char *[]){ "samplers", "DPM++ 2M Karras,euler", "schedules", "normal,simple", NULL },
                  &e),
        0);
    assert_int_equal(g.row_count, 3);
    grid_job(&g, &j, 0, 0, &cell);
    assert_string_equal(cell.schedule, "karras");
    job_release(&cell);
    job_release(&j);
    grid_release(&g);
    assert_int_equal(make_grid(&g, &j, (const char *[]){ "axis", "sampler=DPM++ 2M Karras,euler", NULL }, &e), 0);
    grid_job(&g, &j, 0, 0, &cell);
    assert_string_equal(cell.schedule, "karras");
    job_release(&cell);
    job_release(&j);
    grid_release(&g);
}

/* ---- what a run leaves behind ---- */

static void test_store(void **state)
{
    char dir[] = "/tmp/limn-store-XXXXXX", key[STORE_KEY + 1], other[STORE_KEY + 1];
    float latent[6] = { 0.1F, -2, 3e-20F, 4, 5, 6 };
    Str file = { 0 }, path = { 0 };
    Drawn d = { .latent = latent, .len = 6, .cost = { 7, 1.0 / 3, 100.25, { 1, 2, 0.5, 1.0 / 7, 0.1, 24, 1 }, "" } },
          back;
    Err e = { 0 };
    (void)state;
    assert_non_null(mkdtemp(dir));
    Store s;
    assert_int_equal(store_open(&s, dir, &e), 0);
    store_close(&s);
    assert_int_equal(store_open(&s, dir, &e), 0);
    store_key(key, "what it is");
    store_key(other, "what it is not");
    assert_string_not_equal(key, other);
    store_file(&file, "../a/b: \"c\" .d\n", key);
    assert_true(str_starts(file.s, "cells/a-b-c-.d-"));
    image_init(&d.image, 3, 2);
    d.image.rgb[5] = 77;

    assert_false(store_read(&s, file.s, key, &back));
    assert_int_equal(store_write(&s, file.s, key, &d, &(PngTexts){ 0 }, &e), 0);
    assert_false(store_read(&s, file.s, other, &back)); /* somebody else's */
    assert_true(store_read(&s, file.s, key, &back));
    assert_memory_equal(back.latent, latent, sizeof latent);
    assert_memory_equal(back.image.rgb, d.image.rgb, 18);
    assert_int_equal(back.cost.evaluations, 7);
    assert_true(back.cost.seconds == d.cost.seconds && back.cost.peak_mb == d.cost.peak_mb);
    drawn_release(&back);

    /* a record that is cut anywhere is none */
    str_addf(&path, "%s/cells/latents/%.*ssafetensors", dir, (int)(file.len - strlen("cells/") - 3),
             file.s + strlen("cells/"));
    Bytes whole;
    assert_int_equal(file_map(&whole, path.s, &e), 0);
    unsigned char *copy = mem_alloc(whole.len);
    size_t len = whole.len;
    memcpy(copy, whole.data, len);
    file_unmap(&whole);
    for (size_t cut = 0; cut < len; cut += 7) {
        assert_int_equal(file_write(path.s, (Bytes){ copy, cut }, &e), 0);
        assert_false(store_read(&s, file.s, key, &back));
    }
    free(copy);
    store_close(&s);
    Str clean = { 0 };
    str_addf(&clean, "rm -r '%s'", dir);
    assert_int_equal(system(clean.s), 0);
    str_release(&clean);
    image_release(&d.image);
    str_release(&file);
    str_release(&path);
}

/* ---- the converged picture ---- */

static void test_starts(void **state)
{
    const Start a = { 14.6, 14.6 }, b = { 14.55, 14.55 }, c = { 14.6, sqrt(14.6 * 14.6 + 1) }, d = { 8.4, 8.4 };
    (void)state;
    assert_true(start_same(&a, &b));
    assert_false(start_same(&a, &c)); /* two tenths of a percent more noise is another picture */
    assert_false(start_same(&a, &d));
}

/* Heun, all in all another method, with many steps of other sigmas arrives at the same picture. */
static void test_reference(void **state)
{
    const char *const options[][2] = { { "prompt", "a red potion" }, { "width", "32" },          { "height", "32" },
                                       { "sampler", "euler" },       { "schedule", "trailing" }, { "steps", "3" } };
    Err e = { 0 };
    Job j;
    Start s;
    Drawn d;
    (void)state;
    Engine *engine = engine_new(NULL);
    job_init(&j);
    Model *m = engine_model(engine, &j, &e);
    if (!m) fail_msg("%s", e.text);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        assert_int_equal(job_set(&j, option_find(options[i][0], strlen(options[i][0])), options[i][1], &e), 0);
    Recipe r;
    if (recipe_make(&r, m, &j, NULL, &e)) fail_msg("%s", e.text);
    job_release(&j);
    job_copy(&j, &r.said);
    recipe_release(&r);
    assert_int_equal(start_of(&s, m, &j, &e), 0);
    assert_error(fabs(s.sigma / m->noise.sigmas[m->noise.timesteps - 1] - 1), 0.01, "the first sigma");
    if (reference_draw(engine, &j, &s, 1, &d, &e)) fail_msg("%s", e.text);
    assert_true(d.cost.change[CHANGE_CONVERGED] == 1);
    assert_true(d.cost.change[CHANGE_FLIP_WORST] <= CONVERGED_FLIP && d.cost.change[CHANGE_PSNR] > 45);
    assert_int_equal(d.len, latent_len(m, &j));

    enum { STEPS = 60 };
    double sigma[STEPS + 1];
    for (int i = 0; i < STEPS; i++) sigma[i] = s.sigma * pow(m->noise.sigmas[0] / s.sigma, (double)i / (STEPS - 1));
    sigma[STEPS] = 0;
    Timeline tl;
    Picture p;
    timeline_from(&tl, sigma, STEPS, s.scale, &m->noise);
    assert_int_equal(job_set(&j, option_find("sampler", 7), "heun", &e), 0);
    m = engine_model(engine, &j, &e);
    Generator *g = m ? engine_generator(engine, &j, &(Share){ .latents = true, .timeline = &tl }, &e) : NULL;
    if (!g || generator_run(g, &(Request){ .seed = 1 }, 1, &p, &e)) fail_msg("%s", e.text);
    double psnr_db = measure_psnr(&p.image, &d.image), rmse = measure_rmse(p.latent, d.latent, d.len);
    if (psnr_db < 45 || rmse > 0.02) fail_msg("heun gives another picture: %.1f dB, latent RMSE %.4f", psnr_db, rmse);
    generator_free(g);
    timeline_release(&tl);
    picture_release(&p);
    drawn_release(&d);
    job_release(&j);
    engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_lists),
                                        cmocka_unit_test(test_counts),
                                        cmocka_unit_test(test_references_of_axes),
                                        cmocka_unit_test(test_default_place),
                                        cmocka_unit_test(test_grids),
                                        cmocka_unit_test(test_names_with_a_schedule),
                                        cmocka_unit_test(test_store),
                                        cmocka_unit_test(test_starts),
                                        cmocka_unit_test(test_reference) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
