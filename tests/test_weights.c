/* test_weights.c - safetensors, whole and broken; conversion to f32; the files of a component. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/files.h"
#include "tests/support.h"
#include "weights/component.h"
#include "weights/safetensors.h"
#include "weights/source.h"

/* Reads and frees; returns what safetensors_read() did. */
static int read_and_free(Bytes file, Err *e)
{
    Weights *w = weights_new();
    int failed = safetensors_read(w, file, e);
    weights_free(w);
    free((void *)(size_t)file.data);
    return failed;
}

#define T(dtype, shape, offsets) "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define GOOD                     T("\"F32\"", "[2,3]", "[0,24]")

static void good_file(void **state)
{
    (void)state;
    Err e = { 0 };
    Weights *w = weights_new();
    Bytes file = safetensors_of(
        "{\"__metadata__\":{\"format\":\"pt\"},\"b\":" T("\"F16\"", "[4]", "[24,32]") ",\"a\":" GOOD ",\"none\":" T(
            "\"F32\"", "[0,7]", "[24,24]") ",\"one\":" T("\"I64\"", "[]", "[32,40]") "}  ",
        40);
    if (safetensors_read(w, file, &e)) fail_msg("%s", e.text);
    assert_int_equal(weights_count(w), 4);
    assert_string_equal(weights_at(w, 0)->name, "b");

    Weight *a = weights_find(w, "a"), *one = weights_find(w, "one"), *none = weights_find(w, "none");
    char buf[64], tiny[6];
    assert_true(a->dtype == DT_F32 && a->ndim == 2 && a->shape[1] == 3 && a->bytes == 24 && weight_count(a) == 6);
    assert_ptr_equal(a->data, file.data + file.len - 40);
    assert_string_equal(weight_shape_text(a, buf, sizeof buf), "[2, 3]");
    assert_string_equal(weight_shape_text(a, tiny, sizeof tiny), "[2, 3"); /* cut, not beyond */
    assert_string_equal(weight_shape_text(one, buf, sizeof buf), "[]");
    assert_true(one->ndim == 0 && weight_count(one) == 1);
    assert_true(none->bytes == 0 && weight_count(none) == 0);
    assert_null(weights_find(w, "c"));
    assert_false(a->used);
    assert_ptr_equal(weights_take(w, "a"), a);
    assert_true(a->used);

    char *format = safetensors_metadata(file, "format");
    assert_string_equal(format, "pt");
    assert_null(safetensors_metadata(file, "other"));
    free(format);
    weights_free(w);
    free((void *)(size_t)file.data);
}

