/*
 * test_unet.c - the denoiser against diffusers: every folder of tests/golden/unet, and $LIMN_GOLDEN/models/unet_*.
 *
 * A folder holds config.json, the weights and io.safetensors: sample, encoder_hidden_states, perhaps text_embeds,
 * time_ids and timestep_cond, and out_tT for some timesteps T.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"
#include "unet/unet.h"

/*
 * Relative L2 to diffusers in float32. Both sides round 50 to 200 layers differently (sums in another order, another
 * exp), each by about 1e-7: 5e-7 to 3e-6 measured. A wrong constant anywhere (tanh in GELU, an eps) shows as 1e-5 and more.
 */
static const double LIMIT = 7e-6;

typedef struct {
    Fixture weights, io;
    UNet *unet;
    float t;
    int first, count; /* which samples of the batch */
    bool ahead;       /* the context's keys and values are computed first */
} Case;

static void case_open(Case *c, const char *dir)
{
    Err e = { 0 };
    *c = (Case){ 0 };
    fixture_open(&c->weights, "%s/diffusion_pytorch_model.safetensors", dir);
    fixture_open(&c->io, "%s/io.safetensors", dir);
    Config *config = config_open("%s/config.json", dir);
    c->unet = unet_new(config, c->weights.w, &e);
    config_free(config);
    if (!c->unet) fail_msg("%s: %s", dir, e.text);
}

static void case_close(Case *c)
{
    unet_free(c->unet);
    fixture_close(&c->io);
    fixture_close(&c->weights);
}

/* Rows first.. of a [n, width] input; NULL where the fixture has none. */
static const float *rows(Case *c, const char *name)
{
    if (!fixture_has(&c->io, name)) return NULL;
    int s[4];
    fixture_shape(&c->io, name, s);
    return fixture_f32(&c->io, name, NULL) + c->first * s[3];
}

static Tensor forward(Nn *nn, void *ctx)
{
    Case *c = ctx;
    Tensor x = fixture_nchw(&c->io, "sample", nn->arena);
    Tensor context = fixture_tokens(&c->io, "encoder_hidden_states", nn->arena);
    int ids[4] = { 0 };
    const float *pooled = rows(c, "text_embeds");
    if (pooled) fixture_shape(&c->io, "time_ids", ids);
    int width = unet_added_width(c->unet) - ids[3] * unet_added_id_width(c->unet);
    UNetInputs in = { .context = tensor_slice(context, c->first, c->count),
                      .ids = rows(c, "time_ids"),
                      .id_count = ids[3],
                      .cond = rows(c, "timestep_cond") };
    if (pooled) in.pooled = (Tensor){ (float *)(size_t)pooled, c->count, 1, 1, width };
    if (c->ahead) {
        Tensor kv = tensor_new(nn->arena, context.n, context.h, 1, unet_context_columns(c->unet));
        unet_context(nn, c->unet, context, kv);
        in.kv = tensor_slice(kv, c->first, c->count); /* each sample's stand together */
        in.context = (Tensor){ .n = 0 };
    }
    size_t before = nn->arena->used;
    Tensor y = unet_forward(nn, c->unet, tensor_slice(x, c->first, c->count), c->t, &in);
    size_t kept = tensor_len(y) * sizeof *y.data;
    assert_in_range(nn->arena->used - before, kept, kept + 64); /* all temporaries were given back */
    return y;
}

static void check_outputs(Case *c, const char *dir)
{
    int outputs = 0;
    for (size_t i = 0; i < weights_count(c->io.w); i++) {
        const char *name = weights_at(c->io.w, i)->name;
        if (!str_starts(name, "out_t")) continue;
        Arena a;
        c->t = strtof(name + strlen("out_t"), NULL);
        Tensor y = run_measured(forward, c, 2, &a);
        assert_error(relative_l2_nchw(y, &c->io, name), LIMIT, "%s %s", dir, name);
        arena_release(&a);
        outputs++;
    }
    assert_true(outputs > 0);
}

/* Keys and values that were computed ahead give the same bits. */
static void check_context(Case *c)
{
    Arena plain, ahead;
    Tensor y = run_measured(forward, c, 2, &plain);
    c->ahead = true;
    Tensor z = run_measured(forward, c, 2, &ahead);
    c->ahead = false;
    assert_memory_equal(y.data, z.data, tensor_len(y) * sizeof *y.data);
    arena_release(&plain);
    arena_release(&ahead);
}

/* One sample of the batch alone gives what it gave in the batch, and one thread gives the same bits as two. */
static void check_batch_and_threads(Case *c, const char *dir)
{
    Arena both, one, alone;
    Tensor y = run_measured(forward, c, 2, &both);
    Tensor y1 = run_measured(forward, c, 1, &one);
    assert_memory_equal(y.data, y1.data, tensor_len(y) * sizeof *y.data);
    c->first = 1, c->count = 1;
    Tensor second = run_measured(forward, c, 2, &alone);
    assert_error(relative_l2(second.data, tensor_slice(y, 1, 1).data, tensor_len(second)), LIMIT, "%s alone", dir);
    check_context(c);
    c->first = 0;
    arena_release(&both);
    arena_release(&one);
    arena_release(&alone);
}

static void check_folder(const char *dir)
{
    Case c;
    case_open(&c, dir);
    int s[4];
    fixture_shape(&c.io, "sample", s);
    assert_int_equal(unet_in_channels(c.unet), s[1]);
    c.count = s[0];
    check_outputs(&c, dir);
    check_context(&c);
    if (s[0] > 1) check_batch_and_threads(&c, dir);
    case_close(&c);
}

static void test_golden(void **state)
{
    (void)state;
    assert_true(each_folder(GOLDEN "/unet", "", check_folder) >= 10);
}

static void test_golden_outside(void **state)
{
    (void)state;
    const char *dir = getenv("LIMN_GOLDEN");
    if (!dir) skip();
    char models[1024];
    snprintf(models, sizeof models, "%s/models", dir);
    assert_true(each_folder(models, "unet_", check_folder) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_golden_outside) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
