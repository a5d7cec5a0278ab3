/*
 * test_rng.c - limn's noise is torch's: draws recorded from torch, and properties that a generator must have.
 */
#include "tests/support.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/rng.h"
#include "weights/json.h"

static cJSON *golden;

static int open_golden(void **state)
{
    (void)state;
    Bytes file;
    Err e = { 0 };
    if (file_map(&file, GOLDEN "/scheduler/rng.json", &e) || !(golden = json_parse(file, &e))) fail_msg("%s", e.text);
    file_unmap(&file);
    return 0;
}

static int close_golden(void **state)
{
    (void)state;
    cJSON_Delete(golden);
    return 0;
}

static double number(const cJSON *object, const char *key) { return cJSON_GetObjectItem(object, key)->valuedouble; }

static Rng seeded(RngKind kind, const cJSON *row)
{
    Rng r;
    rng_init(&r, kind, (uint64_t)number(row, "seed"));
    return r;
}

/* The listed values against x, from its first one. */
static void assert_values(const cJSON *row, const char *key, const float *x, double tolerance)
{
    int i = 0;
    const cJSON *v;
    cJSON_ArrayForEach(v, cJSON_GetObjectItem(row, key))
        assert_error(fabs((double)x[i++] - v->valuedouble), tolerance, "%s, seed %.0f", key, number(row, "seed"));
    assert_true(i > 0);
}

/*
 * torch 1.13.1 drew these with its scalar kernel, which differs from the AVX2 one of torch 2 by 2e-6; the latter's bits are
 * in test_bits().
 */
static void test_torch_randn(void **state)
{
    (void)state;
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "torch_cpu_randn_f32"))
    {
        size_t n = 1;
        const cJSON *dim;
        cJSON_ArrayForEach(dim, cJSON_GetObjectItem(row, "shape")) n *= (size_t)dim->valueint;
        float *x = mem_array(n, sizeof *x);
        Rng r = seeded(RNG_TORCH, row);
        rng_randn(&r, x, n);

        double sum = 0, abssum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)x[i];
            abssum += fabs((double)x[i]);
        }
        size_t last = (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(row, "last"));
        assert_values(row, "first", x, 4e-6);
        assert_values(row, "last", x + n - last, 4e-6);
        assert_error(fabs(sum - number(row, "sum")) / (double)n, 1e-6, "sum of %zu", n);
        assert_error(fabs(abssum - number(row, "abssum")) / (double)n, 1e-6, "sum of magnitudes of %zu", n);

        rng_randn(&r, x, n);
        assert_values(row, "second_draw_first", x, 4e-6);
        free(x);
    }
}

/* The bits of torch 2.13.0 (AVX2): randn(n, generator=torch.Generator("cpu").manual_seed(seed)). */
static void test_bits(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        size_t n;
        uint32_t hash; /* FNV-1a over the words of two draws */
        uint32_t first[4];
    } rows[] = {
#include "tests/golden/scheduler/randn_bits.inc"
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Rng r;
        rng_init(&r, RNG_TORCH, rows[k].seed);
        float *x = mem_array(rows[k].n, sizeof *x);
        uint32_t hash = 2166136261u;
        for (int draw = 0; draw < 2; draw++) {
            rng_randn(&r, x, rows[k].n);
            if (draw == 0) assert_memory_equal(x, rows[k].first, sizeof rows[k].first);
            for (size_t i = 0; i < rows[k].n; i++) {
                uint32_t word;
                memcpy(&word, &x[i], sizeof word);
                hash = (hash ^ word) * 16777619u;
            }
        }
        assert_int_equal(hash, rows[k].hash);
        free(x);
    }
}

static void test_torch_rand(void **state)
{
    (void)state;
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "torch_cpu_rand"))
    {
        Rng r = seeded(RNG_TORCH, row);
        float x[8];
        rng_rand(&r, x, 8);
        assert_values(row, "rand", x, 0);
    }
}

static void test_philox_randn(void **state)
{
    (void)state;
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "cuda_philox_randn"))
    {
        Rng r = seeded(RNG_PHILOX, row);
        float x[4096];
        for (int draw = 0; draw <= number(row, "draw"); draw++) rng_randn(&r, x, 4096);
        assert_values(row, "first", x, 1e-6);
    }
}

/* The second normal of a pair waits in the generator, also while a whole latent is drawn. */
static void test_cached_normal(void **state)
{
    (void)state;
    float odd[3], bulk[32], rest[1], four[4];
    Rng r;
    rng_init(&r, RNG_TORCH, 7);
    rng_randn(&r, four, 4);
    rng_init(&r, RNG_TORCH, 7);
    rng_randn(&r, odd, 3);
    rng_randn(&r, bulk, 32);
    rng_randn(&r, rest, 1);
    assert_memory_equal(odd, four, sizeof odd);
    assert_memory_equal(rest, four + 3, sizeof rest);
}

/* Only the low 32 bits of a seed count for torch's CPU, all 64 for CUDA's. */
static void test_long_seeds(void **state)
{
    (void)state;
    for (RngKind kind = RNG_TORCH; kind <= RNG_PHILOX; kind++) {
        Rng a, b;
        float x[32], y[32];
        rng_init(&a, kind, 5);
        rng_init(&b, kind, (1ull << 40) + 5);
        rng_randn(&a, x, 32);
        rng_randn(&b, y, 32);
        assert_int_equal(memcmp(x, y, sizeof x) == 0, kind == RNG_TORCH);
    }
}

static void test_moments(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    float *x = mem_array(N, sizeof *x);
    for (RngKind kind = RNG_TORCH; kind <= RNG_PHILOX; kind++) {
        Rng r;
        double sum = 0, squares = 0, fourth = 0;
        rng_init(&r, kind, 2026);
        rng_randn(&r, x, N);
        for (int i = 0; i < N; i++) {
            double v = (double)x[i];
            assert_true(fabs(v) < 7);
            sum += v;
            squares += v * v;
            fourth += v * v * v * v;
        }
        assert_error(fabs(sum / N), 4 / sqrt(N), "mean"); /* four standard errors each */
        assert_error(fabs(squares / N - 1), 4 * sqrt(2.0 / N), "variance");
        assert_error(fabs(fourth / N - 3), 4 * sqrt(96.0 / N), "fourth moment");
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch_randn),  cmocka_unit_test(test_bits),          cmocka_unit_test(test_torch_rand),
        cmocka_unit_test(test_philox_randn), cmocka_unit_test(test_cached_normal), cmocka_unit_test(test_long_seeds),
        cmocka_unit_test(test_moments),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
