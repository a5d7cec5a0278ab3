/*
 * test_vae.c - the autoencoder against diffusers, both ways: every folder of tests/golden/vae, and
 * $LIMN_GOLDEN/models/vae_*.
 *
 * A folder holds config.json, the weights and io.safetensors: image -> enc_mean, enc_logvar; latent -> dec.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"
#include "scheduler/rng.h"
#include "vae/vae.h"

/* 3e-7 to 7.9e-6 measured, the same on every row: four levels of random weights amplify it. */
static const double LIMIT = 1e-5;

typedef struct {
    Fixture weights, io;
    Vae *vae;
    int tile; /* 0: whole */
} Case;

static void case_open(Case *c, const char *dir)
{
    Err e = { 0 };
    *c = (Case){ 0 };
    fixture_open(&c->weights, "%s/diffusion_pytorch_model.safetensors", dir);
    fixture_open(&c->io, "%s/io.safetensors", dir);
    Config *config = config_open("%s/config.json", dir);
    c->vae = vae_new(config, c->weights.w, true, &e);
    config_free(config);
    if (!c->vae) fail_msg("%s: %s", dir, e.text);
}

static void case_close(Case *c)
{
    vae_free(c->vae);
    fixture_close(&c->io);
    fixture_close(&c->weights);
}

static Tensor decode(Nn *nn, void *ctx)
{
    Case *c = ctx;
    Tensor z = fixture_nchw(&c->io, "latent", nn->arena);
    return c->tile ? vae_decode_tiled(nn, c->vae, z, c->tile) : vae_decode(nn, c->vae, z);
}

static Tensor encode(Nn *nn, void *ctx)
{
    Case *c = ctx;
    return vae_encode(nn, c->vae, fixture_nchw(&c->io, "image", nn->arena));
}

/* One half of the channels, [n, h, w, 2c] -> [n, h, w, c]. */
static Tensor half(Arena *a, Tensor moments, int which)
{
    int c = moments.c / 2;
    Tensor out = tensor_new(a, moments.n, moments.h, moments.w, c);
    for (size_t i = 0; i < tensor_rows(moments); i++)
        memcpy(out.data + i * (size_t)c, moments.data + i * (size_t)moments.c + which * c,
               (size_t)c * sizeof *out.data);
    return out;
}

static void check_folder(const char *dir)
{
    Case c;
    Arena a, rest;
    Err e = { 0 };
    case_open(&c, dir);

    Tensor image = run_measured(decode, &c, 2, &a);
    assert_error(relative_l2_nchw(image, &c.io, "dec"), LIMIT, "%s decode", dir);
    Arena one;
    Tensor same = run_measured(decode, &c, 1, &one);
    assert_memory_equal(image.data, same.data, tensor_len(image) * sizeof *image.data);
    arena_release(&one);
    arena_release(&a);

    Tensor moments = run_measured(encode, &c, 2, &a);
    assert_int_equal(arena_init(&rest, 2 * tensor_len(moments) * sizeof(float) + 256, &e), 0);
    assert_error(relative_l2_nchw(half(&rest, moments, 0), &c.io, "enc_mean"), LIMIT, "%s mean", dir);
    assert_error(relative_l2_nchw(half(&rest, moments, 1), &c.io, "enc_logvar"), LIMIT, "%s logvar", dir);
    arena_release(&rest);
    arena_release(&a);
    case_close(&c);
}

static void test_golden(void **state)
{
    (void)state;
    assert_true(each_folder(GOLDEN "/vae", "", check_folder) >= 4);
}

static void test_golden_outside(void **state)
{
    (void)state;
    const char *dir = getenv("LIMN_GOLDEN");
    if (!dir) skip();
    char models[1024];
    snprintf(models, sizeof models, "%s/models", dir);
    assert_true(each_folder(models, "vae_", check_folder) > 0);
}

/* mean + exp(logvar / 2) noise */
static void test_sample(void **state)
{
    (void)state;
    float moments[2 * 4] = { 1, 2, 0, logf(4), -1, 3, logf(9), -30 }; /* two pixels of mean, mean, logvar, logvar */
    float noise[4] = { 0.5f, 1, -2, 10 };
    float out[4];
    vae_sample((Tensor){ out, 1, 1, 2, 2 }, (Tensor){ moments, 1, 1, 2, 4 }, noise);
    const float expected[4] = { 1.5f, 2 + 2 * 1.0f, -1 + 3 * -2.0f, 3 };
    assert_error(relative_l2(out, expected, 4), 1e-6, "sample");
}

/* Decodes a given latent, whole or in tiles. */
typedef struct {
    const Vae *vae;
    Tensor z;
    int tile;
} Tiling;

