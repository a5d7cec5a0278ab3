/*
 * test_blocks.c - numbers in blocks and of 8 bits: as the references read them, by every kernel set, in panels, from
 * broken files.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/kernels.h"
#include "nn/panels.h"
#include "nn/scan.h"
#include "tests/files.h"
#include "tests/support.h"
#include "weights/blocks.h"
#include "weights/gguf.h"
#include "weights/quantise.h"
#include "weights/read.h"

#define QUANT GOLDEN "/quant/"

typedef struct {
    Bytes file;
    Weights *w;
} Opened;

static Opened opened(const char *path)
{
    Opened o = { .w = weights_new() };
    Err e = { 0 };
    if (file_map(&o.file, path, &e) || weights_read(o.w, o.file, &e)) fail_msg("%s", e.text);
    return o;
}

static void closed(Opened *o)
{
    weights_free(o->w);
    file_unmap(&o->file);
}

/* ---- values ---- */

/* Every value equals the reference's, bit for bit; in pieces that begin and end inside blocks too. */
static void check_values(const Weight *t, const float *want, size_t n)
{
    Err e = { 0 };
    float *got = mem_array(n, sizeof *got);
    assert_int_equal(weight_count(t), n);
    if (weight_to_f32(t, got, &e)) fail_msg("%s: %s", t->name, e.text);
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i])
            fail_msg("%s: element %zu is %.9g, expected %.9g", t->name, i, (double)got[i], (double)want[i]);
    for (size_t from = 0, some = 1; from < n; from += some, some = some * 5 % 97) {
        if (some > n - from) some = n - from;
        weight_values(t, from, some, got);
        assert_memory_equal(got, want + from, some * sizeof *got);
    }
    free(got);
}

static void check_file(const char *path, int least)
{
    Opened o = opened(path);
    Fixture expected;
    fixture_open(&expected, QUANT "expected.safetensors");
    int seen = 0;
    for (size_t i = 0; i < weights_count(o.w); i++) {
        const Weight *t = weights_at(o.w, i), *like;
        size_t n;
        if (t->folded) continue;
        const float *want = fixture_f32(&expected, t->name, &n);
        like = weights_find(expected.w, t->name);
        assert_int_equal(t->ndim, like->ndim);
        assert_memory_equal(t->shape, like->shape, (size_t)t->ndim * sizeof *t->shape);
        check_values(t, want, n);
        seen++;
    }
    assert_true(seen >= least);
    fixture_close(&expected);
    closed(&o);
}

static void test_gguf(void **state)
{
    (void)state;
    check_file(QUANT "blocks.gguf", 17);
    Opened o = opened(QUANT "blocks.gguf");
    char *text = weights_metadata(o.file, "limn.string");
    assert_string_equal(text, "gr\xc3\xb6\xc3\x9f"
                              "e");
    assert_null(weights_metadata(o.file, "limn.u8"));
    assert_null(weights_metadata(o.file, "limn.none"));
    free(text);
    closed(&o);
}

static void test_fp8(void **state)
{
    (void)state;
    check_file(QUANT "fp8.safetensors", 5);
}

/* Every kernel set reads the same bits as plain C does, of random bits too. */
static void test_rows(void **state)
{
    (void)state;
    enum { BLOCKS = 40 };
    static unsigned char data[BLOCKS * 256 + 1];
    static float want[BLOCKS * BLOCK_MOST], got[BLOCKS * BLOCK_MOST];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (DType t = 0; t < DT_COUNT; t++) {
        if (!dtype_computes(t)) continue;
        size_t n = BLOCKS * dtype_block(t);
        blocks_plain[t](want, data + 1, BLOCKS);
        for (const Kernels *const *row = kernels_rows; *row; row++) {
            if (!kernels_supported(*row)) continue;
            memset(got, 0, sizeof got);
            (*row)->unpack[t](got, data + 1, BLOCKS);
            for (size_t i = 0; i < n; i++)
                if (memcmp(got + i, want + i, sizeof *got) != 0 && !(isnan(got[i]) && isnan(want[i])))
                    fail_msg("%s, %s: value %zu is %.9g, not %.9g", (*row)->name, dtype_name(t), i, (double)got[i],
                             (double)want[i]);
        }
    }
}

/* ---- the other way ---- */

