/*
 * test_outside.c - numbers that diffusers' own tests publish for layers and blocks: tests/models/test_layers_utils.py and
 * tests/models/unets/test_unet_2d_blocks.py (Apache 2.0). Nobody here made them, so an error that limn and our golden script
 * shared would show.
 *
 * Weights and inputs are those of torch.manual_seed(0): modules draw kaiming_uniform(a = sqrt 5), that is uniform within
 * 1/sqrt(fan_in), from the one global generator in the order in which they are made. A test shows out[0, -1, -3:, -3:].
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/bind.h"
#include "nn/resblock.h"
#include "scheduler/rng.h"
#include "tests/support.h"
#include "unet/transformer.h"

enum { GROUPS = 32, MAX_BLOCKS = 128 };
static const float EPS = 1e-6f; /* the blocks' default there */

/* torch's global generator, the parameters drawn from it, and where limn runs. */
typedef struct {
    Rng rng;
    Weights *w;
    float *data[MAX_BLOCKS];
    size_t count;
    Binder b;
    Err e;
    Arena arena;
    Nn nn;
} Torch;

static void torch_seed(Torch *t, uint64_t seed) { rng_init(&t->rng, RNG_TORCH, seed); }

static void torch_init(Torch *t)
{
    *t = (Torch){ .w = weights_new() };
    torch_seed(t, 0);
    if (arena_init(&t->arena, (size_t)512 << 20, &t->e)) fail_msg("%s", t->e.text);
    const char *why = NULL;
    t->nn = (Nn){ .arena = &t->arena, .k = kernels_select(&why), .threads = 2 };
    binder_init(&t->b, t->w, &t->e);
}

static void torch_release(Torch *t)
{
    binder_release(&t->b);
    arena_release(&t->arena);
    for (size_t i = 0; i < t->count; i++) free(t->data[i]);
    weights_free(t->w);
}

/* ---- parameters as torch draws them ---------------------------------------------------------------------------------- */

/* name + part: uniform in -bound .. bound, or with bound 0 all of one value. */
static void add(Torch *t, const char *name, const char *part, double bound, float value, int ndim, const int64_t *shape)
{
    char full[256];
    snprintf(full, sizeof full, "%s.%s", name, part);
    Weight w = { .name = full, .dtype = DT_F32, .ndim = ndim };
    memcpy(w.shape, shape, (size_t)ndim * sizeof *shape);
    size_t n = weight_count(&w);
    float *x = mem_array(n, sizeof *x);
    assert_in_range(t->count, 0, MAX_BLOCKS - 1);
    t->data[t->count++] = x;
    if (bound > 0) rng_rand(&t->rng, x, n);
    for (size_t i = 0; i < n; i++) x[i] = bound > 0 ? (float)(x[i] * (2 * bound) - bound) : value;
    w.data = (const unsigned char *)x;
    w.bytes = n * sizeof *x;
    if (weights_add(t->w, full, &w, &t->e)) fail_msg("%s", t->e.text);
}

static void draw_conv(Torch *t, const char *name, int in, int out, int k)
{
    double bound = 1 / sqrt((double)(in * k * k));
    add(t, name, "weight", bound, 0, 4, (int64_t[]){ out, in, k, k });
    add(t, name, "bias", bound, 0, 1, (int64_t[]){ out });
}

static void draw_linear(Torch *t, const char *name, int in, int out, bool bias)
{
    add(t, name, "weight", 1 / sqrt((double)in), 0, 2, (int64_t[]){ out, in });
    if (bias) add(t, name, "bias", 1 / sqrt((double)in), 0, 1, (int64_t[]){ out });
}

static void draw_norm(Torch *t, const char *name, int c)
{
    add(t, name, "weight", 0, 1, 1, (int64_t[]){ c });
    add(t, name, "bias", 0, 0, 1, (int64_t[]){ c });
}

static const char *under(char buf[256], const char *prefix, const char *name)
{
    assert_in_range(snprintf(buf, 256, "%s%s%s", prefix, *prefix ? "." : "", name), 1, 255);
    return buf;
}

static void draw_resnet(Torch *t, const char *prefix, int in, int out, int temb)
{
    char n[256];
    draw_norm(t, under(n, prefix, "norm1"), in);
    draw_conv(t, under(n, prefix, "conv1"), in, out, 3);
    if (temb) draw_linear(t, under(n, prefix, "time_emb_proj"), temb, out, true);
    draw_norm(t, under(n, prefix, "norm2"), out);
    draw_conv(t, under(n, prefix, "conv2"), out, out, 3);
    if (in != out) draw_conv(t, under(n, prefix, "conv_shortcut"), in, out, 1);
}

