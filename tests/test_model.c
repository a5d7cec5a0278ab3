/* test_model.c - models opened, described and hashed: the built-in one, and checkpoints of real size without their values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "pipeline/checking.h"
#include "pipeline/model.h"
#include "pipeline/parts.h"
#include "tests/checkpoint.h"
#include "tests/files.h"
#include "tests/support.h"

/* A cache of its own for each run. */
static int setup(void **state)
{
    folder_setup(state);
    char *cache = path_in(*state, "cache"), *data = path_in(*state, "data");
    setenv("XDG_CACHE_HOME", cache, 1);
    setenv("XDG_DATA_HOME", data, 1);
    free(cache), free(data);
    return 0;
}

static void builtin(void **state)
{
    (void)state;
    Err e = { 0 };
    Model *m = model_open(&(ModelPaths){ .path = "sprites" }, &e);
    if (!m) {
        fail_msg("%s", e.text);
        return;
    }
    assert_string_equal(m->name, "sprites");
    assert_true(m->texts == 1 && m->text[0].tokenizer && m->text[0].encoder && m->unet && m->vae);
    assert_true(m->defaults.width == 256 && m->defaults.steps > 0 && m->defaults.sampler);
    assert_int_equal(m->noise.prediction, PREDICT_V);

    Model *folder = model_open(&(ModelPaths){ .path = "models/sprites", .no_weights = true }, &e);
    if (!folder) fail_msg("%s", e.text);
    assert_int_equal(model_hash(m, &e), 0);
    assert_int_equal(model_hash(folder, &e), 0);
    assert_int_equal(strlen(m->sha256), 64);
    assert_string_equal(m->sha256, folder->sha256); /* the same file, inside the program and outside */
    model_free(folder);
    model_free(m);
}

/* A folder with the parts of models/sprites but for one file. */
static char *put_sprites(const char *dir, const char *other, const char *text)
{
    static const char *const files[] = { "model_index.json",
                                         "limn.json",
                                         "scheduler/scheduler_config.json",
                                         "text_encoder/config.json",
                                         "text_encoder/model.safetensors",
                                         "tokenizer/merges.txt",
                                         "tokenizer/vocab.json",
                                         "unet/config.json",
                                         "vae/config.json",
                                         "unet/diffusion_pytorch_model.safetensors",
                                         "vae/diffusion_pytorch_model.safetensors" };
    char *model = path_in(dir, "model"), *here = realpath("models/sprites", NULL);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *from = path_in(here, files[i]), *to = path_in(model, files[i]);
        unlink(to); /* first of all: writing through an old link would break models/sprites */
        put_text(model, files[i], strcmp(files[i], other) == 0 && text ? text : "");
        if (strcmp(files[i], other) != 0 || !text) unlink(to);
        if (strcmp(files[i], other) != 0) assert_int_equal(symlink(from, to), 0);
        free(from), free(to);
    }
    free(here);
    return model;
}

/* Each file of a folder, when it is broken, is the one that is named. */
static void broken_parts(void **state)
{
    static const struct {
        const char *file, *text, *said;
    } rows[] = {
        { "limn.json", "{\"widht\": 128}", "model: limn.json: limn does not know the option \"widht\"" },
        { "limn.json", "{\"steps\": \"x\"}", "\"steps\" is \"x\"" },
        { "scheduler/scheduler_config.json", "{\"beta_schedule\": \"sigmoid\"}", "scheduler/scheduler_config.json: " },
        { "scheduler/scheduler_config.json", NULL, "scheduler/scheduler_config.json: No such file" },
        { "unet/config.json", "{\"block_out_channels\": []}", "unet/" },
        { "unet/diffusion_pytorch_model.safetensors", NULL, "model/unet/: no weights there" },
        { "vae/diffusion_pytorch_model.safetensors", "GGUF....",
          "vae/diffusion_pytorch_model.safetensors: GGUF of version" },
        { "tokenizer/vocab.json", "[]", "model/tokenizer: " },
        { "tokenizer/merges.txt", NULL, "no merges.txt there" },
        { "text_encoder/config.json", "{\"hidden_size\": -1}", "text_encoder/config.json: \"hidden_size\" is -1" },
        { "text_encoder/config.json", "{}", "text_encoder/model.safetensors: " },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        char *dir = put_sprites(*state, rows[i].file, rows[i].text);
        Model *m = model_open(&(ModelPaths){ .path = dir }, &e);
        assert_said(!m, &e, rows[i].said);
        assert_null(m);
        free(dir);
    }
    char *dir = put_sprites(*state, "", NULL);
    Err e = { 0 };
    Model *m = model_open(&(ModelPaths){ .path = dir }, &e);
    if (!m) fail_msg("%s", e.text);
    model_free(m);
    free(dir);
}