static const struct {
    const char *header;
    size_t data;
    const char *said;
} broken[] = {
    { "[1]", 0, "JSON header is missing" },
    { "{\"a\"", 0, "not valid JSON" },
    { "{}}", 0, "after the end" },
    { "{\"a\":1}", 0, "a: 1: expected" },
    { "{\"a\":[]}", 0, "expected {" },
    { "{\"\":" GOOD "}", 24, "without a name" },
    { "{\"a\":" GOOD ",\"a\":" GOOD "}", 24, "there twice" },
    { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24,
      "\"dtype\" is there twice" },
    { "{\"a\":{\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24, "no \"dtype\"" },
    { "{\"a\":" T("\"F4\"", "[24]", "[0,24]") "}", 24, "F4" },
    { "{\"a\":" T("7", "[24]", "[0,24]") "}", 24, "dtype 7" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,24]}}", 24, "shape missing" },
    { "{\"a\":" T("\"F32\"", "[\"2\",3]", "[0,24]") "}", 24, "whole numbers" },
    { "{\"a\":" T("\"F32\"", "[-2,-3]", "[0,24]") "}", 24, "whole numbers" },
    { "{\"a\":" T("\"F32\"", "[1.5,4]", "[0,24]") "}", 24, "whole numbers" },
    { "{\"a\":" T("\"F32\"", "[1e400]", "[0,24]") "}", 24, "whole numbers" },
    { "{\"a\":" T("\"F32\"", "[1152921504606846976]", "[0,24]") "}", 24, "whole numbers" },
    { "{\"a\":" T("\"F32\"", "[4294967296,4294967296]", "[0,24]") "}", 24, "more bytes than" },
    { "{\"a\":" T("\"F32\"", "[1,1,1,1,1,1,1,1,6]", "[0,24]") "}", 24, "more than 8 dimensions" },
    { "{\"a\":" T("\"F32\"", "{}", "[0,24]") "}", 24, "expected a list" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "[0,20]") "}", 24, "20 bytes, but F32 of shape [2, 3] needs 24" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "[24,0]") "}", 24, "before the beginning" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "[0,24,48]") "}", 24, "[begin, end]" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "[0]") "}", 24, "[begin, end]" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "[-24,0]") "}", 24, "[begin, end]" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "[0,1e300]") "}", 24, "[begin, end]" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "null") "}", 24, "[begin, end]" },
    { "{\"a\":" T("\"F32\"", "[2,3]", "[9007199254740992,9007199254741016]") "}", 24, "[begin, end]" },
    { "{\"a\":" GOOD "}", 20, "only 20 bytes of data are there: the file is truncated" },
    { "{\"a\":" GOOD ",\"b\":" GOOD "}", 24, "overlap" },
    { "{\"a\":" GOOD ",\"b\":" T("\"F32\"", "[2]", "[20,28]") "}", 28, "overlap" },
    { "{\"a\":" GOOD ",\"b\":" T("\"F32\"", "[0]", "[12,12]") "}", 24, "overlap" },
    { "{\"a\":" GOOD ",\"b\":" T("\"F32\"", "[1]", "[28,32]") "}", 32, "4 bytes before the tensor \"b\"" },
    { "{\"a\":" GOOD "}", 25, "1 bytes after the last tensor" },
    { "{\"a\\u0000b\":" GOOD "}", 24, "NUL" },
    { "{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: \"a\" is not a string" },
    { "{\"__metadata__\":[]}", 0, "__metadata__" },
};

static void broken_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        Err e = { 0 };
        assert_said(read_and_free(safetensors_of(broken[i].header, broken[i].data), &e), &e, broken[i].said);
    }
}

/* A backslash before "\u0000" makes it six plain characters. */
static void escaped_backslash(void **state)
{
    (void)state;
    Err e = { 0 };
    if (read_and_free(safetensors_of("{\"a\\\\u0000\":" GOOD "}", 24), &e)) fail_msg("%s", e.text);
}

static void deep_nesting(void **state)
{
    (void)state;
    Err e = { 0 };
    Str text = { 0 };
    str_add(&text, "{\"a\":");
    for (int i = 0; i < 100000; i++) str_add(&text, "[");
    assert_said(read_and_free(safetensors_of(text.s, 0), &e), &e, "nested more than 100 deep");
    str_release(&text);
}

static void long_name(void **state)
{
    (void)state;
    Err e = { 0 };
    Str text = { 0 };
    str_add(&text, "{\"");
    for (int i = 0; i < 5000; i++) str_add(&text, "n\\n");
    str_add(&text, "\":1}");
    assert_said(read_and_free(safetensors_of(text.s, 0), &e), &e, "n?n?n");
    assert_true(strlen(e.text) < 300);
    str_release(&text);
}

static void header_lengths(void **state)
{
    (void)state;
    static const uint64_t lengths[] = { INT64_MAX, UINT64_MAX, 1ull << 32, 100000001, 100000000, 1000, 25, 1, 0 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        Err e = { 0 };
        unsigned char file[32] = { 0 };
        memcpy(file, &lengths[i], 8);
        memset(file + 8, ' ', 24);
        file[8] = '{', file[9] = '}';
        assert_said(read_and_free(exact(file, sizeof file), &e), &e,
                    lengths[i] < 2 ? "header is missing" : "header of ");
    }
}

