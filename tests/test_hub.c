/* test_hub.c - names and addresses of models, and which files of a repository are wanted. */
#include <stdlib.h>
#include <string.h>

#include "hub/cache.h"
#include "hub/files.h"
#include "hub/url.h"
#include "tests/files.h"
#include "tests/support.h"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *repo, *revision, *file; /* repo NULL: no name */
    } rows[] = {
        { "stabilityai/sd-turbo", "stabilityai/sd-turbo", "main", NULL },
        { "a/b@v1", "a/b", "v1", NULL },
        { "a/b@refs/pr/1", "a/b", "refs/pr/1", NULL },
        { "a/b:x.safetensors", "a/b", "main", "x.safetensors" },
        { "a/b@v1:sub/x.gguf", "a/b", "v1", "sub/x.gguf" },
        { "a.b/c_d.e", "a.b/c_d.e", "main", NULL },
        { "a", NULL, NULL, NULL },
        { "/a/b", NULL, NULL, NULL },
        { "a/b/c", NULL, NULL, NULL },
        { "../b", NULL, NULL, NULL },
        { "a/..", NULL, NULL, NULL },
        { "./b", NULL, NULL, NULL },
        { "a/b@", NULL, NULL, NULL },
        { "a/b@../x", NULL, NULL, NULL },
        { "a/b:", NULL, NULL, NULL },
        { "a/b:../x", NULL, NULL, NULL },
        { "a/b:/etc/passwd", NULL, NULL, NULL },
        { "a b/c", NULL, NULL, NULL },
        { "-a/b", NULL, NULL, NULL },
        { "", NULL, NULL, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        HubName n;
        bool is = hub_name_parse(rows[i].text, &n);
        if (is != (rows[i].repo != NULL)) fail_msg("\"%s\": %s", rows[i].text, is ? "is a name" : "is no name");
        if (!is) continue;
        assert_string_equal(n.repo, rows[i].repo);
        assert_string_equal(n.revision, rows[i].revision);
        if (rows[i].file) assert_string_equal(n.file, rows[i].file);
        else assert_null(n.file);
        hub_name_release(&n);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *base, *location, *want; /* want NULL: refused */
    } rows[] = {
        { "https://h/a/b?x", "c", "https://h/a/c" },
        { "https://h/a/b", "/c?d", "https://h/c?d" },
        { "https://h", "c", "https://h/c" },
        { "https://h:8/a", "//other/b", "https://other/b" },
        { "https://h/a", "http://127.0.0.1/b", "http://127.0.0.1/b" },
        { "https://h/a", "file:///etc/passwd", NULL },
        { "https://h/a", "https://u:p@other/b", NULL },
        { "https://h/a", "https://other/a b", NULL },
        { "https://h/a", "https:///b", NULL },
        { "https://h/a", "gopher://x/", NULL },
        { "https://h/a", "https://x/\"\nurl = \"file:///etc/passwd", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Str out = { 0 };
        Err e = { 0 };
        int failed = url_join(&out, rows[i].base, rows[i].location, &e);
        if (rows[i].want) assert_string_equal(str_text(&out), rows[i].want);
        else assert_said(failed, &e, "no address that limn follows");
        str_release(&out);
    }
    assert_true(url_same_origin("https://h/a", "https://H/b") && url_same_origin("http://h:1", "http://h:1/x"));
    assert_false(url_same_origin("https://h/a", "http://h/a"));
    assert_false(url_same_origin("https://h/a", "https://h.evil/a"));
    assert_false(url_same_origin("https://h/a", "https://h:8/a"));
    assert_true(url_is_loopback("http://127.0.0.1:8/x") && url_is_loopback("http://localhost") &&
                url_is_loopback("http://[::1]:8/"));
    assert_false(url_is_loopback("http://127.0.0.1.evil/") || url_is_loopback("http://localhost.evil/"));
    Str name = { 0 };
    url_file_name("https://h/a/b%20c.safetensors?x=/y", &name);
    assert_string_equal(str_text(&name), "b c.safetensors");
    url_file_name("https://h/a/%2e%2e%2fx", &name);
    assert_string_equal(str_text(&name), "");
    url_file_name("https://h/", &name);
    assert_string_equal(str_text(&name), "");
    str_release(&name);
    static const char *const unsafe[] = { "", "/a", "a//b", "a/../b", "..", ".", "a\\b", "a/", "a\nb", "-x", "a/-x" };
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        if (url_safe_path(unsafe[i])) fail_msg("\"%s\" is taken", unsafe[i]);
    assert_true(url_safe_path("unet/a.b-c_d.safetensors") && url_safe_path(".gitattributes"));
}

/* ---- which files ---- */

#define INDEX                                                                                                          \
    "{\"_class_name\": \"StableDiffusionPipeline\", \"unet\": [\"diffusers\", \"U\"], \"vae\": [\"diffusers\", "       \
    "\"V\"], "                                                                                                         \
    "\"text_encoder\": [\"transformers\", \"C\"], \"text_encoder_2\": [null, null], \"tokenizer\": "                   \
    "[\"transformers\", \"T\"], "                                                                                      \
    "\"scheduler\": [\"diffusers\", \"S\"], \"safety_checker\": [\"x\", \"Y\"], \"requires_safety_checker\": true}"

/* Everything that a pipeline's repository usually has but for the UNet's weights. */
static const char *const usual[] = { "model_index.json",
                                     "README.md",
                                     "scheduler/scheduler_config.json",
                                     "tokenizer/vocab.json",
                                     "tokenizer/merges.txt",
                                     "text_encoder/config.json",
                                     "text_encoder/model.safetensors",
                                     "text_encoder/model.fp16.safetensors",
                                     "vae/config.json",
                                     "vae/diffusion_pytorch_model.safetensors",
                                     "vae/diffusion_pytorch_model.bin",
                                     "unet/config.json",
                                     "safety_checker/config.json",
                                     "x.ckpt" };

static HubFiles files_of(const char *const *more)
{
    HubFiles f = { 0 };
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) hub_files_add(&f, usual[i]);
    for (; *more; more++) hub_files_add(&f, *more);
    return f;
}

