/*
 * test_attention.c - attention of every kernel set against the formula in double: odd shapes, columns of wider rows, scores
 * far from zero; the same bits on any number of threads and in any batch.
 *
 * Inputs are allocated to the byte and the arena is as large as a dry pass measured, so that the sanitizers see a step too far;
 * the arena starts as NaNs, so that what is read must have been written.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"
#include "scheduler/rng.h"
#include "tests/support.h"

typedef struct {
    int n, queries, keys, heads, d;
    bool causal;
} Shape;

typedef struct {
    Shape s;
    Tensor q, k, v;
} Input;

static Rng rng;

static Tensor normals(int n, int tokens, int c)
{
    Tensor t = { NULL, n, tokens, 1, c };
    t.data = malloc(tensor_len(t) * sizeof *t.data);
    rng_randn(&rng, t.data, tensor_len(t));
    return t;
}

static Input input_new(Shape s)
{
    int c = s.heads * s.d;
    return (Input){ s, normals(s.n, s.queries, c), normals(s.n, s.keys, c), normals(s.n, s.keys, c) };
}

static void input_free(Input *in)
{
    free(in->q.data);
    free(in->k.data);
    free(in->v.data);
}

static void multiply(Tensor t, float by)
{
    for (size_t i = 0; i < tensor_len(t); i++) t.data[i] *= by;
}

/* ---- what is right ------------------------------------------------------------------------------------------------- */

static const float *row_of(Tensor t, int n, int token, int column)
{
    return t.data + ((size_t)n * (size_t)t.h + (size_t)token) * (size_t)t.c + column;
}

/* One query of one head; p: room for the keys. */
static void exact_query(double *out, double *p, const Input *in, const int at[3])
{
    int n = at[0], head = at[1] * in->s.d, i = at[2], d = in->s.d, seen = in->s.causal ? i + 1 : in->s.keys;
    double most = -INFINITY, sum = 0;
    const float *q = row_of(in->q, n, i, head);
    for (int j = 0; j < seen; j++) {
        const float *k = row_of(in->k, n, j, head);
        p[j] = 0;
        for (int e = 0; e < d; e++) p[j] += (double)q[e] * k[e];
        p[j] /= sqrt(d);
        most = fmax(most, p[j]);
    }
    for (int j = 0; j < seen; j++) sum += p[j] = exp(p[j] - most);
    for (int e = 0; e < d; e++) out[e] = 0;
    for (int j = 0; j < seen; j++) {
        const float *v = row_of(in->v, n, j, head);
        for (int e = 0; e < d; e++) out[e] += p[j] / sum * v[e];
    }
}

static double *exact(const Input *in)
{
    Shape s = in->s;
    double *out = malloc(tensor_len(in->q) * sizeof *out), *p = malloc((size_t)s.keys * sizeof *p);
    for (int n = 0; n < s.n; n++)
        for (int i = 0; i < s.queries; i++)
            for (int head = 0; head < s.heads; head++)
                exact_query(out + (row_of(in->q, n, i, head * s.d) - in->q.data), p, in, (const int[3]){ n, head, i });
    free(p);
    return out;
}

static double relative_error(Tensor got, const double *want)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < tensor_len(got); i++) {
        d += pow(got.data[i] - want[i], 2);
        s += want[i] * want[i];
    }
    return sqrt(d / s);
}

/* ---- running it ----------------------------------------------------------------------------------------------------- */

typedef enum { APART, JOINED, CROSS } Layout; /* of q, k and v: see nn.h */

typedef struct {
    const Kernels *k;
    bool bf16;
    int threads;
    Layout layout;
} How;

/* Columns side by side in one tensor. */
static Tensor beside(const Tensor *parts, int count)
{
    int c = parts[0].c;
    Tensor t = { NULL, parts[0].n, parts[0].h, 1, count * c };
    float *to = t.data = malloc(tensor_len(t) * sizeof *t.data);
    for (size_t r = 0; r < tensor_rows(t); r++)
        for (int i = 0; i < count; i++, to += c) memcpy(to, parts[i].data + r * (size_t)c, (size_t)c * sizeof *to);
    return t;
}

static Tensor call(Nn *nn, const Input *in, Layout layout)
{
    int heads = in->s.heads;
    if (layout == APART) return nn_attention(nn, in->q, in->k, in->v, heads, in->s.causal);
    Tensor wide = layout == JOINED ? beside((const Tensor[]){ in->q, in->k, in->v }, 3)
                                   : beside((const Tensor[]){ in->k, in->v }, 2);
    Tensor y = layout == JOINED ? nn_attention_joined(nn, wide, heads, in->s.causal)
                                : nn_attention_cross(nn, in->q, wide, 0, heads);
    free(wide.data);
    return y;
}

