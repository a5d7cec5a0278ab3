/*
 * test_tile.c - seamless pictures. What is tiled has no ends, so turning the noise round along a tiled axis must turn the picture
 * round and change nothing else: layer by layer, for the VAE whole and in tiles, and for whole runs.
 */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "pipeline/generate.h"
#include "scheduler/rng.h"
#include "vae/vae.h"

enum {
    SIDE = 128,
    DX = 8,
    DY = 8
}; /* pixels of a whole run; latents to turn by: what the default model's levels halve evenly */

/* x turned by dx and dy: what was at 0, 0 is at dy, dx. */
static void turn(float *out, const float *in, Tensor shape, int dy, int dx)
{
    for (int y = 0; y < shape.h; y++)
        for (int x = 0; x < shape.w; x++) {
            size_t to = (size_t)(((y + dy) % shape.h) * shape.w + (x + dx) % shape.w) * (size_t)shape.c;
            memcpy(out + to, in + (size_t)(y * shape.w + x) * (size_t)shape.c, (size_t)shape.c * sizeof *out);
        }
}

/* ---- the VAE ---- */

typedef struct {
    Vae *vae;
    Tensor z;
    bool x, y;
    int tile;
} Decoding;

static Tensor decode(Nn *nn, void *ctx)
{
    Decoding *d = ctx;
    nn->wrap_x = d->x;
    nn->wrap_y = d->y;
    Tensor image = d->tile ? vae_decode_tiled(nn, d->vae, d->z, d->tile) : vae_decode(nn, d->vae, d->z);
    assert_true(nn->wrap_x == d->x && nn->wrap_y == d->y);
    return image;
}

static Vae *vae_open(Fixture *f, const char *dir)
{
    Err e = { 0 };
    fixture_open(f, "%s/diffusion_pytorch_model.safetensors", dir);
    Config *config = config_open("%s/config.json", dir);
    Vae *v = vae_new(config, f->w, false, &e);
    config_free(config);
    if (!v) fail_msg("%s: %s", dir, e.text);
    return v;
}

static Tensor noise(Arena *a, int h, int w, int c)
{
    Tensor z = tensor_new(a, 1, h, w, c);
    Rng r;
    rng_init(&r, RNG_TORCH, 3);
    rng_randn(&r, z.data, tensor_len(z));
    return z;
}

static void check_vae(const char *dir, int h, int w)
{
    Fixture f;
    Arena a, one, two;
    Err e = { 0 };
    Decoding d = { .vae = vae_open(&f, dir) };
    assert_int_equal(arena_init(&a, 1U << 20, &e), 0);
    int factor = vae_factor(d.vae);
    Tensor z = noise(&a, h, w, vae_latent_channels(d.vae)), turned = tensor_like(&a, z);
    for (int axes = 1; axes < 4; axes++) {
        d.x = axes & 1;
        d.y = axes & 2;
        int dx = d.x ? 5 : 0, dy = d.y ? 3 : 0;
        d.z = z;
        d.tile = 0;
        Tensor whole = run_measured(decode, &d, 2, &one);
        float *want = mem_array(tensor_len(whole), sizeof *want);
        turn(want, whole.data, whole, dy * factor, dx * factor);

        turn(turned.data, z.data, z, dy, dx);
        d.z = turned;
        Tensor got = run_measured(decode, &d, 2, &two);
        assert_error(relative_l2(got.data, want, tensor_len(got)), 2e-5, "%s, axes %d", dir, axes);
        arena_release(&two);

        d.tile = vae_min_tile(d.vae);
        got = run_measured(decode, &d, 2, &two);
        double db = psnr(got.data, want, tensor_len(got), 2);
        if (!(db >= 50)) fail_msg("%s, axes %d, in tiles: %.1f dB to the whole", dir, axes, db);
        arena_release(&two);

        d.x = d.y = false; /* the test can fail: with zeros beyond the ends it does */
        d.tile = 0;
        got = run_measured(decode, &d, 2, &two);
        assert_true(relative_l2(got.data, want, tensor_len(got)) > 1e-2);
        arena_release(&two);
        arena_release(&one);
        free(want);
    }
    arena_release(&a);
    vae_free(d.vae);
    fixture_close(&f);
}

