/*
 * test_sprites.c - the default model against diffusers at every stage: tests/golden/sprites/red-potion.safetensors, made from
 * the folder models/sprites. When that model changes, make it again: tests/golden/make.py sprites.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "nn/scan.h"
#include "pipeline/generate.h"
#include "tests/support.h"
#include "weights/component.h"

#define MODEL "models/sprites"

/* Relative L2 to float32 arithmetic in another order; see test_unet.c. */
static const double NETWORK_LIMIT = 5e-6; /* 3e-7 to 2e-6 measured; Winograd's transforms cost a digit of a rounding */
static const double LATENTS_LIMIT = 6e-6; /* 1.7e-6 measured after 20 steps with guidance of 4 */
static const double IMAGE_PSNR = 110;     /* dB, of -1..1; 120 measured */

static Fixture golden;

static int setup(void **state)
{
    (void)state;
    fixture_open(&golden, GOLDEN "/sprites/red-potion.safetensors");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&golden);
    return 0;
}

static double compare(Fixture *f, const char *name, const char *reference)
{
    size_t n, m;
    const float *a = fixture_f32(f, name, &n), *b = fixture_f32(&golden, reference, &m);
    assert_int_equal(n, m);
    return relative_l2(a, b, n);
}

static void compare_ids(Fixture *f, const char *name, const char *reference)
{
    size_t n, m;
    const int *a = fixture_ints(f, name, &n), *b = fixture_ints(&golden, reference, &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n * sizeof *a);
}

/* From the prompt to the picture, each stage fed by the one before. */
static void test_picture(void **state)
{
    (void)state;
    Err e = { 0 };
    Job j;
    char trace[] = "/tmp/limn-test-XXXXXX";
    close(mkstemp(trace));
    int s[4];
    size_t steps;
    fixture_shape(&golden, "image", s);
    fixture_ints(&golden, "timesteps", &steps);
    char count[16], width[16], height[16];
    snprintf(count, sizeof count, "%zu", steps);
    snprintf(width, sizeof width, "%d", s[3]);
    snprintf(height, sizeof height, "%d", s[2]);
    const char *const options[][2] = {
        { "prompt", fixture_metadata(&golden, "prompt") },
        { "seed", fixture_metadata(&golden, "seed") },
        { "sampler", "ddim" },
        { "schedule", "model" },
        { "steps", count },
        { "cfg-scale", "4" },
        { "width", width },
        { "height", height },
        { "trace", trace },
    };
    job_init(&j);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (job_set(&j, option_find(options[i][0], strlen(options[i][0])), options[i][1], &e)) fail_msg("%s", e.text);

    Model *m = model_open(&(ModelPaths){ .path = MODEL }, &e);
    if (!m) fail_msg("%s", e.text);
    Generator *g = generator_new(m, &j, NULL, NULL, &e);
    Picture p;
    if (!g || generator_run(g, &(Request){ .seed = j.seed }, 1, &p, &e)) fail_msg("%s", e.text);

    Fixture f;
    fixture_open(&f, "%s", trace);
    compare_ids(&f, "tokens", "prompt_ids");
    compare_ids(&f, "negative_tokens", "negative_ids");
    assert_error(compare(&f, "noise", "latents_init"), 0, "noise");
    assert_error(compare(&f, "prompt_embeds", "text_embeds_cond"), NETWORK_LIMIT, "prompt_embeds");
    assert_error(compare(&f, "negative_prompt_embeds", "text_embeds_uncond"), NETWORK_LIMIT, "negative_prompt_embeds");
    size_t all, n;
    const float *expected_latents = fixture_f32(&golden, "latents_per_step", &all);
    for (size_t k = 0; k < steps; k++) {
        char name[32];
        snprintf(name, sizeof name, "latents.%zu", k);
        const float *x = fixture_f32(&f, name, &n);
        assert_int_equal(steps * n, all);
        assert_error(relative_l2(x, expected_latents + k * n, n), LATENTS_LIMIT, "%s", name);
    }
    assert_error(compare(&f, "latents", "latents_final"), LATENTS_LIMIT, "latents");
    const float *pixels = fixture_f32(&f, "image", &n), *expected = fixture_f32(&golden, "image", &all);
    assert_int_equal(n, all);
    assert_error(-psnr(pixels, expected, n, 2), -IMAGE_PSNR, "image, -dB");
    assert_int_equal(p.image.w, s[3]);

    fixture_close(&f);
    unlink(trace);
    picture_release(&p);
    generator_free(g);
    model_free(m);
    job_release(&j);
}