/* The reference's bytes of its own numbers, for the types that it writes. */
static void test_quantise(void **state)
{
    (void)state;
    Opened o = opened(QUANT "quantised.gguf");
    const float *source = (const float *)(const void *)weights_find(o.w, "source")->data;
    int seen = 0;
    for (size_t i = 0; i < weights_count(o.w); i++) {
        const Weight *t = weights_at(o.w, i);
        DType type;
        if (!quantise_type(t->name, &type)) continue;
        size_t n = weight_count(weights_find(o.w, "source"));
        unsigned char *got = malloc(t->bytes);
        assert_int_equal(t->bytes, dtype_bytes(type, n));
        quantise(type, source, n, got);
        for (size_t k = 0; k < t->bytes; k++)
            if (got[k] != t->data[k]) fail_msg("%s: byte %zu is %u, not %u", t->name, k, got[k], t->data[k]);
        free(got);
        seen++;
    }
    assert_int_equal(seen, 9);
    closed(&o);
}

/* Relative error of normal numbers, by each type: not above what its bits allow; zeros, single numbers and tiny ones survive. */
static void test_quantise_error(void **state)
{
    (void)state;
    static const struct {
        DType type;
        double most;
    } rows[] = { { DT_F16, 2.5e-4 },  { DT_BF16, 2e-3 },   { DT_F8_E4M3, 0.028 }, { DT_F8_E5M2, 0.055 },
                 { DT_Q8_0, 0.007 },  { DT_Q6_K, 0.0175 }, { DT_Q5_K, 0.037 },    { DT_Q4_K, 0.0725 },
                 { DT_Q3_K, 0.16 },   { DT_Q2_K, 0.29 },   { DT_Q5_0, 0.045 },    { DT_Q4_0, 0.1 },
                 { DT_IQ4_NL, 0.085 } };
    enum { COUNT = 256 * 64 };
    static float x[COUNT], y[COUNT];
    static unsigned char packed[COUNT * 4];
    uint32_t seed = 3;
    for (int i = 0; i < COUNT; i++) {
        double sum = 0;
        for (int k = 0; k < 12; k++) sum += (double)(seed = seed * 1664525u + 1013904223u) / 4294967296.0;
        x[i] = (float)(sum - 6);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DType t = rows[i].type;
        const Weight w = { .dtype = t, .ndim = 1, .shape = { COUNT }, .data = packed };
        quantise(t, x, COUNT, packed);
        weight_values(&w, 0, COUNT, y);
        double error = relative_l2(y, x, COUNT);
        if (!(error <= rows[i].most)) fail_msg("%s errs by %g, at most %g", dtype_name(t), error, rows[i].most);
        float odd[256] = { 0 };
        quantise(t, odd, 256, packed);
        weight_values(&w, 0, 256, y);
        for (int k = 0; k < 256; k++) assert_true(y[k] == 0);
        odd[5] = -0.5f, odd[6] = 1e-30f;
        quantise(t, odd, 256, packed);
        weight_values(&w, 0, 256, y);
        assert_true(fabsf(y[5] + 0.5f) < 0.02f);
        for (int k = 0; k < 256; k++) assert_true(k == 5 || fabsf(y[k]) < 0.04f);
        for (int k = 0; k < 256; k++) odd[k] = 0.25f;
        quantise(t, odd, 256, packed);
        weight_values(&w, 0, 256, y);
        for (int k = 0; k < 256; k++) assert_true(fabsf(y[k] - 0.25f) < 0.01f);
    }
}

/* ---- panels ---- */

/* Three parts of one matrix, each in a format and with scales of its own; rows begin inside blocks. */
typedef struct {
    Panels p;
    float *values; /* [n, k] */
    unsigned char *data[PANELS_JOINED];
    float *scale[PANELS_JOINED];
} Mixed;

static Mixed mixed_of(const DType types[PANELS_JOINED], int parts, int rows, int k)
{
    Mixed m = { .p = { .parts = parts, .k = k, .n = rows * parts } };
    size_t each = (size_t)rows * (size_t)k;
    m.values = mem_array((size_t)parts * each, sizeof *m.values);
    uint32_t seed = 7;
    for (int i = 0; i < parts; i++) {
        size_t bytes = dtype_bytes(types[i], each);
        m.data[i] = malloc(bytes + 1);
        for (size_t b = 0; b <= bytes; b++) /* no exponent of 5 ones: finite whatever it is part of */
            m.data[i][b] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24) & 0xbb;
        m.p.data[i] = m.data[i] + 1;
        m.p.type[i] = types[i];
        const Weight t = { .dtype = types[i], .ndim = 2, .shape = { rows, k }, .data = m.p.data[i], .bytes = bytes };
        weight_values(&t, 0, each, m.values + (size_t)i * each);
        if (i == 1) continue;
        m.scale[i] = mem_array((size_t)rows, sizeof(float));
        for (size_t r = 0; r < (size_t)rows; r++) {
            m.scale[i][r] = (float)(1 + r % 7) / 8;
            for (size_t c = 0; c < (size_t)k; c++) m.values[(size_t)i * each + r * (size_t)k + c] *= m.scale[i][r];
        }
        m.p.scale[i] = m.scale[i];
    }
    return m;
}