static void draw_attention(Torch *t, const char *prefix, int c, int context, bool bias)
{
    char n[256];
    draw_linear(t, under(n, prefix, "to_q"), c, c, bias);
    draw_linear(t, under(n, prefix, "to_k"), context, c, bias);
    draw_linear(t, under(n, prefix, "to_v"), context, c, bias);
    draw_linear(t, under(n, prefix, "to_out.0"), c, c, true);
}

/* A Transformer2DModel of one layer. Without a second attention its weights here are zeros, which add nothing. */
static void draw_transformer(Torch *t, const char *prefix, int c, int context, bool second)
{
    char n[256], block[256];
    draw_norm(t, under(n, prefix, "norm"), c);
    draw_conv(t, under(n, prefix, "proj_in"), c, c, 1);
    under(block, prefix, "transformer_blocks.0");
    draw_norm(t, under(n, block, "norm1"), c);
    draw_attention(t, under(n, block, "attn1"), c, c, false);
    draw_norm(t, under(n, block, "norm2"), c);
    if (second) draw_attention(t, under(n, block, "attn2"), c, context, false);
    else {
        static const char *const names[] = { "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0" };
        for (int i = 0; i < 4; i++)
            add(t, under(n, block, names[i]), "weight", 0, 0, 2, (int64_t[]){ c, i % 3 ? context : c });
        add(t, under(n, block, "attn2.to_out.0"), "bias", 0, 0, 1, (int64_t[]){ c });
    }
    draw_norm(t, under(n, block, "norm3"), c);
    draw_linear(t, under(n, block, "ff.net.0.proj"), c, 8 * c, true);
    draw_linear(t, under(n, block, "ff.net.2"), 4 * c, c, true);
    draw_conv(t, under(n, prefix, "proj_out"), c, c, 1);
}

/* torch.randn(n, c, h, w) */
static Tensor randn(Torch *t, int n, int c, int h, int w)
{
    Tensor x = tensor_new(&t->arena, n, h, w, c);
    float *nchw = mem_array(tensor_len(x), sizeof *nchw);
    rng_randn(&t->rng, nchw, tensor_len(x));
    tensor_from_nchw(x, nchw);
    free(nchw);
    return x;
}

/* A time embedding [n, 1, 1, c], silu applied, as resblock_forward() takes it. */
static Tensor randn_temb(Torch *t, int n, int c)
{
    Tensor x = randn(t, n, c, 1, 1);
    nn_act(&t->nn, ACT_SILU, x);
    return x;
}

/* ---- limn's layers bound to them ------------------------------------------------------------------------------------- */

static void must(Torch *t, int failed)
{
    if (failed) fail_msg("%s", t->e.text);
}

static ResBlock resnet(Torch *t, const char *prefix, int in, int out, int temb)
{
    ResBlock r;
    size_t mark = *prefix ? bind_enter(&t->b, "%s", prefix) : strlen(t->b.prefix);
    must(t, resblock_bind(&t->b, &r, in, out, temb, GROUPS, EPS));
    bind_leave(&t->b, mark);
    return r;
}

static Conv conv(Torch *t, const char *name, int in, int out)
{
    Conv c;
    must(t, bind_conv(&t->b, &c, name, in, out, 3));
    return c;
}

static Transformer transformer(Torch *t, const char *prefix, int c, int context, int heads)
{
    Transformer x;
    TransformerShape s = { .channels = c, .heads = heads, .layers = 1, .context = context, .groups = GROUPS };
    size_t mark = *prefix ? bind_enter(&t->b, "%s", prefix) : strlen(t->b.prefix);
    must(t, transformer_bind(&t->b, &x, &s));
    bind_leave(&t->b, mark);
    return x;
}

static Tensor over_prompt(Torch *t, Transformer *m, Tensor x, Tensor context)
{
    Tensor kv = tensor_new(&t->arena, context.n, context.h, context.w, transformer_place(m, 0));
    transformer_context(&t->nn, m, context, kv);
    return transformer_forward(&t->nn, m, x, &(Prompted){ .kv = kv });
}

