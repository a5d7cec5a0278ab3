/*
 * test_tiles.c - products in tile registers (AMX): the processor's are to the bit those in C, whose rounding tiles_emulated.h
 * tells; where the processor has none, those in C are held to exact sums.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/rng.h"
#include "tests/exact.h"
#include "tests/kernels_amx.h"
#include "tests/support.h"

static Rng rng;

/* The processor's own, or NULL. */
static const Kernels *in_silicon(void) { return tiles_set(0) == tiles_in_c() ? NULL : tiles_set(0); }

static float of_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Numbers of many sizes: ordinary, subnormal, nearly the greatest. No NaN: their bits are not specified. */
static uint16_t any_bf16(int kind)
{
    unsigned r = (unsigned)below(&rng, 1 << 16);
    unsigned exponent = kind == 0 ? 120 + r % 12 : kind == 1 ? r % 130 : kind == 2 ? r % 4 : 100 + r % 60;
    return (uint16_t)((r & 0x807f) | exponent << 7);
}

enum { ROWS = 45, STEPS = 3, LEFT = 64 * TILE_DEPTH * STEPS, RIGHT = STEPS * TILE_DEPTH * PANEL };

typedef struct {
    uint16_t a[LEFT], b[RIGHT];
    float y[64 * PANEL];
} Numbers;

static void multiply(const Kernels *k, Numbers *n, bool more)
{
    const ptrdiff_t at[STEPS] = { 0, 64 * TILE_DEPTH, 128 * TILE_DEPTH };
    k->gemm_tiles(n->y, &(FactorsTiles){ .a = n->a, .at = at, .b = n->b, .steps = STEPS }, ROWS, more);
}

static void test_same_bits(void **state)
{
    (void)state;
    if (!tiles_in_c() || !in_silicon()) skip();
    Numbers *n = mem_array(2, sizeof *n);
    for (int kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < LEFT; i++) n[0].a[i] = any_bf16(kind);
        for (size_t i = 0; i < RIGHT; i++) n[0].b[i] = any_bf16(kind);
        for (size_t i = 0; i < 64 * PANEL; i++) n[0].y[i] = of_bf16(any_bf16(kind));
        for (int more = 0; more < 2; more++) {
            n[1] = n[0];
            multiply(in_silicon(), &n[0], more);
            multiply(tiles_in_c(), &n[1], more);
            for (size_t i = 0; i < ROWS * PANEL; i++)
                if (!isnan(n[0].y[i]) || !isnan(n[1].y[i])) assert_memory_equal(&n[0].y[i], &n[1].y[i], sizeof(float));
        }
    }
    free(n);
}

/* Of 8 bits: the greatest sums too, and rows that are no whole strip. */
static void test_same_integers(void **state)
{
    (void)state;
    if (!tiles_in_c() || !in_silicon()) skip();
    enum { BLOCK = STEPS * BLOCK_I8, A = 64 * BLOCK, B = BLOCK * PANEL };
    int8_t *a = mem_array(A, 1);
    ColumnsI8Tiles *b = mem_array(1, sizeof *b + B);
    float scale[64], y[2][64 * PANEL];
    for (size_t rows = 1; rows < 64; rows += 9)
        for (int extreme = 0; extreme < 2; extreme++) {
            for (size_t i = 0; i < A; i++) a[i] = (int8_t)(extreme ? -128 : below(&rng, 256) - 128);
            for (size_t i = 0; i < B; i++) (&b->q[0][0][0])[i] = (int8_t)(extreme ? -128 : below(&rng, 256) - 128);
            for (size_t i = 0; i < 64; i++) scale[i] = of_bf16(any_bf16(0));
            for (size_t i = 0; i < PANEL; i++) b->scale[i] = of_bf16(any_bf16(0));
            for (size_t i = 0; i < 64 * PANEL; i++) y[0][i] = y[1][i] = of_bf16(any_bf16(0));
            const FactorsI8Tiles f = { .a = a, .apart = 64 * BLOCK_I8, .row_scale = scale, .b = b, .steps = STEPS };
            for (int more = 0; more < 2; more++) {
                in_silicon()->gemm_i8_tiles(y[0], &f, rows, more);
                tiles_in_c()->gemm_i8_tiles(y[1], &f, rows, more);
                assert_memory_equal(y[0], y[1], rows * PANEL * sizeof(float));
            }
        }
    free(a);
    free(b);
}