static const struct {
    const char *bytes;
    size_t len;
    const char *said;
} lookalikes[] = {
    { "", 0, "empty file" },
    { "1234567", 7, "too short" },
    { "PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0", 20, "weights_only" },
    { "PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0archive/data.pkl", 46, "weights_only" },
    { "PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0a.txt", 35, "ZIP archive" },
    { "\x80\2\x8a\12l\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.", 20, "PyTorch pickle" },
    { "GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16, "GGUF" },
    { "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 56, "git lfs pull" },
    { "<!doctype html><html>Sign in</html>", 35, "web page" },
    { "\x89PNG\r\n\32\n\0\0\0\rIHDR", 16, "PNG" },
    { "hello, this is no model at all", 30, "a text, which begins \"hello, this" },
    { "{\n  \"error\": \"Unauthorized\"}", 28, "a text, which begins" },
    { "\0\0\0\0\0\0\0\0{}", 10, "not a safetensors file: its JSON" },
};

static void other_formats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lookalikes / sizeof *lookalikes; i++) {
        Err e = { 0 };
        assert_said(read_and_free(exact(lookalikes[i].bytes, lookalikes[i].len), &e), &e, lookalikes[i].said);
    }
}

static void cut_anywhere(void **state)
{
    (void)state;
    Bytes file = safetensors_of("{\"a\":" GOOD ",\"b\":" T("\"F32\"", "[100]", "[24,424]") "}", 424);
    for (size_t i = 0; i < 50; i++) {
        Err e = { 0 };
        assert_said(read_and_free(exact(file.data, i * file.len / 50), &e), &e, "");
    }
    free((void *)(size_t)file.data);
}

/* ---- conversion ---- */

static Weight vector(DType t, const void *data, int64_t n)
{
    return (Weight){ .dtype = t, .ndim = 1, .shape = { n }, .data = data, .bytes = (size_t)n * dtype_size(t) };
}