static Tensor decode_tiling(Nn *nn, void *ctx)
{
    Tiling *t = ctx;
    return t->tile ? vae_decode_tiled(nn, t->vae, t->z, t->tile) : vae_decode(nn, t->vae, t->z);
}

/* A latent that differs from place to place, so that no tile has the statistics of the whole. */
static Tensor uneven_latent(Arena *a, int n, int h, int w, int c)
{
    Tensor z = tensor_new(a, n, h, w, c);
    Rng r;
    rng_init(&r, RNG_TORCH, 5);
    rng_randn(&r, z.data, tensor_len(z));
    for (size_t i = 0; i < tensor_len(z); i++) {
        size_t x = i / (size_t)c % (size_t)w, y = i / (size_t)(c * w) % (size_t)h;
        z.data[i] = z.data[i] * (x < (size_t)w / 3 ? 0.1f : 1) + (y > (size_t)h / 2 ? 0.7f : -0.4f);
    }
    return z;
}

/* Tiles against the whole: at least 50 dB, and the memory of a tile. */
static void check_tiles(const char *dir, int n, int h, int w)
{
    Case c;
    Arena a, whole, tiled;
    Err e = { 0 };
    case_open(&c, dir);
    assert_int_equal(arena_init(&a, 1u << 20, &e), 0);
    int least = vae_min_tile(c.vae);
    Tiling t = { .vae = c.vae, .z = uneven_latent(&a, n, h, w, vae_latent_channels(c.vae)) };
    Tensor want = run_measured(decode_tiling, &t, 2, &whole);
    for (t.tile = least; t.tile <= least + 3; t.tile += 3) {
        Tensor got = run_measured(decode_tiling, &t, 2, &tiled);
        double db = psnr(got.data, want.data, tensor_len(want), 2);
        if (!(db >= 50)) fail_msg("%s in tiles of %d: %.1f dB to the whole", dir, t.tile, db);
        arena_release(&tiled);
    }
    arena_release(&whole);
    arena_release(&a);
    case_close(&c);
}

static void test_tiles(void **state)
{
    (void)state;
    check_tiles(GOLDEN "/vae/sd", 1, 21, 17);
    check_tiles(GOLDEN "/vae/three_levels", 2, 19, 26);
    check_tiles(GOLDEN "/vae/no_attention", 1, 5, 23);
}

/* ---- AutoencoderTiny ---- */

static void check_tiny(const char *dir)
{
    Case c;
    Arena a, b;
    case_open(&c, dir);
    assert_true(vae_is_tiny(c.vae) && !vae_draws(c.vae) && vae_scaling_factor(c.vae) == 1);
    Tensor whole = run_measured(decode, &c, 2, &a), tiled, z;
    assert_error(relative_l2_nchw(whole, &c.io, "decoded"), LIMIT, "%s decode", dir);
    z = run_measured(encode, &c, 1, &b);
    assert_int_equal(z.c, vae_latent_channels(c.vae));
    assert_error(relative_l2_nchw(z, &c.io, "encoded"), LIMIT, "%s encode", dir);
    arena_release(&b);
    c.tile = vae_min_tile(c.vae);
    tiled = run_measured(decode, &c, 2, &b); /* the golden is smaller than a tile */
    assert_error(relative_l2(tiled.data, whole.data, tensor_len(whole)), 1e-6, "%s one tile", dir);
    arena_release(&a);
    arena_release(&b);
    case_close(&c);
}

/* Larger than a tile: pixels see no farther than their tile's halo. */
static void test_tiny(void **state)
{
    (void)state;
    const char *outside = getenv("LIMN_GOLDEN");
    char dir[1024];
    Case c;
    Arena a, b, room;
    Err e;
    check_tiny(GOLDEN "/tiny");
    if (outside) {
        snprintf(dir, sizeof dir, "%s/small/taesd", outside);
        check_tiny(dir);
    }
    case_open(&c, GOLDEN "/tiny");
    assert_int_equal(arena_init(&room, 1 << 20, &e), 0);
    Tiling t = { c.vae, uneven_latent(&room, 2, 70, 61, 4), 0 };
    Tensor whole = run_measured(decode_tiling, &t, 2, &a);
    t.tile = vae_min_tile(c.vae);
    Tensor tiled = run_measured(decode_tiling, &t, 2, &b);
    assert_error(relative_l2(tiled.data, whole.data, tensor_len(whole)), 1e-6, "tiles");
    arena_release(&a);
    arena_release(&b);
    arena_release(&room);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_golden_outside),
                                        cmocka_unit_test(test_sample), cmocka_unit_test(test_tiles),
                                        cmocka_unit_test(test_tiny) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