/* ---- test_layers_utils.py -------------------------------------------------------------------------------------------- */

static Tensor upsample_with_conv(Torch *t)
{
    Tensor x = randn(t, 1, 32, 32, 32);
    draw_conv(t, "conv", 32, 32, 3);
    Conv c = conv(t, "conv", 32, 32);
    return nn_conv2d_up(&t->nn, &c, x, 64, 64);
}

static Tensor upsample_with_conv_out_dim(Torch *t)
{
    Tensor x = randn(t, 1, 32, 32, 32);
    draw_conv(t, "conv", 32, 64, 3);
    Conv c = conv(t, "conv", 32, 64);
    return nn_conv2d_up(&t->nn, &c, x, 64, 64);
}

static Tensor downsample_with_conv(Torch *t)
{
    Tensor x = randn(t, 1, 32, 64, 64);
    draw_conv(t, "conv", 32, 32, 3);
    Conv c = conv(t, "conv", 32, 32);
    return nn_conv2d_down(&t->nn, &c, x, 1);
}

static Tensor downsample_with_conv_out_dim(Torch *t)
{
    Tensor x = randn(t, 1, 32, 64, 64);
    draw_conv(t, "conv", 32, 16, 3);
    Conv c = conv(t, "conv", 32, 16);
    return nn_conv2d_down(&t->nn, &c, x, 1);
}

static Tensor resnet_default(Torch *t)
{
    Tensor x = randn(t, 1, 32, 64, 64), temb = randn_temb(t, 1, 128);
    draw_resnet(t, "", 32, 32, 128);
    ResBlock r = resnet(t, "", 32, 32, 128);
    return resblock_forward(&t->nn, &r, x, temb);
}

static Tensor transformer_default(Torch *t)
{
    Tensor x = randn(t, 1, 32, 64, 64);
    draw_transformer(t, "", 32, 32, false);
    Transformer m = transformer(t, "", 32, 32, 1);
    Tensor y = over_prompt(t, &m, x, tensor_slice(x, 0, 1));
    transformer_release(&m);
    return y;
}

static Tensor transformer_cross_attention_dim(Torch *t)
{
    Tensor x = randn(t, 1, 64, 64, 64);
    draw_transformer(t, "", 64, 64, true);
    Transformer m = transformer(t, "", 64, 64, 2);
    Tensor context = tensor_new(&t->arena, 1, 4, 1, 64);
    rng_randn(&t->rng, context.data, tensor_len(context));
    Tensor y = over_prompt(t, &m, x, context);
    transformer_release(&m);
    return y;
}

/* ---- test_unet_2d_blocks.py: [4, 32, 32, 32], time embedding [4, 128] ---------------------------------------------------- */

static Tensor down_block(Torch *t)
{
    Tensor x = randn(t, 4, 32, 32, 32), temb = randn_temb(t, 4, 128);
    draw_resnet(t, "resnets.0", 32, 32, 128);
    draw_conv(t, "downsamplers.0.conv", 32, 32, 3);
    ResBlock r = resnet(t, "resnets.0", 32, 32, 128);
    Conv c = conv(t, "downsamplers.0.conv", 32, 32);
    return nn_conv2d_down(&t->nn, &c, resblock_forward(&t->nn, &r, x, temb), 1);
}

/* The skip connection comes from a second seed, and the modules from what follows it. */
static Tensor up_block(Torch *t)
{
    Tensor x = randn(t, 4, 32, 32, 32), temb = randn_temb(t, 4, 128);
    torch_seed(t, 1);
    Tensor skip = randn(t, 4, 32, 32, 32);
    draw_resnet(t, "resnets.0", 64, 32, 128);
    draw_conv(t, "upsamplers.0.conv", 32, 32, 3);
    ResBlock r = resnet(t, "resnets.0", 64, 32, 128);
    Conv c = conv(t, "upsamplers.0.conv", 32, 32);
    return nn_conv2d_up(&t->nn, &c, resblock_forward(&t->nn, &r, nn_concat(&t->nn, x, skip), temb), 64, 64);
}

static Tensor down_encoder_block(Torch *t)
{
    Tensor x = randn(t, 4, 32, 32, 32);
    draw_resnet(t, "resnets.0", 32, 32, 0);
    draw_conv(t, "downsamplers.0.conv", 32, 32, 3);
    ResBlock r = resnet(t, "resnets.0", 32, 32, 0);
    Conv c = conv(t, "downsamplers.0.conv", 32, 32);
    return nn_conv2d_down(&t->nn, &c, resblock_forward(&t->nn, &r, x, (Tensor){ 0 }), 1);
}