static void mixed_release(Mixed *m)
{
    for (int i = 0; i < PANELS_JOINED; i++) {
        free(m->data[i]);
        free(m->scale[i]);
    }
    free(m->values);
}

static void check_mixed(const Mixed *m, const Kernels *k, PanelPiece at)
{
    static float out[600 * PANEL];
    static uint16_t pairs[602 * PANEL];
    panel_f32(k, &m->p, at, (PanelPiece){ at.panel + 1, 0, 300 }, out);
    if (k->panel_pairs) panel_pairs(k, &m->p, at, (PanelPiece){ at.panel + 1, 0, 300 }, pairs);
    for (size_t i = 0; i < at.k; i++)
        for (size_t j = 0; j < PANEL; j++) {
            long row = panel_row(&m->p, at.panel, j);
            float want = row < 0 ? 0 : m->values[(size_t)row * (size_t)m->p.k + at.first + i];
            if (out[i * PANEL + j] != want)
                fail_msg("%s: panel %zu, %zu + %zu, column %zu: %g, not %g", k->name, at.panel, at.first, i, j,
                         (double)out[i * PANEL + j], (double)want);
            if (!k->panel_pairs) continue;
            uint32_t bits = (uint32_t)pairs[(i / 2 * PANEL + j) * 2 + i % 2] << 16;
            float near;
            memcpy(&near, &bits, sizeof near);
            if (fabsf(near - want) > fabsf(want) / 256 + 1e-37f)
                fail_msg("%s: pairs: %g, not %g", k->name, (double)near, (double)want);
        }
}

static void test_panels_of_blocks(void **state)
{
    (void)state;
    static const DType rows[][PANELS_JOINED] = { { DT_Q8_0 },
                                                 { DT_Q4_K },
                                                 { DT_F8_E4M3 },
                                                 { DT_Q4_K, DT_Q6_K, DT_F16 },
                                                 { DT_F32, DT_Q5_0, DT_F8_E5M2 },
                                                 { DT_F16, DT_F16, DT_F16 } };
    static const int depths[] = { 32, 320, 544 }; /* of 64 rows: whole blocks in all, rows begin inside them */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
            Mixed m = mixed_of(rows[i], rows[i][1] ? 3 : 1, 64, depths[d]);
            size_t k = (size_t)depths[d];
            for (const Kernels *const *row = kernels_rows; *row; row++)
                for (size_t panel = 0; kernels_supported(*row) && panel < panels_of(&m.p); panel++) {
                    check_mixed(&m, *row, (PanelPiece){ panel, 0, k });
                    check_mixed(&m, *row, (PanelPiece){ panel, k / 3, k - k / 3 });
                    check_mixed(&m, *row, (PanelPiece){ panel, 1, 16 });
                }
            mixed_release(&m);
        }
}

/* A scale that is infinite or no number is found, where it stands. */
static void test_scan_blocks(void **state)
{
    (void)state;
    Opened o = opened(QUANT "blocks.gguf");
    static const char *const names[] = { "q8_0.weight", "q4_k.weight", "q6_k.weight" };
    static const size_t at[] = { 4 * 34, 144, 210 + 208 }, element[] = { 128, 256, 256 };
    for (size_t i = 0; i < 3; i++) {
        Err e = { 0 };
        char want[100];
        Weight t = *weights_find(o.w, names[i]);
        assert_int_equal(scan_weight(&t, false, &e), 0);
        unsigned char *copy = malloc(t.bytes);
        memcpy(copy, t.data, t.bytes);
        copy[at[i]] = 0, copy[at[i] + 1] = 0x7c;
        t.data = copy;
        snprintf(want, sizeof want, "tensor %s holds NaN or infinity (element %zu)", names[i], element[i]);
        assert_said(scan_weight(&t, false, &e), &e, want);
        float *values = mem_array(weight_count(&t), sizeof *values);
        assert_said(weight_to_f32(&t, values, &e), &e, "NaN or infinity");
        free(values);
        free(copy);
    }
    closed(&o);
}