static bool wanted(const HubFiles *f, const char *path)
{
    const HubFile *found = hub_files_find(f, path);
    return found && found->wanted;
}

static void test_choice(void **state)
{
    (void)state;
    static const struct {
        const char *more[4], *variant;
        const char *want, *not ; /* of the UNet's */
    } rows[] = {
        { { "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors" },
          NULL,
          "unet/diffusion_pytorch_model.safetensors",
          "unet/diffusion_pytorch_model.fp16.safetensors" },
        { { "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors" },
          "fp16",
          "unet/diffusion_pytorch_model.fp16.safetensors",
          "unet/diffusion_pytorch_model.safetensors" },
        { { "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.bf16.safetensors" },
          "fp16",
          "unet/diffusion_pytorch_model.bf16.safetensors",
          "unet/diffusion_pytorch_model.bin" },
        { { "unet/diffusion_pytorch_model.safetensors.index.json", "unet/a-1-of-1.safetensors" },
          NULL,
          "unet/diffusion_pytorch_model.safetensors.index.json",
          "unet/a-1-of-1.safetensors" },
        { { "unet/diffusion_pytorch_model.safetensors.index.fp16.json" },
          "fp16",
          "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
          "x.ckpt" },
        { { "unet/diffusion_pytorch_model.safetensors.fp16.index.json" }, /* as diffusers wrote it before 0.33 */
          "fp16",
          "unet/diffusion_pytorch_model.safetensors.fp16.index.json",
          "x.ckpt" },
        { { "unet/diffusion_pytorch_model.fp32.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors" },
          NULL,
          "unet/diffusion_pytorch_model.fp32.safetensors",
          "unet/diffusion_pytorch_model.fp16.safetensors" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Str notes = { 0 };
        HubFiles f = files_of(rows[i].more);
        if (hub_files_choose(&f, INDEX, NULL, &(HubChoice){ .variant = rows[i].variant }, &notes, &e))
            fail_msg("%s", e.text);
        if (!wanted(&f, rows[i].want) || wanted(&f, rows[i].not )) fail_msg("row %zu: %s", i, rows[i].want);
        assert_true(wanted(&f, "model_index.json") && wanted(&f, "tokenizer/merges.txt") &&
                    wanted(&f, "vae/config.json"));
        assert_false(wanted(&f, "README.md") || wanted(&f, "safety_checker/config.json") || wanted(&f, "x.ckpt"));
        bool halves = rows[i].variant && strcmp(rows[i].variant, "fp16") == 0;
        assert_true(wanted(&f, halves ? "text_encoder/model.fp16.safetensors" : "text_encoder/model.safetensors"));
        str_release(&notes);
        hub_files_release(&f);
    }
}

/* The x4 upscaler and unCLIP have parts of their own; an image encoder without a normaliser belongs to no known model. */
static void test_parts_of_their_own(void **state)
{
    (void)state;
    static const char *const more[] = { "unet/diffusion_pytorch_model.safetensors",
                                        "image_encoder/config.json",
                                        "image_encoder/model.safetensors",
                                        "image_normalizer/config.json",
                                        "image_normalizer/diffusion_pytorch_model.safetensors",
                                        "image_noising_scheduler/scheduler_config.json",
                                        "low_res_scheduler/scheduler_config.json",
                                        NULL };
    static const struct {
        const char *names;
        bool encoder, normaliser, noising, small;
    } rows[] = {
        { "image_encoder", false, false, false, false },
        { "image_encoder image_normalizer image_noising_scheduler", true, true, true, false },
        { "low_res_scheduler", false, false, false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Str notes = { 0 }, index = { 0 };
        HubFiles f = files_of(more);
        str_addf(&index, "%.*s", (int)strlen(INDEX) - 1, INDEX);
        for (const char *p = rows[i].names; *p; p += strcspn(p, " "), p += *p == ' ')
            str_addf(&index, ", \"%.*s\": [\"diffusers\", \"X\"]", (int)strcspn(p, " "), p);
        str_add(&index, "}");
        if (hub_files_choose(&f, index.s, NULL, &(HubChoice){ 0 }, &notes, &e)) fail_msg("%s", e.text);
        assert_int_equal(wanted(&f, "image_encoder/model.safetensors"), rows[i].encoder);
        assert_int_equal(wanted(&f, "image_encoder/config.json"), rows[i].encoder);
        assert_int_equal(wanted(&f, "image_normalizer/diffusion_pytorch_model.safetensors"), rows[i].normaliser);
        assert_int_equal(wanted(&f, "image_noising_scheduler/scheduler_config.json"), rows[i].noising);
        assert_int_equal(wanted(&f, "low_res_scheduler/scheduler_config.json"), rows[i].small);
        str_release(&notes);
        str_release(&index);
        hub_files_release(&f);
    }
}

static void test_lacking(void **state)
{
    (void)state;
    static const struct {
        const char *more[3], *index, *file, *said;
    } rows[] = {
        { { NULL }, INDEX, NULL, "unet: no weights in safetensors" },
        { { "unet/diffusion_pytorch_model.bin" }, INDEX, NULL, "unet: only a PyTorch pickle" },
        { { "unet/diffusion_pytorch_model.safetensors" },
          "{\"transformer\": [\"a\", \"b\"]}",
          NULL,
          "no part of Stable Diffusion" },
        { { "unet/diffusion_pytorch_model.safetensors" }, "{", NULL, "model_index.json" },
        { { NULL }, NULL, "none.gguf", "no file \"none.gguf\"" },
        { { NULL }, NULL, NULL, "no model that limn runs" },
        { { "a.safetensors", "b.gguf" }, NULL, NULL, "a.safetensors, b.gguf" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Str notes = { 0 };
        HubFiles f = files_of(rows[i].more);
        assert_said(hub_files_choose(&f, rows[i].index, rows[i].file, &(HubChoice){ 0 }, &notes, &e), &e, rows[i].said);
        str_release(&notes);
        hub_files_release(&f);
    }
}

static void test_shards(void **state)
{
    (void)state;
    static const char *const more[] = { "unet/a.safetensors", "unet/b.safetensors", NULL };
    HubFiles f = files_of(more);
    Err e = { 0 };
    const char *path = "unet/diffusion_pytorch_model.safetensors.index.json";
    assert_true(hub_files_is_index(path) && hub_files_is_index("unet/model.fp16.safetensors.index.json"));
    assert_true(hub_files_is_index("unet/model.safetensors.fp16.index.json"));
    assert_false(hub_files_is_index("unet/config.json") || hub_files_is_index("model_index.json"));
    assert_int_equal(
        hub_files_add_shards(&f, path, "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"a.safetensors\"}}", &e),
        0);
    assert_true(wanted(&f, "unet/a.safetensors") && !wanted(&f, "unet/b.safetensors"));
    assert_said(hub_files_add_shards(&f, path, "{\"weight_map\": {\"x\": \"../x.ckpt\"}}", &e), &e,
                "not a file in its folder");
    assert_said(hub_files_add_shards(&f, path, "{\"weight_map\": {\"x\": \"c.safetensors\"}}", &e), &e,
                "not a file in its folder");
    assert_said(hub_files_add_shards(&f, path, "{\"weight_map\": {\"x\": 1}}", &e), &e, "not a file in its folder");
    assert_said(hub_files_add_shards(&f, path, "{}", &e), &e, "weight_map");
    assert_said(hub_files_add_shards(&f, path, "[", &e), &e, path);
    hub_files_release(&f);
}

static void test_cache_names(void **state)
{
    (void)state;
    char *name = hub_cache_name("/c/models--org--sd-turbo/snapshots/0123456789012345678901234567890123456789/");
    assert_string_equal(name, "sd-turbo");
    free(name);
    assert_null(hub_cache_name("/c/models--org--x/snapshots/0123456789012345678901234567890123456789/unet"));
    assert_null(hub_cache_name("/c/models--org--x/blobs/0123456789012345678901234567890123456789"));
    assert_null(hub_cache_name("x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_names),      cmocka_unit_test(test_addresses),
                                        cmocka_unit_test(test_choice),     cmocka_unit_test(test_parts_of_their_own),
                                        cmocka_unit_test(test_lacking),    cmocka_unit_test(test_shards),
                                        cmocka_unit_test(test_cache_names) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
