/* test_profile.c - the table of layers: what is the same layer, what it costs, layers inside layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nn/nn.h"
#include "tests/support.h"

enum { C = 16, SIDE = 8 };

static Arena arena;
static const float zeros[9 * C * C + 2 * SIDE * SIDE * C];

static Nn start(Profile *p)
{
    const char *why = NULL;
    arena_reset(&arena, 0);
    Nn nn = { .arena = &arena, .k = kernels_select(&why), .threads = 1, .profile = p };
    if (!nn.k) fail_msg("%s", why);
    return nn;
}

static Tensor blank(void) { return (Tensor){ (float *)(size_t)zeros, 2, SIDE, SIDE, C }; }

/* Each layer once or more: one row each, in the order met, with the plain algorithm's operations. */
static void test_layers(void **state)
{
    (void)state;
    Profile p = { 0 };
    Nn nn = start(&p);
    Tensor x = blank();
    const Conv three = { .w = test_panels(zeros, C, 9 * C), .b = zeros, .in = C, .out = C, .k = 3 };
    const Conv one = { .w = test_panels(zeros, C, C), .b = zeros, .in = C, .out = C, .k = 1 };
    const Linear linear = { .w = test_panels(zeros, C, C), .b = zeros, .in = C, .out = C };
    const Norm norm = { .w = zeros, .b = zeros, .c = C, .groups = 4, .eps = 1e-5f };

    nn_conv2d(&nn, &three, x);
    nn_conv2d(&nn, &three, x);
    nn_conv2d_with(&nn, &three, x, &(With){ .residual = x });
    nn_conv2d(&nn, &one, x);
    nn_conv2d_down(&nn, &three, x, 1);
    nn_conv2d_up(&nn, &three, x, 2 * SIDE, 2 * SIDE);
    nn_linear(&nn, &linear, x);
    nn_attention(&nn, x, x, x, 4, false);
    nn_group_norm(&nn, &norm, x, ACT_SILU);
    nn_concat(&nn, x, x);

    const double pixels = 2.0 * SIDE * SIDE;
    const struct {
        LayerKind kind;
        int count;
        double flops;
    } want[] = {
        { LAYER_CONV, 3, 2 * pixels * 9 * C * C },
        { LAYER_CONV, 1, 2 * pixels * C * C },
        { LAYER_CONV_DOWN, 1, 2 * pixels / 4 * 9 * C * C },
        { LAYER_CONV_UP, 1, 2 * pixels * 4 * 9 * C * C },
        { LAYER_LINEAR, 1, 2 * pixels * C * C },
        { LAYER_ATTENTION, 1, 4 * pixels * SIDE * SIDE * C },
        { LAYER_GROUP_NORM, 1, 0 },
        { LAYER_CONCAT, 1, 0 },
    };
    assert_int_equal(p.count, sizeof want / sizeof *want);
    for (size_t i = 0; i < p.count; i++) {
        assert_int_equal(p.layers[i].shape.kind, want[i].kind);
        assert_int_equal(p.layers[i].count, want[i].count);
        assert_true(layer_flops(&p.layers[i].shape) == want[i].flops);
        assert_true(p.layers[i].seconds > 0);
        assert_true(strlen(layer_name(&p.layers[i].shape)) > 2);
    }
    profile_release(&p);
}

static void outer(Nn *nn, const Linear *l)
{
    PROFILE(nn, LAYER_ACT, 1, 1, 1, C, C, 0);
    nn_linear(nn, l, blank());
    nn_linear(nn, l, blank());
}

/* A layer's own layers are part of it; afterwards the same layer counts again. */
static void test_nested(void **state)
{
    (void)state;
    Profile p = { 0 };
    Nn nn = start(&p);
    const Linear l = { .w = test_panels(zeros, C, C), .b = zeros, .in = C, .out = C };
    outer(&nn, &l);
    nn_linear(&nn, &l, blank());
    assert_int_equal(p.count, 2);
    assert_int_equal(p.layers[0].shape.kind, LAYER_ACT);
    assert_int_equal(p.layers[0].count, 1);
    assert_int_equal(p.layers[1].count, 1);
    profile_release(&p);
}

/* A dry pass computes nothing, so it costs nothing. */
static void test_dry(void **state)
{
    (void)state;
    Arena dry;
    Profile p = { 0 };
    arena_init_dry(&dry);
    Nn nn = start(&p);
    nn.arena = &dry;
    const Linear l = { .w = test_panels(zeros, C, C), .b = zeros, .in = C, .out = C };
    nn_linear(&nn, &l, (Tensor){ NULL, 2, SIDE, SIDE, C });
    assert_int_equal(p.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_dry),
    };
    Err e;
    if (arena_init(&arena, 4 << 20, &e)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