/* ---- broken files ---- */

typedef struct {
    unsigned char bytes[512];
    size_t len;
} Made;

static void put(Made *m, const void *data, size_t n)
{
    memcpy(m->bytes + m->len, data, n);
    m->len += n;
}
static void put32(Made *m, uint32_t v) { put(m, &v, sizeof v); }
static void put64(Made *m, uint64_t v) { put(m, &v, sizeof v); }
static void put_name(Made *m, const char *s)
{
    put64(m, strlen(s));
    put(m, s, strlen(s));
}

/* What a hostile file may say. */
typedef struct {
    const char *said; /* part of the error; NULL: it is fine */
    uint32_t version, type, dims;
    uint64_t tensors, keys, name_len, ne[4], offset;
    uint32_t value, item;
    uint64_t items;
    uint32_t alignment;
    const char *second; /* the name of a second tensor at the same place; NULL: none */
} Hostile;

static Made made_of(const Hostile *h)
{
    Made m = { .len = 0 };
    put(&m, "GGUF", 4);
    put32(&m, h->version);
    put64(&m, h->tensors);
    put64(&m, h->keys);
    if (h->keys) {
        put_name(&m, h->alignment ? "general.alignment" : "k");
        put32(&m, h->value);
        if (h->value == 9) put32(&m, h->item), put64(&m, h->items);
        else put32(&m, h->alignment);
    }
    for (int i = 0; i < (h->second ? 2 : 1); i++) {
        put_name(&m, i ? h->second : "t");
        if (h->name_len && !i) memcpy(m.bytes + m.len - 9, &h->name_len, 8);
        put32(&m, h->dims);
        for (uint32_t d = 0; d < h->dims && d < 4; d++) put64(&m, h->ne[d]);
        put32(&m, h->type);
        put64(&m, h->offset);
    }
    while (m.len % 32) put(&m, "", 1);
    m.len += 68; /* two blocks of Q8_0 */
    return m;
}

#define FILE_OF(...)                                                                                                   \
    {                                                                                                                  \
        .version = 3, .tensors = 1, .type = 8, .dims = 2, .ne = { 32, 2 }, __VA_ARGS__                                 \
    }

static void test_hostile(void **state)
{
    (void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
    static const Hostile rows[] = {
        FILE_OF(.said = NULL),
        FILE_OF(.version = 2),
        FILE_OF(.version = 1, .said = "version 1"),
        FILE_OF(.version = 4, .said = "version 4"),
        FILE_OF(.version = 0x03000000, .said = "big-endian"),
        FILE_OF(.tensors = 1ull << 63, .said = "9223372036854775808 tensors"),
        FILE_OF(.tensors = UINT64_MAX, .said = "tensors in a file of"),
        FILE_OF(.tensors = 3, .said = ""),
        FILE_OF(.keys = 1ull << 63, .said = "9223372036854775808 keys"),
        FILE_OF(.keys = 2, .value = 4, .said = ""),
        FILE_OF(.keys = 1, .value = 13, .said = "value of type 13"),
        FILE_OF(.keys = 1, .value = 0xffffffff, .said = "value of type"),
        FILE_OF(.keys = 1, .value = 9, .item = 4, .items = 1ull << 62, .said = "a list of"),
        FILE_OF(.keys = 1, .value = 9, .item = 9, .items = 1ull << 62, .said = "a list of"),
        FILE_OF(.keys = 1, .value = 9, .item = 77, .items = 1, .said = "type 77"),
        FILE_OF(.keys = 1, .value = 4, .alignment = 24, .said = "general.alignment"),
        FILE_OF(.keys = 1, .value = 4, .alignment = 1u << 31, .said = "general.alignment"),
        FILE_OF(.keys = 1, .value = 4, .alignment = 32),
        FILE_OF(.name_len = 1ull << 63, .said = "longer than what is left"),
        FILE_OF(.name_len = 1 << 20, .said = "longer than what is left"),
        FILE_OF(.dims = 5, .said = "5 dimensions"),
        FILE_OF(.dims = 4, .ne = { 1ull << 32, 1ull << 32, 1, 1 }, .said = "more numbers than any machine has"),
        FILE_OF(.dims = 1, .ne = { 1ull << 63 }, .said = "more numbers than any machine has"),
        FILE_OF(.ne = { 1ull << 40, 2 }, .said = "beyond the file's"),
        FILE_OF(.ne = { 1ull << 60, 2 }, .said = "beyond the file's"),
        FILE_OF(.ne = { 33, 2 }, .said = "not whole blocks of 32"),
        FILE_OF(.dims = 0, .said = "not whole blocks of 32"),
        FILE_OF(.type = 4, .said = "type 4"),
        FILE_OF(.type = 16, .said = "(IQ2_XXS)"),
        FILE_OF(.type = 0xffffffff, .said = "limn reads F32"),
        FILE_OF(.offset = 1, .said = "not aligned"),
        FILE_OF(.offset = 64, .said = "beyond the file's"),
        FILE_OF(.offset = 1ull << 63, .said = "beyond the file's"),
        FILE_OF(.offset = UINT64_MAX - 31, .said = "beyond the file's"),
        FILE_OF(.tensors = 2, .second = "t", .said = "there twice"),
        FILE_OF(.tensors = 2, .second = "u", .said = "overlap"),
    };
#pragma GCC diagnostic pop
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Made m = made_of(&rows[i]);
        Bytes file = exact(m.bytes, m.len);
        Weights *w = weights_new();
        Err e = { 0 };
        int failed = weights_read(w, file, &e);
        if (rows[i].said) assert_said(failed, &e, rows[i].said);
        else if (failed) fail_msg("row %zu: %s", i, e.text);
        free(weights_metadata(file, "k"));
        weights_free(w);
        free((void *)(size_t)file.data);
    }
}