/* ---- single files ---- */

/* The configs made from shapes fit every shape of the real models. */
static void real_sizes(void **state)
{
    for (int two = 0; two < 2; two++) {
        Err e = { 0 };
        char *path = checkpoint_put(*state, "real-768.safetensors", two ? "sd21" : "sd15", NULL, NULL);
        Model *m = model_open(&(ModelPaths){ .path = path, .no_weights = true }, &e);
        if (!m) {
            fail_msg("%s", e.text);
            return;
        }
        assert_string_equal(m->family, two ? "SD 2.x" : "SD 1.x");
        assert_true(m->defaults.width == (two ? 768 : 512) && m->defaults.height == m->defaults.width);
        assert_int_equal(text_encoder_layers(m->text[0].encoder), two ? 23 : 12);
        /* matrices are read where they lie, vectors become f32 */
        double matrices = (double)unet_borrowed(m->unet), halves = 2 * (two ? 865910724.0 : 859520964.0);
        double vectors = (double)unet_bytes(m->unet);
        assert_true(vectors > 0 && matrices + vectors / 2 == halves && vectors < 0.002 * halves);
        assert_int_equal(vae_factor(m->vae), 8);
        assert_null(m->text[0].tokenizer);
        model_free(m);
        free(path);
    }
}

/* What an earlier run found out about a file, as it is now. */
static void note(const char *dir, const char *path, const char *name, const char *value)
{
    struct stat st;
    Str json = { 0 };
    char *real = realpath(path, NULL);
    assert_int_equal(stat(path, &st), 0);
    str_addf(
        &json,
        "{\"%s\": {\"size\": \"%lld\", \"time\": \"%lld.%09ld\", \"changed\": \"%lld.%09ld\", \"inode\": \"%llu\", "
        "\"%s\": \"%s\"}}",
        real, (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
        st.st_ctim.tv_nsec, (unsigned long long)st.st_ino, name, value);
    put_text(dir, "cache/limn/hashes.json", json.s);
    str_release(&json);
    free(real);
}

static void spoil(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_equal(fwrite("\0\xfc", 1, 2, f), 2);
    assert_int_equal(fclose(f), 0);
}

/* A large model's values are looked over after it is opened, by a thread or by who asks: the first bad one is told. */
static void bad_values_of_a_large_model(void **state)
{
    char *path = checkpoint_put(*state, "large.safetensors", "sd15", NULL, NULL);
    ModelPaths paths = { .path = path, .tokenizer = "models/sprites/tokenizer" };
    Err e = { 0 };
    for (int beside = 0; beside < 2; beside++) {
        Model *m = model_open(&paths, &e);
        if (!m) {
            fail_msg("%s", e.text);
            return;
        }
        assert_true(m->large);
        const Weight *t =
            weights_find(parts_named(m->files, "text_encoder")->weights, "encoder.layers.0.mlp.fc1.weight");
        if (!t)
            t = weights_find(parts_named(m->files, "text_encoder")->weights,
                             "text_model.encoder.layers.0.mlp.fc1.weight");
        assert_non_null(t);
        const long places[] = { 77777, 1234 }; /* both are there in the end */
        spoil(path, (long)(t->data - m->files->file[0].bytes.data) + 2 * places[beside]);

        char said[100];
        snprintf(said, sizeof said, "%s holds NaN or infinity (element %ld): the file is damaged", t->name,
                 places[beside]);
        if (beside) model_check_begin(m);
        for (int again = 0; again < 2; again++) {
            e.text[0] = 0;
            assert_int_equal(model_check(m, &e), -1);
            assert_true(str_starts(e.text, path));
            assert_non_null(strstr(e.text, said));
        }
        model_free(m);
    }
    remove(path);
    free(path);
}

/* A part that an earlier run has looked over is believed as long as the file is what it was, and as many tensors count. */
static void values_looked_over_before(void **state)
{
    char *path = checkpoint_put(*state, "noted.safetensors", "sd15", NULL, NULL), value[64];
    ModelPaths paths = { .path = path, .tokenizer = "models/sprites/tokenizer" };
    Err e = { 0 };
    static const struct {
        int more, found;
    } rows[] = { { 1, -1 }, { 0, 0 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t tensors = 0, bytes = 0;
        Model *m = model_open(&paths, &e);
        if (!m) {
            fail_msg("%s", e.text);
            return;
        }
        Weights *w = parts_named(m->files, "unet")->weights;
        for (size_t k = 0; k < weights_count(w); k++) {
            if (weights_at(w, k)->unchecked) tensors++, bytes += weights_at(w, k)->bytes;
        }
        model_free(m);
        snprintf(value, sizeof value, "%zu tensors, %zu bytes", tensors + (size_t)rows[i].more, bytes);
        note(*state, path, "finite unet", value);
        m = model_open(&paths, &e);
        assert_non_null(m);
        w = parts_named(m->files, "unet")->weights;
        const Weight *t = weights_find(w, "mid_block.attentions.0.proj_in.weight");
        assert_non_null(t);
        spoil(path, (long)(t->data - m->files->file[0].bytes.data));
        assert_int_equal(model_check(m, &e), rows[i].found);
        model_free(m);
    }
    Model *m = model_open(&paths, &e); /* another file by now */
    assert_non_null(m);
    assert_int_equal(model_check(m, &e), -1);
    model_free(m);
    remove(path);
    free(path);
}

static void missing_and_misshaped(void **state)
{
    static const struct {
        const char *name, *shape, *said;
    } rows[] = {
        { "model.diffusion_model.out.2.bias", NULL, "tensor conv_out.bias is missing: expected shape [4]" },
        { "model.diffusion_model.out.2.bias", "5", "tensor conv_out.bias has shape [5], expected [4]" },
        { "first_stage_model.decoder.conv_out.weight", "3x64x3x3",
          "tensor decoder.conv_out.weight has shape [3, 64, 3, 3]" },
        { "cond_stage_model.transformer.text_model.final_layer_norm.bias", "7", "final_layer_norm.bias has shape [7]" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        CheckpointLine l;
        Checkpoint c = { 0 };
        FILE *f = fopen(GOLDEN "/ldm/sd15.tsv", "r");
        assert_non_null(f);
        while (checkpoint_line(f, &l)) {
            bool other = strcmp(l.name, rows[i].name) == 0;
            if (!other || rows[i].shape) checkpoint_add(&c, l.name, other ? rows[i].shape : l.shape);
        }
        fclose(f);
        char *path = checkpoint_finish(*state, "broken.safetensors", &c);
        Model *m = model_open(&(ModelPaths){ .path = path, .no_weights = true }, &e);
        assert_said(!m, &e, rows[i].said);
        assert_said(-1, &e, path);
        free(path);
    }
}

/* ---- the hash ---- */

/* Of a file as it is now (NULL: none), whose bytes are said to be these. */
static const char *hash_of(const char *path, Bytes bytes, Model *m)
{
    Err e = { 0 };
    Parts parts = { .hashed = bytes, .hashed_path = (char *)(size_t)path };
    Bytes file = { 0 };
    if (path) assert_int_equal(file_map_as(&file, &parts.hashed_id, path, &e), 0);
    *m = (Model){ .files = &parts };
    assert_int_equal(model_hash(m, &e), 0);
    m->files = NULL;
    file_unmap(&file);
    return m->sha256;
}

/* FIPS 180-2, appendix B.1 */
static const char abc_hash[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void hash(void **state)
{
    Model m;
    Err e;
    char *copy = path_in(*state, "abc"), *cache = path_in(*state, "cache/limn/hashes.json"), *text;
    const char *path = GOLDEN "/ldm/sd15.tsv"; /* any file that is not new */
    const Bytes abc = { (const unsigned char *)"abc", 3 }, other = { (const unsigned char *)"xyz", 3 };
    assert_string_equal(hash_of(NULL, abc, &m), abc_hash);
    assert_string_equal(hash_of(path, abc, &m), abc_hash);
    assert_true(file_exists(cache));
    assert_string_equal(hash_of(path, other, &m), abc_hash); /* the file is as it was: its bytes are not looked at */
    Bytes entries;
    assert_int_equal(file_map(&entries, cache, &e), 0);
    text = mem_strndup((const char *)entries.data, entries.len);
    file_unmap(&entries);
    for (char *at = text; (at = strstr(at, "\"changed\":")); at++) at[1] = 'C';
    put_text(*state, "cache/limn/hashes.json", text); /* as before there were all times: not believed */
    assert_string_not_equal(hash_of(path, other, &m), abc_hash);
    free(text);
    put_text(*state, "cache/limn/hashes.json", "{\"broken");
    assert_string_equal(hash_of(path, abc, &m), abc_hash);
    unlink(cache);

    /* one that is as young as the look at it is not remembered: it could be written again with the same times */
    put_file(*state, "abc", abc);
    assert_string_equal(hash_of(copy, abc, &m), abc_hash);
    assert_false(file_exists(cache));
    assert_string_not_equal(hash_of(copy, other, &m), abc_hash);
    assert_int_equal(mkdir(cache, 0777), 0); /* cannot be read nor written */
    assert_string_equal(hash_of(path, abc, &m), abc_hash);
    rmdir(cache);

    /* nor is a link or a folder where others can write believed */
    assert_string_equal(hash_of(path, abc, &m), abc_hash);
    char *folder = path_in(*state, "cache/limn"), *kept = path_in(*state, "kept.json");
    assert_int_equal(rename(cache, kept) || symlink(kept, cache), 0);
    assert_string_not_equal(hash_of(path, other, &m), abc_hash);
    unlink(cache);
    assert_int_equal(rename(kept, cache) || chmod(folder, 0777), 0);
    assert_string_equal(hash_of(path, abc, &m), abc_hash);
    assert_string_not_equal(hash_of(path, other, &m), abc_hash);
    assert_int_equal(chmod(folder, 0700), 0);
    free(copy), free(cache), free(folder), free(kept);
}

/* What becomes of a file between its mapping and its hash. */
static void replaced_while_loading(void **state)
{
    Err e = { 0 };
    char *path = path_in(*state, "m"), *next = path_in(*state, "n");
    for (int way = 0; way < 3; way++) {
        Parts parts = { .hashed_path = path, .files = 1, .file[0].path = path };
        PartFile *file = &parts.file[0];
        Model m = { .files = &parts };
        put_file(*state, "m", (Bytes){ (const unsigned char *)"abc", 3 });
        put_file(*state, "n", (Bytes){ (const unsigned char *)"xyz", 3 });
        assert_int_equal(file_map_as(&file->bytes, &file->id, path, &e), 0);
        parts.hashed = file->bytes;
        parts.hashed_id = file->id;
        model_hash_begin(&m);
        if (way == 0) assert_int_equal(rename(next, path), 0);
        if (way == 1) assert_int_equal(unlink(path), 0);
        if (way == 2) { /* not cut before: the thread that hashes may be reading it */
            FILE *f = fopen(path, "r+");
            assert_non_null(f);
            assert_int_equal(fwrite("abcd", 1, 4, f), 4);
            assert_int_equal(fclose(f), 0);
        }
        int failed = model_hash(&m, &e);
        if (way == 2) {
            assert_said(failed, &e, "was written while limn read it");
        } else {
            assert_int_equal(failed, 0);
            assert_string_equal(m.sha256, abc_hash); /* of what is mapped */
            assert_non_null(strstr(m.replaced, "was replaced or removed while limn loaded it"));
        }
        free(m.replaced);
        file_unmap(&file->bytes);
    }
    free(path), free(next);
}

/* A thread's is the same and is remembered; one that nobody waits for ends with its model. */
static void hash_beside(void **state)
{
    enum { SIZE = 40 << 20 };
    Err e = { 0 };
    unsigned char *zeros = calloc(1, SIZE);
    Parts parts = { .hashed = { zeros, SIZE } };
    Model m = { .files = &parts }, waited = { .files = &parts };
    for (int i = 0; i < 3; i++) {
        model_hash_begin(&m);
        assert_non_null(m.hashing);
        assert_string_equal(m.sha256, "");
        model_hash_drop(&m);
        assert_null(m.hashing);
    }
    model_hash_begin(&m);
    model_hash_begin(&m); /* the same one */
    assert_int_equal(model_hash(&m, &e), 0);
    assert_int_equal(model_hash(&waited, &e), 0);
    assert_int_equal(strlen(m.sha256), 64);
    assert_string_equal(m.sha256, waited.sha256);
    model_hash_begin(&m);
    assert_null(m.hashing);
    free(zeros);

    char *cache = path_in(*state, "cache/limn/hashes.json");
    const Bytes abc = { (const unsigned char *)"abc", 3 };
    Parts file = { .hashed = abc, .hashed_path = (char *)(size_t)GOLDEN "/ldm/sd15.tsv" };
    Bytes unused;
    unlink(cache);
    assert_int_equal(file_map_as(&unused, &file.hashed_id, file.hashed_path, &e), 0);
    file_unmap(&unused);
    for (int i = 0; i < 2; i++) {
        Model one = { .files = &file };
        model_hash_begin(&one);
        assert_int_equal(one.hashing == NULL, i); /* the second time it is known */
        assert_int_equal(model_hash(&one, &e), 0);
        assert_string_equal(one.sha256, abc_hash);
    }
    free(cache);
}

/* ---- limn info ---- */

static cJSON *described(const ModelPaths *p, int side)
{
    Err e = { 0 };
    Str text = { 0 };
    if (model_describe(p, true, side, side, &text, &e)) fail_msg("%s", e.text);
    cJSON *root = cJSON_Parse(text.s);
    assert_non_null(root);
    str_release(&text);
    return root;
}

static double number(const cJSON *root, const char *a, const char *b, const char *c)
{
    const cJSON *item = cJSON_GetObjectItem(root, a);
    if (b) item = cJSON_GetObjectItem(item, b);
    if (c) item = cJSON_GetObjectItem(item, c);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static const char *word(const cJSON *root, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(root, key));
    return text ? text : "none";
}

static void describe_models(void **state)
{
    char *path = checkpoint_put(*state, "sd15.safetensors", "sd15", NULL, NULL);
    note(*state, path, "sha256", abc_hash); /* so that nobody hashes 2 GB of zeros */
    cJSON *root = described(&(ModelPaths){ .path = path, .tokenizer = "models/sprites/tokenizer" }, 0);
    assert_string_equal(word(root, "family"), "SD 1.x");
    assert_string_equal(word(root, "prediction"), "epsilon");
    assert_string_equal(word(root, "task"), "text to picture");
    assert_string_equal(word(root, "sha256"), abc_hash);
    assert_true(number(root, "parts", "unet", "parameters") == 859520964);
    assert_true(number(root, "parts", "text_encoder", "parameters") == 123060480);
    assert_true(number(root, "parts", "vae", "parameters") == 83653863);
    assert_true(number(root, "width", NULL, NULL) == 512);
    double need = number(root, "memory_bytes", NULL, NULL), weights = number(root, "weights_bytes", NULL, NULL);
    double cached =
        number(root, "cached_bytes", NULL, NULL); /* matrices; what must be had is activations and vectors */
    assert_true(weights > 1.9e9 && weights < 2.4e9 && cached > 0.99 * weights && cached < weights);
    assert_true(need > 0.4e9 && need < 0.7e9);
    cJSON_Delete(root);
    root = described(&(ModelPaths){ .path = path, .tokenizer = "models/sprites/tokenizer" }, 1024);
    assert_true(number(root, "memory_bytes", NULL, NULL) > need);
    cJSON_Delete(root);
    root = described(&(ModelPaths){ .path = path }, 0); /* without a tokenizer the rest can still be said */
    assert_true(number(root, "memory_bytes", NULL, NULL) == -1 && number(root, "weights_bytes", NULL, NULL) == weights);
    cJSON_Delete(root);
    free(path);

    root = described(&(ModelPaths){ .path = "sprites" }, 0);
    assert_true(number(root, "memory_bytes", NULL, NULL) > 0);
    assert_true(number(root, "defaults", "steps", NULL) > 0);
    cJSON_Delete(root);
}

static void describe_others(void **state)
{
    Err e = { 0 };
    Str text = { 0 };
    cJSON *root = described(&(ModelPaths){ .path = "models/sprites/vae/diffusion_pytorch_model.safetensors" }, 0);
    assert_string_equal(word(root, "kind"), "a VAE alone");
    assert_true(number(root, "tensors", NULL, NULL) > 100);
    cJSON_Delete(root);

    Checkpoint c = { 0 };
    checkpoint_add(&c, "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", "4x1280");
    checkpoint_add(&c, "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", "1280x4");
    char *path = checkpoint_finish(*state, "lora.safetensors", &c);
    assert_int_equal(model_describe(&(ModelPaths){ .path = path }, false, 0, 0, &text, &e), 0);
    assert_non_null(strstr(text.s, "LoRA for"));
    free(path);

    str_clear(&text);
    assert_int_equal(model_describe(&(ModelPaths){ .path = "sprites" }, false, 0, 0, &text, &e), 0);
    static const char *const lines[] = { "text_encoder", "unet",      "vae", "F16",
                                         "v_prediction", "256 x 256", "GB",  "sha256" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(text.s, lines[i])) fail_msg("no \"%s\" in:\n%s", lines[i], text.s);
    str_release(&text);
    assert_said(model_describe(&(ModelPaths){ .path = "README" }, false, 0, 0, &text, &e), &e, "README");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin),
        cmocka_unit_test(broken_parts),
        cmocka_unit_test(real_sizes),
        cmocka_unit_test(bad_values_of_a_large_model),
        cmocka_unit_test(values_looked_over_before),
        cmocka_unit_test(missing_and_misshaped),
        cmocka_unit_test(hash),
        cmocka_unit_test(replaced_while_loading),
        cmocka_unit_test(hash_beside),
        cmocka_unit_test(describe_models),
        cmocka_unit_test(describe_others),
    };
    return cmocka_run_group_tests(tests, setup, folder_teardown);
}