/* Every half, by the definition of the format, from an odd address. */
static void all_halves(void **state)
{
    (void)state;
    enum { COUNT = 65536 };
    unsigned char *src = mem_alloc(1 + 2 * COUNT);
    float *dst = mem_array(COUNT, sizeof *dst);
    uint16_t *finite = mem_array(COUNT, sizeof *finite);
    int n = 0;
    for (int i = 0; i < COUNT; i++)
        if ((i >> 10 & 31) != 31) finite[n++] = (uint16_t)i;
    memcpy(src + 1, finite, sizeof *finite * (size_t)n);

    Err e = { 0 };
    Weight w = vector(DT_F16, src + 1, n);
    if (weight_to_f32(&w, dst, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < n; i++) {
        int exponent = finite[i] >> 10 & 31, mantissa = finite[i] & 1023;
        float want = exponent ? ldexpf(1 + (float)mantissa / 1024, exponent - 15) : ldexpf((float)mantissa, -24);
        if (finite[i] >> 15) want = -want;
        if (want != dst[i] || signbit(want) != signbit(dst[i]))
            fail_msg("half %04x is %g, expected %g", finite[i], (double)dst[i], (double)want);
    }
    free(src);
    free(dst);
    free(finite);
}

static void other_types(void **state)
{
    (void)state;
    Err e = { 0 };
    float dst[3];
    const float f32[] = { 1.5f, -0.0f, 1e-40f };
    const double f64[] = { 1.5, -0.1, 3e38 };
    const uint16_t bf16[] = { 0x3fc0, 0x8000, 0x7f7f };
    Weight w = vector(DT_F32, f32, 3);
    assert_int_equal(weight_to_f32(&w, dst, &e), 0);
    assert_memory_equal(dst, f32, sizeof f32);
    w = vector(DT_F64, f64, 3);
    assert_int_equal(weight_to_f32(&w, dst, &e), 0);
    assert_true(dst[0] == 1.5f && dst[1] == -0.1f && dst[2] == 3e38f);
    w = vector(DT_BF16, bf16, 3);
    assert_int_equal(weight_to_f32(&w, dst, &e), 0);
    assert_true(dst[0] == 1.5f && dst[1] == 0 && signbit(dst[1]) && dst[2] > 3.3e38f);
    w = vector(DT_I64, f64, 3);
    assert_said(weight_to_f32(&w, dst, &e), &e, "dtype I64");
}

static void bad_values(void **state)
{
    (void)state;
    static const uint16_t halves[] = { 0, 0x3c00, 0x7c00 }, brains[] = { 0, 0x7fc0, 0 };
    static const float floats[] = { 0, 1, -INFINITY };
    static const double doubles[] = { 1e39, NAN, 0 };
    const struct {
        DType type;
        const void *data;
        const char *said;
    } rows[] = {
        { DT_F16, halves, "element 2 of 3" },
        { DT_BF16, brains, "element 1 of 3" },
        { DT_F32, floats, "element 2 of 3" },
        { DT_F64, doubles, "element 0 of 3" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        float dst[3];
        Weight w = vector(rows[i].type, rows[i].data, 3);
        assert_said(weight_to_f32(&w, dst, &e), &e, rows[i].said);
    }
}

/* ---- writing ---- */

static void write_and_read(void **state)
{
    Err e = { 0 };
    char *path = path_in(*state, "out.safetensors");
    const float x[] = { 1, 2, 3, 4, 5, 6 };
    const int64_t ids[] = { 7, -8 };
    const char *const meta[] = { "steps", "20", "prompt", "a \"red\"\npotion", NULL };
    const TensorOut out[] = { { "x", DT_F32, 2, { 2, 3 }, x },
                              { "ids", DT_I64, 1, { 2 }, ids },
                              { "empty", DT_F32, 1, { 0 }, NULL },
                              { "one", DT_F32, 0, { 0 }, x + 5 } };
    if (safetensors_write(path, out, 4, meta, &e)) fail_msg("%s", e.text);

    Bytes file;
    Weights *w = weights_new();
    assert_int_equal(file_map(&file, path, &e), 0);
    if (safetensors_read(w, file, &e)) fail_msg("%s", e.text);
    assert_int_equal(weights_count(w), 4);
    assert_memory_equal(weights_find(w, "x")->data, x, sizeof x);
    assert_memory_equal(weights_find(w, "ids")->data, ids, sizeof ids);
    assert_memory_equal(weights_find(w, "one")->data, x + 5, sizeof *x);
    assert_int_equal((size_t)weights_find(w, "x")->data % 8, 0);
    char *prompt = safetensors_metadata(file, "prompt");
    assert_string_equal(prompt, "a \"red\"\npotion");
    free(prompt);
    weights_free(w);
    file_unmap(&file);
    free(path);
    assert_said(safetensors_write("/nonexistent/x.safetensors", out, 4, NULL, &e), &e, "/nonexistent/x.safetensors");
}

/* ---- folders ---- */

static void put_tensor(const char *dir, const char *file, const char *tensor)
{
    Str header = { 0 };
    str_addf(&header, "{\"%s\":" GOOD "}", tensor);
    Bytes bytes = safetensors_of(header.s, 24);
    put_file(dir, file, bytes);
    free((void *)(size_t)bytes.data);
    str_release(&header);
}

static void variants(void **state)
{
    static const char *const order[] = { "unet/diffusion_pytorch_model.bf16.safetensors",
                                         "unet/diffusion_pytorch_model.safetensors.fp16.index.json",
                                         "unet/model.fp16.safetensors.index.json",
                                         "unet/model.safetensors.index.fp16.json",
                                         "unet/model.fp16.safetensors",
                                         "unet/diffusion_pytorch_model.fp32.safetensors",
                                         "unet/model.safetensors.index.json",
                                         "unet/diffusion_pytorch_model.safetensors",
                                         NULL };
    Err e = { 0 };
    Str found = { 0 };
    Source *s = source_open(*state, &e);
    assert_said(component_find(s, "unet", &found, &e), &e, "no weights there");
    put_text(*state, "unet/diffusion_pytorch_model.bin", "pickle");
    assert_said(component_find(s, "unet", &found, &e), &e, "import DiffusionPipeline as P");
    put_text(*state, "diffusion_pytorch_model.bin", "pickle");
    assert_said(component_find(s, "", &found, &e), &e, "import AutoModel as P");
    for (const char *const *o = order; *o; o++) { /* each is preferred to those before */
        put_tensor(*state, *o, "a");
        assert_int_equal(component_find(s, "unet", &found, &e), 0);
        assert_string_equal(found.s, *o);
    }
    str_release(&found);
    source_free(s);
}

static int read_shards(const char *dir, const char *index, Err *e)
{
    put_text(dir, "vae/model.safetensors.index.json", index);
    Weights *w = weights_new();
    Source *s = source_open(dir, e);
    int failed = component_read(s, "vae/model.safetensors.index.json", w, e);
    if (!failed) failed = !weights_find(w, "a") || !weights_find(w, "b");
    source_free(s);
    weights_free(w);
    return failed;
}

static void shards(void **state)
{
    Err e = { 0 };
    put_tensor(*state, "vae/1.safetensors", "a");
    put_tensor(*state, "vae/2.safetensors", "b");
    put_tensor(*state, "vae/3.safetensors", "a");
    put_tensor(*state, "out.safetensors", "b");
    if (read_shards(*state, "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}", &e))
        fail_msg("%s", e.text);
    static const struct {
        const char *index, *said;
    } rows[] = {
        { "{\"a\":\"1.safetensors\"}", "weight_map" },
        { "{\"weight_map\":{\"a\":1}}", "1 is not the name" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"../out.safetensors\"}}", "is not the name" },
        { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "is not the name" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"c\":\"2.safetensors\"}}",
          "2.safetensors: the tensor \"c\" is missing" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"4.safetensors\"}}", "4.safetensors: No such file" },
        { "{\"weight_map\":{\"b\":\"2.safetensors\",\"a\":\"2.safetensors\"}}",
          "2.safetensors: the tensor \"a\" is missing" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"3.safetensors\"}}", "\"a\" is there twice" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_said(read_shards(*state, rows[i].index, &e), &e, rows[i].said);
}

static void builtin(void **state)
{
    (void)state;
    Err e = { 0 };
    Bytes b;
    assert_null(source_open_builtin("nothing", &e));
    assert_non_null(strstr(e.text, "built in: sprites"));
    Source *s = source_open_builtin("sprites", &e);
    assert_string_equal(source_name(s), "built-in sprites");
    assert_true(source_has(s, "unet/config.json"));
    assert_false(source_has(s, "unet/config"));
    assert_int_equal(source_get(s, "model_index.json", &b, &e), 0);
    assert_true(b.len > 100 && b.data[0] == '{');
    assert_said(source_get(s, "none", &b, &e), &e, "built-in sprites/none");
    source_free(s);
}

static void no_folder(void **state)
{
    Err e = { 0 };
    Bytes b;
    assert_null(source_open("/nonexistent", &e));
    put_text(*state, "file", "x");
    char *path = path_in(*state, "file");
    assert_null(source_open(path, &e));
    assert_non_null(strstr(e.text, "not a folder"));
    Source *s = source_open(*state, &e);
    assert_said(source_get(s, "vae", &b, &e), &e, "this is a folder"); /* a folder */
    source_free(s);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file),     cmocka_unit_test(broken_headers), cmocka_unit_test(escaped_backslash),
        cmocka_unit_test(deep_nesting),  cmocka_unit_test(long_name),      cmocka_unit_test(header_lengths),
        cmocka_unit_test(other_formats), cmocka_unit_test(cut_anywhere),   cmocka_unit_test(all_halves),
        cmocka_unit_test(other_types),   cmocka_unit_test(bad_values),     cmocka_unit_test(write_and_read),
        cmocka_unit_test(variants),      cmocka_unit_test(shards),         cmocka_unit_test(builtin),
        cmocka_unit_test(no_folder),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