typedef struct {
    UNet *unet;
    const char *context;
} UNetCall;

static Tensor first_step(Nn *nn, void *ctx)
{
    const UNetCall *c = ctx;
    Tensor x = fixture_nchw(&golden, "latents_init", nn->arena);
    UNetInputs in = { .context = fixture_tokens(&golden, c->context, nn->arena) };
    return unet_forward(nn, c->unet, x, (float)fixture_ints(&golden, "timesteps", NULL)[0], &in);
}

/* The UNet alone, fed the reference's own embeddings. */
static void test_unet(void **state)
{
    (void)state;
    Err e = { 0 };
    Fixture weights;
    fixture_open(&weights, MODEL "/unet/diffusion_pytorch_model.safetensors");
    Config *config = config_open(MODEL "/unet/config.json");
    UNetCall c = { .unet = unet_new(config, weights.w, &e) };
    config_free(config);
    if (!c.unet) fail_msg("%s", e.text);
    const char *const cases[][2] = { { "text_embeds_cond", "unet_out_step0_cond" },
                                     { "text_embeds_uncond", "unet_out_step0_uncond" } };
    for (int i = 0; i < 2; i++) {
        Arena a;
        c.context = cases[i][0];
        Tensor y = run_measured(first_step, &c, 2, &a);
        assert_error(relative_l2_nchw(y, &golden, cases[i][1]), NETWORK_LIMIT, "%s", cases[i][1]);
        arena_release(&a);
    }
    unet_free(c.unet);
    fixture_close(&weights);
}

static Tensor encode_clamped(Nn *nn, void *ctx)
{
    Tensor image = fixture_nchw(&golden, "image", nn->arena);
    for (size_t i = 0; image.data && i < tensor_len(image); i++) image.data[i] = fminf(fmaxf(image.data[i], -1), 1);
    return vae_encode(nn, ctx, image);
}

/* The finished picture, back through the encoder. */
static void test_encode(void **state)
{
    (void)state;
    Err e = { 0 };
    Fixture weights;
    fixture_open(&weights, MODEL "/vae/diffusion_pytorch_model.safetensors");
    Config *config = config_open(MODEL "/vae/config.json");
    Vae *vae = vae_new(config, weights.w, true, &e);
    config_free(config);
    if (!vae) fail_msg("%s", e.text);

    Arena a;
    Tensor y = run_measured(encode_clamped, vae, 2, &a);
    size_t n;
    const float *mean = fixture_f32(&golden, "vae_encode_mean_of_clamped_image", &n),
                *logvar = fixture_f32(&golden, "vae_encode_logvar", NULL);
    float *expected = malloc(2 * n * sizeof *expected), *found = malloc(2 * n * sizeof *found);
    memcpy(expected, mean, n * sizeof *mean);
    memcpy(expected + n, logvar, n * sizeof *logvar);
    assert_int_equal(tensor_len(y), 2 * n);
    tensor_to_nchw(found, y);
    assert_error(relative_l2(found, expected, n), NETWORK_LIMIT, "mean");
    assert_error(relative_l2(found + n, logvar, n), NETWORK_LIMIT, "logvar");
    free(expected);
    free(found);
    arena_release(&a);
    vae_free(vae);
    fixture_close(&weights);
}

/* The program takes it for granted of what it carries itself. */
static void test_all_numbers_are_finite(void **state)
{
    (void)state;
    static const char *const parts[] = { "text_encoder", "unet", "vae" };
    for (const char *const *name = source_builtin_names(); *name; name++) {
        Err e = { 0 };
        Source *s = source_open_builtin(*name, &e);
        for (int k = 0; k < 3; k++) {
            Weights *w = weights_new();
            Str file = { 0 };
            assert_false(component_find(s, parts[k], &file, &e) || component_read(s, file.s, w, &e));
            assert_true(weights_check_deferred(w));
            for (size_t i = 0; i < weights_count(w); i++)
                if (scan_knows(weights_at(w, i)->dtype)) assert_int_equal(scan_weight(weights_at(w, i), false, &e), 0);
            weights_free(w);
            str_release(&file);
        }
        source_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_picture), cmocka_unit_test(test_unet),
                                        cmocka_unit_test(test_encode), cmocka_unit_test(test_all_numbers_are_finite) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
