/* test_preview.c - the picture so far: SD's linear colours, and that a VAE gives what it gives in a run. */
#include <string.h>

#include "pipeline/preview.h"
#include "tests/support.h"

static Preview *open_preview(Model **m, const char *vae, const char *preview_vae, int h, int w)
{
    Err e = { 0 };
    const char *why;
    const Nn nn = { .k = kernels_select(&why), .threads = 2 };
    *m = model_open(&(ModelPaths){ .path = GOLDEN "/pipeline/sd1", .vae = vae }, &e);
    if (!*m) fail_msg("%s", e.text);
    Preview *p = preview_new(*m, preview_vae, &nn, h, w, &e);
    if (!p) fail_msg("%s", e.text);
    return p;
}

/* Latents 1 0 0 0 everywhere but one: (.3512, .2297, .3227) / 2 + .5, and beyond white. */
static void test_linear(void **state)
{
    (void)state;
    Model *m;
    Image im;
    Preview *p = open_preview(&m, NULL, NULL, 4, 6);
    float z[4 * 6 * 4] = { 0 };
    for (int i = 0; i < 4 * 6; i++) z[4 * i] = 1;
    z[0] = 100;
    preview_image(p, (Tensor){ z, 1, 4, 6, 4 }, &im);
    assert_int_equal(im.w, 48);
    assert_int_equal(im.h, 32);
    const uint8_t *last = im.rgb + 3 * (48 * 32 - 1);
    assert_int_equal(last[0], 172);
    assert_int_equal(last[1], 157);
    assert_int_equal(last[2], 169);
    assert_int_equal(im.rgb[0], 255);
    image_release(&im);
    preview_free(p);
    model_free(m);
}

/* The model's own tiny autoencoder, and the same given for previews. */
static void test_tiny(void **state)
{
    (void)state;
    Model *m;
    Image own, given;
    float z[6 * 8 * 4];
    for (int i = 0; i < 6 * 8 * 4; i++) z[i] = (float)(i % 17) / 8 - 1;
    Preview *p = open_preview(&m, GOLDEN "/tiny", NULL, 6, 8);
    preview_image(p, (Tensor){ z, 1, 6, 8, 4 }, &own);
    preview_free(p);
    model_free(m);
    p = open_preview(&m, NULL, GOLDEN "/tiny", 6, 8);
    preview_image(p, (Tensor){ z, 1, 6, 8, 4 }, &given);
    image_release(&given);
    preview_image(p, (Tensor){ z, 1, 6, 8, 4 }, &given); /* its memory serves again */
    preview_free(p);
    model_free(m);
    assert_int_equal(own.w, 64);
    assert_memory_equal(own.rgb, given.rgb, (size_t)(own.w * own.h * 3));
    image_release(&own);
    image_release(&given);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_linear), cmocka_unit_test(test_tiny) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