static Tensor up_decoder_block(Torch *t)
{
    Tensor x = randn(t, 4, 32, 32, 32);
    draw_resnet(t, "resnets.0", 32, 32, 0);
    draw_conv(t, "upsamplers.0.conv", 32, 32, 3);
    ResBlock r = resnet(t, "resnets.0", 32, 32, 0);
    Conv c = conv(t, "upsamplers.0.conv", 32, 32);
    return nn_conv2d_up(&t->nn, &c, resblock_forward(&t->nn, &r, x, (Tensor){ 0 }), 64, 64);
}

/* Attention as the VAE has it, with a head a channel. */
static Tensor mid_block(Torch *t)
{
    Tensor x = randn(t, 4, 32, 32, 32), temb = randn_temb(t, 4, 128);
    draw_resnet(t, "resnets.0", 32, 32, 128);
    draw_norm(t, "attentions.0.group_norm", 32);
    draw_attention(t, "attentions.0", 32, 32, true);
    draw_resnet(t, "resnets.1", 32, 32, 128);
    ResBlock first = resnet(t, "resnets.0", 32, 32, 128), second = resnet(t, "resnets.1", 32, 32, 128);
    Norm norm;
    Linear q, k, v, out;
    must(t, bind_norm(&t->b, &norm, "attentions.0.group_norm", 32, GROUPS, EPS));
    must(t, bind_linear(&t->b, &q, "attentions.0.to_q", 32, 32, true));
    must(t, bind_linear(&t->b, &k, "attentions.0.to_k", 32, 32, true));
    must(t, bind_linear(&t->b, &v, "attentions.0.to_v", 32, 32, true));
    must(t, bind_linear(&t->b, &out, "attentions.0.to_out.0", 32, 32, true));

    x = resblock_forward(&t->nn, &first, x, temb);
    Tensor h = nn_group_norm(&t->nn, &norm, x, ACT_NONE);
    h = nn_attention(&t->nn, nn_linear(&t->nn, &q, h), nn_linear(&t->nn, &k, h), nn_linear(&t->nn, &v, h), 32, false);
    return resblock_forward(&t->nn, &second, nn_linear_add(&t->nn, &out, h, x), temb);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    Tensor (*run)(Torch *t);
    int shape[4]; /* as torch says it: n, c, h, w */
    float expected[9];
    double atol; /* theirs */
} cases[] = {
    { "test_upsample_with_conv",
      upsample_with_conv,
      { 1, 32, 64, 64 },
      { 0.7145f, 1.3773f, 0.3492f, 0.8448f, 1.0839f, -0.3341f, 0.5956f, 0.1250f, -0.4841f },
      1e-3 },
    { "test_upsample_with_conv_out_dim",
      upsample_with_conv_out_dim,
      { 1, 64, 64, 64 },
      { 0.2703f, 0.1656f, -0.2538f, -0.0553f, -0.2984f, 0.1044f, 0.1155f, 0.2579f, 0.7755f },
      1e-3 },
    { "test_downsample_with_conv",
      downsample_with_conv,
      { 1, 32, 32, 32 },
      { 0.9267f, 0.5878f, 0.3337f, 1.2321f, -0.1191f, -0.3984f, -0.7532f, -0.0715f, -0.3913f },
      1e-3 },
    { "test_downsample_with_conv_out_dim",
      downsample_with_conv_out_dim,
      { 1, 16, 32, 32 },
      { -0.6586f, 0.5985f, 0.0721f, 0.1256f, -0.1492f, 0.4436f, -0.2544f, 0.5021f, 1.1522f },
      1e-3 },
    { "test_resnet_default",
      resnet_default,
      { 1, 32, 64, 64 },
      { -1.9010f, -0.2974f, -0.8245f, -1.3533f, 0.8742f, -0.9645f, -2.0584f, 1.3387f, -0.4746f },
      1e-3 },
    { "test_spatial_transformer_default",
      transformer_default,
      { 1, 32, 64, 64 },
      { -1.9455f, -0.0066f, -1.3933f, -1.5878f, 0.5325f, -0.6486f, -1.8648f, 0.7515f, -0.9689f },
      1e-3 },
    { "test_spatial_transformer_cross_attention_dim",
      transformer_cross_attention_dim,
      { 1, 64, 64, 64 },
      { 0.0143f, -0.6909f, -2.1547f, -1.8893f, 1.4097f, 0.1359f, -0.2521f, -1.3359f, 0.2598f },
      1e-3 },
    { "DownBlock2DTests",
      down_block,
      { 4, 32, 16, 16 },
      { -0.0232f, -0.9869f, 0.8054f, -0.0637f, -0.1688f, -1.4264f, 0.4470f, -1.3394f, 0.0904f },
      5e-3 },
    { "UpBlock2DTests",
      up_block,
      { 4, 32, 64, 64 },
      { -0.2041f, -0.4165f, -0.3022f, 0.0041f, -0.6628f, -0.7053f, 0.1928f, -0.0325f, 0.0523f },
      5e-3 },
    { "DownEncoderBlock2DTests",
      down_encoder_block,
      { 4, 32, 16, 16 },
      { 1.1102f, 0.5302f, 0.4872f, -0.0023f, -0.8042f, 0.0483f, -0.3489f, -0.5632f, 0.7626f },
      5e-3 },
    { "UpDecoderBlock2DTests",
      up_decoder_block,
      { 4, 32, 64, 64 },
      { 0.4404f, 0.1998f, -0.9886f, -0.3320f, -0.3128f, -0.7034f, -0.6955f, -0.2338f, -0.3137f },
      5e-3 },
    { "UNetMidBlock2DTests",
      mid_block,
      { 4, 32, 32, 32 },
      { -0.1062f, 1.7248f, 0.3494f, 1.4569f, -0.0910f, -1.2421f, -0.9984f, 0.6736f, 1.0028f },
      5e-3 },
};