/* The caller frees the result. */
static Tensor run(const Input *in, How how)
{
    Arena a;
    Nn nn = { .arena = &a, .k = how.k, .threads = how.threads, .precision = rounding_16(how.bf16) };
    arena_init_dry(&a);
    call(&nn, in, how.layout);
    a = (Arena){ .base = aligned_alloc(64, a.peak), .size = a.peak };
    memset(a.base, 0xff, a.size);
    Tensor y = call(&nn, in, how.layout), kept = y;
    assert_int_equal(tensor_len(y), tensor_len(in->q));
    assert_in_range(a.used, tensor_len(y) * sizeof(float), tensor_len(y) * sizeof(float) + 64);
    kept.data = malloc(tensor_len(y) * sizeof(float));
    memcpy(kept.data, y.data, tensor_len(y) * sizeof(float));
    free(a.base);
    return kept;
}

static void assert_same(const Input *in, How how, Tensor want, const char *what)
{
    Tensor y = run(in, how);
    if (memcmp(y.data, want.data, tensor_len(y) * sizeof(float)) != 0)
        fail_msg("%s%s: other bits %s", how.k->name, how.bf16 ? " bf16" : "", what);
    free(y.data);
}

/* Each picture alone gives what it gave in the batch. */
static void check_alone(const Input *in, How how, Tensor y)
{
    for (int n = 0; n < in->s.n; n++) {
        Input one = { in->s, tensor_slice(in->q, n, 1), tensor_slice(in->k, n, 1), tensor_slice(in->v, n, 1) };
        one.s.n = 1;
        assert_same(&one, how, tensor_slice(y, n, 1), "in a batch");
    }
}

static void check_bits(const Input *in, How how, Tensor y)
{
    for (how.threads = 1; how.threads <= 4; how.threads += how.threads)
        assert_same(in, how, y, "on another number of threads");
    how.threads = 2;
    if (!in->s.causal) {
        how.layout = CROSS;
        assert_same(in, how, y, "with k and v side by side");
    }
    if (in->s.queries == in->s.keys) {
        how.layout = JOINED;
        assert_same(in, how, y, "with q, k and v side by side");
    }
    how.layout = APART;
    check_alone(in, how, y);
}

/*
 * f32: sums of up to 512 products, each rounded by 6e-8, exp within 1.1 ulp: up to 8e-7 of the result's length measured. A
 * score's rounding is relative to itself, and is the exponent's absolute error; what it weighs most is the largest score.
 * bf16: of unit normals q, k, v and p are each rounded by up to 2^-9 = 2e-3, and the scores' absolute error is p's relative one:
 * 2e-3 measured, up to 6e-3 where one score rules. One key too many or too few in 200 shows as 7e-2.
 */
static double limit_of(bool bf16, double largest) { return bf16 ? 1e-2 : 1e-6 + 1e-8 * largest; }

/* The rows of this CPU, in f32 and where there is one in bf16. */
static void check(Shape s, float scale)
{
    Input in = input_new(s);
    multiply(in.q, scale);
    double *want = exact(&in), largest = 6 * (double)scale;
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        for (int bf16 = 0; kernels_supported(*k) && bf16 <= ((*k)->attention_bf16 != NULL); bf16++) {
            if (bf16 && scale > 1) continue; /* the scores' error grows with them */
            How how = { *k, bf16, 2, APART };
            Tensor y = run(&in, how);
            assert_error(relative_error(y, want), limit_of(bf16, largest),
                         "%s%s: n %d, %d queries, %d keys, %d heads of %d%s", (*k)->name, bf16 ? " bf16" : "", s.n,
                         s.queries, s.keys, s.heads, s.d, s.causal ? ", causal" : "");
            check_bits(&in, how, y);
            free(y.data);
        }
    }
    free(want);
    input_free(&in);
}

/* ---- tests ---------------------------------------------------------------------------------------------------------- */

static void test_shapes(void **state)
{
    (void)state;
    rng_init(&rng, RNG_TORCH, 5);
    check((Shape){ 1, 1, 1, 1, 1, false }, 1);
    check((Shape){ 2, 130, 77, 3, 5, false }, 1);
    check((Shape){ 1, 100, 1100, 2, 8, false }, 1); /* several blocks of keys */
    check((Shape){ 2, 64, 225, 1, 40, false }, 1);  /* a block of a single key */
    check((Shape){ 1, 700, 700, 1, 4, true }, 1);
    check((Shape){ 1, 77, 77, 2, 64, true }, 1);
    check((Shape){ 1, 70, 300, 1, 512, false }, 1); /* the VAE's width */
    check((Shape){ 4, 16, 77, 2, 160, false }, 1);
}