static void decoding_turns_with_the_latent(void **state)
{
    (void)state;
    check_vae(GOLDEN "/vae/sd", 21, 26);
    check_vae(GOLDEN "/vae/three_levels", 19, 26);
}

/* ---- whole runs ---- */

static Model *model;

static int setup(void **state)
{
    (void)state;
    Err e;
    model = model_open(&(ModelPaths){ .path = "sprites" }, &e);
    return model ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    model_free(model);
    return 0;
}

/* A file of --latents. */
static void write_latents(const char *path, const float *hwc, Tensor shape)
{
    char header[256];
    size_t n = tensor_len(shape);
    float *nchw = mem_array(n, sizeof *nchw);
    int len = snprintf(header, sizeof header,
                       "{\"noise\":{\"dtype\":\"F32\",\"shape\":[1,%d,%d,%d],\"data_offsets\":[0,%zu]}}", shape.c,
                       shape.h, shape.w, n * sizeof(float));
    for (int c = 0; c < shape.c; c++)
        for (int p = 0; p < shape.h * shape.w; p++) nchw[c * shape.h * shape.w + p] = hwc[p * shape.c + c];
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    uint64_t size = (uint64_t)len;
    fwrite(&size, 8, 1, f);
    fwrite(header, 1, (size_t)len, f);
    fwrite(nchw, sizeof *nchw, n, f);
    assert_int_equal(fclose(f), 0);
    free(nchw);
}

static void job_with(Job *j, const char *const *options)
{
    Err e = { 0 };
    job_init(j);
    for (; *options; options += 2)
        if (job_set(j, option_find(options[0], strlen(options[0])), options[1], &e))
            fail_msg("%s: %s", options[0], e.text);
}

static void run(const char *latents, const char *tile, const char *sampler, Picture *out)
{
    Err e = { 0 };
    Job j;
    job_with(&j, (const char *const[]){ "prompt", "a red potion", "width", "128", "height", "128", "steps", "4",
                                        "sampler", sampler, "latents", latents, "seed", "1", NULL });
    if (tile) job_set(&j, option_find("tile", 4), tile, &e);
    Generator *g = generator_new(model, &j, &(Share){ .latents = true }, NULL, &e);
    if (!g) fail_msg("%s", e.text);
    if (generator_run(g, &(Request){ .seed = 1 }, 1, out, &e)) fail_msg("%s", e.text);
    generator_free(g);
    job_release(&j);
}

static double far_off(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t off = 0;
    for (size_t i = 0; i < n; i++) off += abs(a[i] - b[i]) > 1;
    return (double)off / (double)n;
}

static void check_run(const char *tile, const char *sampler)
{
    char path[] = "/tmp/limn-tile-XXXXXX";
    Arena a;
    Err e;
    close(mkstemp(path));
    assert_int_equal(arena_init(&a, 1U << 18, &e), 0);
    int c = vae_latent_channels(model->vae), factor = vae_factor(model->vae), w = SIDE / factor, h = w;
    Tensor z = noise(&a, h, w, c), turned = tensor_like(&a, z);
    int dx = *tile == 'y' ? 0 : DX, dy = *tile == 'x' ? 0 : DY;
    turn(turned.data, z.data, z, dy, dx);

    Picture first, second, without;
    write_latents(path, z.data, z);
    run(path, tile, sampler, &first);
    run(path, NULL, sampler, &without);
    write_latents(path, turned.data, z);
    run(path, tile, sampler, &second);
    unlink(path);

    /* the network's rounding, which depends on where a pixel stands, grows from step to step */
    turn(turned.data, first.latent, z, dy, dx);
    assert_error(relative_l2(second.latent, turned.data, tensor_len(z)), 2e-3, "%s, %s: the latent", tile, sampler);
    assert_true(relative_l2(without.latent, first.latent, tensor_len(z)) > 0.05); /* tiling does something */

    size_t n = (size_t)first.image.w * (size_t)first.image.h * 3;
    uint8_t *want = mem_array(n, 1);
    for (int y = 0; y < first.image.h; y++)
        for (int x = 0; x < first.image.w; x++) {
            int to = (y + dy * factor) % first.image.h * first.image.w + (x + dx * factor) % first.image.w;
            memcpy(want + to * 3, first.image.rgb + (y * first.image.w + x) * 3, 3);
        }
    assert_error(far_off(second.image.rgb, want, n), 0.01, "%s, %s: values of the picture off by more than 1", tile,
                 sampler);
    free(want);
    picture_release(&first);
    picture_release(&second);
    picture_release(&without);
    arena_release(&a);
}