/* The largest difference from out[0, -1, -3:, -3:]. */
static double corner_error(Tensor y, const float expected[9])
{
    double worst = 0;
    for (int i = 0; i < 9; i++) {
        int row = y.h - 3 + i / 3, column = y.w - 3 + i % 3;
        float v = y.data[(row * y.w + column) * y.c + y.c - 1];
        worst = fmax(worst, fabs((double)v - (double)expected[i]));
    }
    return worst;
}

static void test_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Torch t;
        torch_init(&t);
        Tensor y = cases[i].run(&t);
        const int *s = cases[i].shape;
        assert_true(y.n == s[0] && y.c == s[1] && y.h == s[2] && y.w == s[3]);
        /* they print four digits; 2e-4 is what that and float32 leave, well inside their own tolerance */
        assert_error(corner_error(y, cases[i].expected), fmin(cases[i].atol, 2e-4), "%s", cases[i].name);
        torch_release(&t);
    }
}

/* test_sinoid_embeddings_hardcoded: rows 23 to 25, columns 47 to 49 of 128 timesteps in 64 dimensions. */
static void test_timestep_embedding(void **state)
{
    (void)state;
    static const struct {
        bool flip;
        float shift, scale, expected[9];
    } rows[] = {
        { false, 1, 1, { 0.9646f, 0.9804f, 0.9892f, 0.9615f, 0.9787f, 0.9882f, 0.9582f, 0.9769f, 0.9872f } },
        { true, 0, 1, { 0.3019f, 0.2280f, 0.1716f, 0.3146f, 0.2377f, 0.1790f, 0.3272f, 0.2474f, 0.1864f } },
        { false, 1, 1000, { -0.9801f, -0.9464f, -0.9349f, -0.3952f, 0.8887f, -0.9709f, 0.5299f, -0.2853f, -0.9927f } },
    };
    Torch t;
    torch_init(&t);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        float times[128];
        for (int i = 0; i < 128; i++) times[i] = (float)i * rows[k].scale;
        Tensor y = nn_timestep_embedding(&t.nn, times, 128, 64, rows[k].flip, rows[k].shift);
        double worst = 0;
        for (int i = 0; i < 9; i++)
            worst = fmax(worst, fabs((double)y.data[(23 + i / 3) * 64 + 47 + i % 3] - (double)rows[k].expected[i]));
        /* at 25000 radians float32 is good to 1e-3 */
        assert_error(worst, rows[k].scale > 1 ? 1e-3 : 1e-4, "timestep embedding %zu", k);
    }
    torch_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_blocks), cmocka_unit_test(test_timestep_embedding) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