/* A file cut anywhere is an error, never a crash. */
static void test_cut(void **state)
{
    (void)state;
    Bytes whole;
    Err e = { 0 };
    assert_int_equal(file_map(&whole, QUANT "blocks.gguf", &e), 0);
    for (size_t len = 4; len < whole.len; len += len < 1500 ? 1 : 97) {
        Bytes file = exact(whole.data, len);
        Weights *w = weights_new();
        assert_said(weights_read(w, file, &e), &e, "");
        weights_free(w);
        free((void *)(size_t)file.data);
    }
    file_unmap(&whole);
}

/* Scales of 8-bit floats that belong to nothing, or are none, and numbers that are packed otherwise. */
static void test_bad_scales(void **state)
{
    (void)state;
#define F8 "\"a.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,2],\"data_offsets\":[0,4]}"
#define NEXT(name, dtype, shape, end)                                                                                  \
    ",\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[4," end "]}"
    static const struct {
        const char *header;
        size_t data;
        const char *said;
    } rows[] = {
        { "{" F8 NEXT("b.scale_weight", "F32", "[]", "8") "}", 8, "\"b.weight\", which is not there" },
        { "{" F8 NEXT("a.scale_weight", "F32", "[3]", "16") "}", 16, "3 scales for a tensor of shape [2, 2]" },
        { "{" F8 NEXT("a.weight_scale", "I32", "[]", "8") "}", 8, "a scale stored as I32" },
        { "{" F8 NEXT("a.weight_scale_inv", "F32", "[1]", "8") "}", 8, "128 x 128" },
        { "{" F8 NEXT("a.weight.quant_state.bitsandbytes__nf4", "U8", "[4]", "8") "}", 8, "NF4" },
        { "{" F8 NEXT("a.comfy_quant", "U8", "[4]", "8") "}", 8, "a.comfy_quant" },
        { "{\"__metadata__\":{\"_quantization_metadata\":\"{\\\"layers\\\":{\\\"a\\\":{\\\"format\\\":\\\"nvfp4\\\"}}}"
          "\"}," F8 "}",
          4, "numbers packed as nvfp4" },
        { "{" F8 NEXT("a.scale_input", "F32", "[]", "8") "}", 8, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Bytes file = safetensors_of(rows[i].header, rows[i].data);
        Weights *w = weights_new();
        Err e = { 0 };
        int failed = weights_read(w, file, &e);
        if (rows[i].said) assert_said(failed, &e, rows[i].said);
        else if (failed) fail_msg("row %zu: %s", i, e.text);
        weights_free(w);
        free((void *)(size_t)file.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantise),    cmocka_unit_test(test_quantise_error),
        cmocka_unit_test(test_gguf),        cmocka_unit_test(test_fp8),
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_panels_of_blocks),
        cmocka_unit_test(test_scan_blocks), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_cut),         cmocka_unit_test(test_bad_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
