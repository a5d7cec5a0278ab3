/*
 * test_text_encoder.c - the text encoder against transformers: every folder of tests/golden/clip/encoders, whose
 * io.safetensors clip.py describes; and configs and weights that must be refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clip/text_encoder.h"
#include "tests/support.h"

#define ENCODERS GOLDEN "/clip/encoders"

static const double LIMIT = 1e-6;

typedef struct {
    Fixture weights, io;
    TextEncoder *t;
    int skip;
    bool normed, pool;
    Tensor pooled;
} Case;

static void case_open(Case *c, const char *dir)
{
    Err e = { 0 };
    *c = (Case){ .skip = 1, .normed = true };
    fixture_open(&c->weights, "%s/model.safetensors", dir);
    fixture_open(&c->io, "%s/io.safetensors", dir);
    Config *config = config_open("%s/config.json", dir);
    c->t = text_encoder_new(config, c->weights.w, &e);
    config_free(config);
    if (!c->t) fail_msg("%s: %s", dir, e.text);
}

static void case_close(Case *c)
{
    text_encoder_free(c->t);
    fixture_close(&c->io);
    fixture_close(&c->weights);
}

static Tensor forward(Nn *nn, void *ctx)
{
    Case *c = ctx;
    size_t len;
    const int *ids = fixture_ints(&c->io, "ids", &len);
    int n = (int)len / text_encoder_tokens(c->t);
    return text_encoder_forward(nn, c->t, ids, n, c->skip, c->normed, c->pool ? &c->pooled : NULL);
}

static void check(Case *c, const char *dir, const char *name)
{
    Arena a, one;
    size_t len;
    const float *expected = fixture_f32(&c->io, name, &len);
    Tensor out = run_measured(forward, c, 2, &a);
    assert_int_equal(tensor_len(out), len);
    assert_error(relative_l2(out.data, expected, len), LIMIT, "%s %s", dir, name);

    if (c->pool) {
        const float *pooled = fixture_f32(&c->io, "pooled", &len);
        assert_int_equal(c->pooled.c, text_encoder_projection(c->t));
        assert_int_equal(tensor_len(c->pooled), len);
        assert_error(relative_l2(c->pooled.data, pooled, len), LIMIT, "%s pooled with %s", dir, name);
    }
    Tensor same = run_measured(forward, c, 1, &one);
    assert_memory_equal(out.data, same.data, tensor_len(out) * sizeof *out.data);
    arena_release(&one);
    arena_release(&a);
}

static void check_folder(const char *dir)
{
    Case c;
    case_open(&c, dir);
    for (c.skip = 1; c.skip <= 3; c.skip++) {
        char name[32];
        snprintf(name, sizeof name, "hidden.%d", c.skip);
        for (int pool = 0; pool < 2; pool++) {
            c.pool = pool;
            check(&c, dir, name);
        }
    }
    c.skip = 2;
    c.normed = false;
    check(&c, dir, "raw.2");
    case_close(&c);
}

static void test_golden(void **state)
{
    (void)state;
    int found = 0;
    char **names = folders_in(ENCODERS);
    for (char **n = names; *n; n++, found++) {
        char dir[256];
        snprintf(dir, sizeof dir, ENCODERS "/%s", *n);
        check_folder(dir);
    }
    names_free(names);
    assert_true(found >= 6);
}

static void test_shape(void **state)
{
    (void)state;
    Case c;
    case_open(&c, ENCODERS "/big-g");
    assert_int_equal(text_encoder_width(c.t), 32);
    assert_int_equal(text_encoder_tokens(c.t), 12);
    assert_int_equal(text_encoder_vocab(c.t), 60);
    assert_int_equal(text_encoder_layers(c.t), 3);
    assert_int_equal(text_encoder_projection(c.t), 20);
    assert_true(text_encoder_bytes(c.t) > 0);
    case_close(&c);
}

/* Weights of big-g; its config with `from` replaced by `to`. */
static void refused(const char *from, const char *to, const char *expected)
{
    Err e = { 0 };
    Fixture weights;
    Bytes json;
    assert_int_equal(file_map(&json, ENCODERS "/big-g/config.json", &e), 0);
    char *text = strndup((const char *)json.data, json.len), *at = strstr(text, from);
    assert_non_null(at);
    Str changed = { 0 };
    str_addn(&changed, text, (size_t)(at - text));
    str_add(&changed, to);
    str_add(&changed, at + strlen(from));

    fixture_open(&weights, ENCODERS "/big-g/model.safetensors");
    Config *config = config_parse((Bytes){ (const unsigned char *)changed.s, changed.len }, "config.json", &e);
    assert_non_null(config);
    TextEncoder *t = text_encoder_new(config, weights.w, &e);
    if (t) fail_msg("%s was accepted", to);
    if (!strstr(e.text, expected)) fail_msg("%s: \"%s\" does not say \"%s\"", to, e.text, expected);

    config_free(config);
    fixture_close(&weights);
    str_release(&changed);
    free(text);
    file_unmap(&json);
}

static void test_refused(void **state)
{
    (void)state;
    refused("\"gelu\"", "\"swish\"", "swish");
    refused("\"clip_text_model\"", "\"t5\"", "model_type");
    refused("\"hidden_size\": 32", "\"hidden_size\": 33", "divided");
    refused("\"hidden_size\": 32", "\"hidden_size\": 30", "[60, 30]");
    refused("\"hidden_size\": 32", "\"hidden_size\": 0", "hidden_size");
    refused("\"hidden_size\": 32", "\"hidden_size\": \"32\"", "hidden_size");
    refused("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", "encoder.layers.3");
    refused("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2", "encoder.layers.2");
    refused("\"vocab_size\": 60", "\"vocab_size\": 61", "[61, 32]");
    refused("\"max_position_embeddings\": 12", "\"max_position_embeddings\": 13", "position_embedding");
    refused("\"projection_dim\": 20", "\"projection_dim\": 21", "text_projection");
    refused("\"num_attention_heads\": 2", "\"num_attention_heads\": 2, \"rope_theta\": 10000", "rope_theta");
    refused("\"eos_token_id\": 2", "\"eos_token_id\": [2, 3]", "eos_token_id");
}

/* A config that promises a projection needs the tensor. */
static void test_missing_projection(void **state)
{
    (void)state;
    Err e = { 0 };
    Fixture weights;
    fixture_open(&weights, ENCODERS "/vit-h/model.safetensors");
    Config *config = config_open(ENCODERS "/big-g/config.json");
    assert_null(text_encoder_new(config, weights.w, &e));
    assert_non_null(strstr(e.text, "text_projection.weight"));
    config_free(config);
    fixture_close(&weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_shape),
                                        cmocka_unit_test(test_refused), cmocka_unit_test(test_missing_projection) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
