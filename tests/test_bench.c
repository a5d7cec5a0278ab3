/* test_bench.c - networks made in memory: their size is the published one, their values are the same and stay in range. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/bench.h"
#include "pipeline/synthetic.h"
#include "unet/unet.h"
#include "vae/vae.h"
#include "weights/config.h"

/* The parameters of the released checkpoints; of the VAE the half that decodes. */
static const struct {
    const char *name;
    size_t unet, vae;
} released[] = {
    { "sd15", 859520964, 49490199 },
    { "sd21", 865910724, 49490199 },
    { "sdxl", 2567463684, 49490199 },
};

static Config *config(const char *text)
{
    Err e;
    Config *c = config_parse((Bytes){ (const unsigned char *)text, strlen(text) }, "config.json", &e);
    if (!c) fail_msg("%s", e.text);
    return c;
}

static void test_shapes_are_the_released_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof released / sizeof *released; i++) {
        const BenchShape *s = &bench_shapes[i];
        Err e;
        assert_string_equal(s->name, released[i].name);
        Synthetic *unet = synthetic_new(DT_F16, true, 1), *vae = synthetic_new(DT_F16, true, 1);
        Config *c = config(s->unet);
        UNet *u = unet_new(c, synthetic_weights(unet), &e);
        if (!u) fail_msg("%s: %s", s->name, e.text);
        config_free(c);
        c = config(s->vae);
        Vae *v = vae_new(c, synthetic_weights(vae), false, &e);
        if (!v) fail_msg("%s: %s", s->name, e.text);
        config_free(c);
        assert_int_equal(synthetic_bytes(unet), 2 * released[i].unet);
        assert_int_equal(synthetic_bytes(vae), 2 * released[i].vae);
        unet_free(u);
        vae_free(v);
        synthetic_free(unet);
        synthetic_free(vae);
    }
}

/* A tensor of that name and shape, as floats. */
static void make(Synthetic *s, float *out, const char *name, int ndim, const int64_t *shape)
{
    Weight want = { .name = (char *)(size_t)name, .ndim = ndim };
    Err e;
    memcpy(want.shape, shape, (size_t)ndim * sizeof *shape);
    const Weight *t = weights_make(synthetic_weights(s), &want, false, &e);
    if (!t) fail_msg("%s", e.text);
    if (weight_to_f32(t, out, &e)) fail_msg("%s", e.text);
}

static void test_values(void **state)
{
    (void)state;
    enum { OUT = 300, IN = 400 };
    static float a[OUT * IN], b[OUT * IN], norm[IN], bias[IN];
    Synthetic *one = synthetic_new(DT_F16, false, 1), *two = synthetic_new(DT_F16, false, 2);
    make(one, a, "to_q.weight", 2, (int64_t[]){ OUT, IN });
    make(two, b, "to_q.weight", 2, (int64_t[]){ OUT, IN });
    assert_memory_equal(a, b, sizeof a); /* whatever the threads */
    make(two, b, "to_k.weight", 2, (int64_t[]){ OUT, IN });
    double square = 0, product = 0;
    for (size_t i = 0; i < OUT * IN; i++) {
        square += (double)(a[i] * a[i]);
        product += (double)(a[i] * b[i]);
    }
    double variance = square / (OUT * IN) * IN; /* 1 up to the table's 4096 numbers */
    if (fabs(variance - 1) > 0.08) fail_msg("variance %g / fan_in", variance);
    if (fabs(product / square) > 0.02) fail_msg("two tensors are alike: correlation %g", product / square);

    double mean[2] = { 0, 0 };
    make(one, norm, "norm1.weight", 1, (int64_t[]){ IN });
    make(one, bias, "norm1.bias", 1, (int64_t[]){ IN });
    for (size_t i = 0; i < IN; i++) {
        mean[0] += (double)norm[i] / IN;
        mean[1] += (double)bias[i] / IN;
    }
    if (fabs(mean[0] - 1) > 0.03 || fabs(mean[1]) > 0.03) fail_msg("norms around %g, %g", mean[0], mean[1]);
    synthetic_free(one);
    synthetic_free(two);
}

/* The smallest run there is; its figures belong together. */
static void test_run(void **state)
{
    (void)state;
    const BenchJob job = { .shape = "sprites", .size = 32, .batch = 3, .threads = 1 };
    BenchResult r;
    Err e;
    if (bench_run(&job, &r, &e)) fail_msg("%s", e.text);
    const BenchPass *passes[] = { &r.step, &r.vae };
    for (int i = 0; i < 2; i++) {
        double layers = 0, flops = 0;
        for (size_t k = 0; k < passes[i]->profile.count; k++) {
            layers += passes[i]->profile.layers[k].seconds;
            flops += passes[i]->profile.layers[k].count * layer_flops(&passes[i]->profile.layers[k].shape);
        }
        assert_true(layers > 0 && layers <= passes[i]->seconds);
        assert_true(flops > 1e6 && flops == passes[i]->flops);
    }
    assert_true(r.peak.f32 > 0 && r.peak.sgemm > 0 && r.peak_bytes > 1 << 20);
    bench_release(&r);
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_refusals(void **state)
{
    (void)state;
    const Watch stop = { .cancelled = always };
    const BenchJob jobs[] = {
        { .shape = "sd16", .batch = 2, .threads = 1 },
        { .shape = "sprites", .size = 33, .batch = 2, .threads = 1 },
        { .shape = "sdxl", .size = 8192, .batch = 64, .threads = 1 }, /* terabytes */
        { .shape = "sprites", .size = 32, .batch = 2, .threads = 1, .watch = &stop },
    };
    const char *const words[] = { "sd16", "multiples of 8", "MB are free", "interrupted" };
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        BenchResult r;
        Err e;
        assert_int_equal(bench_run(&jobs[i], &r, &e), -1);
        if (!strstr(e.text, words[i])) fail_msg("\"%s\" expected in: %s", words[i], e.text);
        bench_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_are_the_released_ones),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