/* Each result against its sum in double; 96 terms of 8 bits each way, summed in f32. */
static void test_sums(void **state)
{
    (void)state;
    Numbers *n = mem_array(1, sizeof *n);
    for (int set = 0; tiles_set(set); set++) {
        for (size_t i = 0; i < LEFT; i++) n->a[i] = any_bf16(0);
        for (size_t i = 0; i < RIGHT; i++) n->b[i] = any_bf16(0);
        multiply(tiles_set(set), n, false);
        for (size_t r = 0; r < ROWS; r++)
            for (size_t c = 0; c < PANEL; c++) {
                double sum = 0, mass = 0;
                for (size_t s = 0; s < STEPS; s++)
                    for (size_t k = 0; k < TILE_DEPTH; k++) {
                        double t = (double)of_bf16(n->a[(s * 64 + r) * TILE_DEPTH + k]) *
                                   (double)of_bf16(n->b[(s * TILE_DEPTH / 2 + k / 2) * 2 * PANEL + 2 * c + k % 2]);
                        sum += t;
                        mass += fabs(t);
                    }
                assert_true(fabs(sum - (double)n->y[r * PANEL + c]) <= 12 * UNIT * mass);
            }
    }
    free(n);
}

/* ---- layers ------------------------------------------------------------------------------------------------------- */

typedef struct {
    Arena arena;
    Conv conv;
    Linear linear;
    Tensor x, qkv, y[4];
} Layers;

static Tensor tensor_random(int h, int w, int c)
{
    Tensor t = { NULL, 2, h, w, c };
    t.data = normals(&rng, tensor_len(t), 1);
    return t;
}

/* Convolution, linear layer and attention in tiles. */
static void layers_run(Layers *l, const Kernels *k)
{
    Nn nn = { .arena = &l->arena, .k = k, .threads = 2, .precision = { FACTORS_BF16, FACTORS_BF16, FACTORS_BF16 } };
    l->y[0] = nn_conv2d(&nn, &l->conv, l->x);
    l->y[1] = nn_linear(&nn, &l->linear, l->x);
    l->y[2] = nn_attention_joined(&nn, l->qkv, 2, false);
    nn.precision.linear = FACTORS_I8;
    l->y[3] = nn_linear(&nn, &l->linear, l->x);
}

static void test_layers(void **state)
{
    (void)state;
    const Kernels *tiles = in_silicon() ? in_silicon() : tiles_in_c();
    if (!tiles) skip();
    Layers l[2] = { 0 };
    Err e;
    Matrix conv = matrix_new(&rng, DT_F16, 9 * 64, 50, false, true),
           linear = matrix_new(&rng, DT_F16, 64, 50, false, true);
    Tensor x = tensor_random(11, 13, 64), qkv = tensor_random(11, 13, 3 * 2 * 40);
    const char *why;
    const Kernels *sets[2] = { tiles, in_silicon() && tiles_in_c() ? tiles_in_c() : kernels_select(&why) };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(arena_init(&l[i].arena, 64 << 20, &e), 0);
        l[i].conv = (Conv){ .w = conv.p, .b = conv.bias_panel, .in = 64, .out = 50, .k = 3 };
        l[i].linear = (Linear){ .w = linear.p, .b = linear.bias_panel, .in = 64, .out = 50 };
        l[i].x = x;
        l[i].qkv = qkv;
        layers_run(&l[i], sets[i]);
    }
    for (int i = 0; i < 4; i++) {
        size_t len = tensor_len(l[0].y[i]);
        if (sets[1] == tiles_in_c()) assert_memory_equal(l[0].y[i].data, l[1].y[i].data, len * sizeof(float));
        else assert_true(relative_l2(l[0].y[i].data, l[1].y[i].data, len) < 1e-2); /* 8 bits, against 8 or 24 */
    }
    for (int i = 0; i < 2; i++) arena_release(&l[i].arena);
    matrix_release(&conv);
    matrix_release(&linear);
    free(x.data);
    free(qkv.data);
}

int main(void)
{
    rng_init(&rng, RNG_TORCH, 3);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_bits), cmocka_unit_test(test_same_integers),
                                        cmocka_unit_test(test_sums), cmocka_unit_test(test_layers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