/* Every residue of tiles, pairs and vectors comes up in turn. */
static void test_random_shapes(void **state)
{
    (void)state;
    rng_init(&rng, RNG_TORCH, 6);
    for (unsigned i = 0; i < 40; i++) {
        unsigned r = i * 2654435761u >> 7;
        int tokens = 1 + (int)(r % 200), keys = 1 + (int)(r / 200 % 200);
        bool causal = i % 3 == 2;
        check((Shape){ 1 + (int)(i % 4), tokens, causal ? tokens : keys, 1 + (int)(r / 7 % 3), 1 + (int)(i * 67 % 160),
                       causal },
              1);
    }
}

/* Scores of hundreds: exp of none of them fits a float, their differences do. */
static void test_large_scores(void **state)
{
    (void)state;
    rng_init(&rng, RNG_TORCH, 7);
    check((Shape){ 1, 90, 500, 2, 40, false }, 100);
    check((Shape){ 1, 90, 90, 2, 24, true }, 100);
}

/* One key above all others, wherever it stands: its value is the result. */
static void test_one_key(void **state)
{
    (void)state;
    enum { KEYS = 460, D = 20 };
    rng_init(&rng, RNG_TORCH, 8);
    Input in = input_new((Shape){ 1, 40, KEYS, 1, D, false });
    for (size_t i = 0; i < tensor_len(in.q); i++) in.q.data[i] = 3000;
    for (int at = 0; at < KEYS; at += 51) {
        for (int e = 0; e < D; e++) in.k.data[at * D + e] = 6;
        for (const Kernels *const *k = kernels_rows; *k; k++) {
            if (!kernels_supported(*k)) continue;
            Tensor y = run(&in, (How){ *k, false, 2, APART });
            for (size_t i = 0; i < tensor_len(y); i++)
                assert_float_equal(y.data[i], in.v.data[at * D + (int)(i % D)], 0);
            free(y.data);
        }
        for (int e = 0; e < D; e++) in.k.data[at * D + e] = -1;
    }
    input_free(&in);
}

/* Damage is not hidden: a NaN or an infinity in a query, a key or a value comes out as NaN where it counts, and nowhere else. */
static void check_damage(const Input *in, Tensor damaged, float bad, How how)
{
    int d = in->s.d, row = 33;
    float was = damaged.data[row * d];
    damaged.data[row * d] = bad;
    Tensor y = run(in, how);
    for (int i = 0; i < in->s.queries; i++) {
        if (damaged.data == in->q.data) assert_int_equal(!isfinite(y.data[i * d]), i == row);
        else assert_true(!isfinite(y.data[i * d]));
    }
    damaged.data[row * d] = was;
    free(y.data);
}

static void test_damage(void **state)
{
    (void)state;
    rng_init(&rng, RNG_TORCH, 9);
    Input in = input_new((Shape){ 1, 50, 60, 1, 16, false });
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        for (int bf16 = 0; kernels_supported(*k) && bf16 <= ((*k)->attention_bf16 != NULL); bf16++) {
            How how = { *k, bf16, 1, APART };
            check_damage(&in, in.q, NAN, how);
            check_damage(&in, in.k, NAN, how);
            check_damage(&in, in.v, NAN, how);
            check_damage(&in, in.v, INFINITY, how);
        }
    }
    input_free(&in);
}

/* bf16 is another arithmetic, where there is one and it is asked for. */
static void test_bf16_is_used(void **state)
{
    (void)state;
    rng_init(&rng, RNG_TORCH, 10);
    Input in = input_new((Shape){ 1, 40, 50, 2, 40, false });
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        Tensor y = run(&in, (How){ *k, false, 1, APART }), z = run(&in, (How){ *k, true, 1, APART });
        double error = relative_l2(z.data, y.data, tensor_len(y));
        assert_true((*k)->attention_bf16 ? error > 1e-4 : error == 0);
        free(y.data);
        free(z.data);
    }
    input_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),  cmocka_unit_test(test_random_shapes), cmocka_unit_test(test_large_scores),
        cmocka_unit_test(test_one_key), cmocka_unit_test(test_damage),        cmocka_unit_test(test_bf16_is_used),
    };
    kernels_select(&(const char *){ NULL }); /* OpenBLAS stays on the thread that calls it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