static void pictures_turn_with_the_noise(void **state)
{
    (void)state;
    check_run("x", "dpmpp_2m");
    check_run("y", "euler");
    check_run("both", "ddim");
}

/* How much neighbours differ across the seam, by how much they do inside, from one latent's pixels to the next's. */
static double seam(const Image *im, int factor, bool x)
{
    double across = 0, inside = 0;
    int size = x ? im->w : im->h, lines = x ? im->h : im->w;
    for (int l = 0; l < lines; l++)
        for (int i = 0; i < size; i++) {
            int next = (i + 1) % size, p = x ? l * im->w + i : i * im->w + l,
                q = x ? l * im->w + next : next * im->w + l;
            double d = 0;
            for (int c = 0; c < 3; c++) d += abs(im->rgb[p * 3 + c] - im->rgb[q * 3 + c]);
            if (!next) across += d;
            else if (next % factor == 0) inside += d / (size / factor - 1);
        }
    return across / inside;
}

/*
 * Patterns that fill the picture, drawn by the VAE from noise: the step across the seam is like any other. (The default model's
 * own pictures have a plain border, where no seam would show.)
 */
static void the_seam_is_like_the_inside(void **state)
{
    (void)state;
    double with = 0, without = 0;
    int factor = vae_factor(model->vae);
    enum { PICTURES = 8 };
    Arena a, one;
    Err e;
    assert_int_equal(arena_init(&a, 1U << 20, &e), 0);
    for (int i = 0; i < PICTURES; i++) {
        Rng r;
        Decoding d = { .vae = model->vae, .z = tensor_new(&a, 1, 12, 12, vae_latent_channels(model->vae)) };
        rng_init(&r, RNG_TORCH, (uint64_t)i);
        rng_randn(&r, d.z.data, tensor_len(d.z));
        for (int wrap = 0; wrap < 2; wrap++) {
            Image im;
            d.x = d.y = wrap;
            image_from_tensor(&im, run_measured(decode, &d, 2, &one));
            *(wrap ? &with : &without) += (seam(&im, factor, true) + seam(&im, factor, false)) / (2 * PICTURES);
            image_release(&im);
            arena_release(&one);
        }
    }
    arena_release(&a);
    if (!(with > 0.75 && with < 1.25)) fail_msg("the seam of a tiled picture is %.2f times the inside's steps", with);
    if (!(without > 1.5))
        fail_msg("without tiling the seam is %.2f times the inside's steps: this test sees nothing", without);
}

static void sides_that_do_not_halve_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *width, *height, *tile, *says; /* says NULL: drawn */
    } cases[] = {
        { "40", "64", "x", "width 40" },
        { "40", "64", "both", "width 40" },
        { "64", "48", "y", "multiples of 64, such as 64" },
        { "40", "64", "y", NULL },
        { "64", "48", "x", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = { 0 };
        Job j;
        job_with(&j, (const char *const[]){ "width", cases[i].width, "height", cases[i].height, "tile", cases[i].tile,
                                            NULL });
        Generator *g = generator_new(model, &j, NULL, NULL, &e);
        if (cases[i].says) {
            assert_null(g);
            assert_int_equal(e.code, ERR_USAGE);
            if (!strstr(e.text, cases[i].says)) fail_msg("%s", e.text);
        } else {
            assert_non_null(g);
        }
        generator_free(g);
        job_release(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_turns_with_the_latent),
        cmocka_unit_test(pictures_turn_with_the_noise),
        cmocka_unit_test(the_seam_is_like_the_inside),
        cmocka_unit_test(sides_that_do_not_halve_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
