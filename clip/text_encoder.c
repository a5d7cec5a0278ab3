/*
 * text_encoder.c - see text_encoder.h.
 *
 *   ids ─ token + position embedding ─▶ x
 *   x ─ layers: x += attention(norm1(x)), x += mlp(norm2(x)) ─▶ x ─ final norm ─▶ out; its eos, projected ─▶ pooled
 *
 * Easy to get wrong: attention is causal, padding included (no mask for it); the final norm is applied to an earlier
 * layer's output too; eos_token_id 2 in a config means the place of the largest id, as transformers kept it.
 */
#include "clip/text_encoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/layer.h"

enum { LEGACY_EOS = 2, MAX_WIDTH = 16384, MAX_LAYERS = 128 };

typedef struct {
    ClipShape of; /* a layer's */
    int vocab, tokens, layers, projection, eos;
    bool projected; /* a CLIPTextModelWithProjection */
} Shape;

struct TextEncoder {
    Shape s;
    Table token_embedding;           /* [vocab, width] */
    const float *position_embedding; /* [tokens, width] */
    ClipLayer *layers;
    Norm final_norm;
    Linear projection; /* width -> projection, without bias; absent in a plain CLIPTextModel */
    BoundMemory memory;
    const float *vectors; /* [vector_count, width]: of the ids behind the vocabulary */
    int vector_count;
};

/* ---- config -------------------------------------------------------------------------------------------------------- */

static bool one_of(const char *s, const char *const *names)
{
    while (*names && strcmp(s, *names) != 0) names++;
    return *names != NULL;
}

static bool says_projection(Config *c)
{
    int count = config_list_len(c, "architectures");
    for (int i = 0; i < count; i++) {
        const char *name = config_str_at(c, "architectures", i);
        if (name && strcmp(name, "CLIPTextModelWithProjection") == 0) return true;
    }
    return false;
}

/* A config of another model is called so, before any of its keys is. */
static int check_class(Config *c, Err *e)
{
    static const char *const types[] = { "clip_text_model", "clip", NULL };
    static const char *const classes[] = { "CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel", NULL };
    const char *type = config_str(c, "model_type", types[0]);
    if (!one_of(type, types))
        return err_set(e, "model_type is \"%.60s\"; limn's text encoder is CLIP's, \"clip_text_model\"", type);
    for (int i = 0; i < config_list_len(c, "architectures"); i++) {
        const char *name = config_str_at(c, "architectures", i);
        if (name && !one_of(name, classes))
            return err_set(e, "its architecture is %.60s: expected %s", name, classes[0]);
    }
    return 0;
}

static int shape_read(Shape *s, Config *c, Err *e)
{
    if (check_class(c, e)) return -1;
    *s = (Shape){ .of = { .width = 512, .inner = 2048, .heads = 8, .causal = true }, .projected = says_projection(c) };
    s->vocab = config_int(c, "vocab_size", 49408, 1, 1 << 24);
    s->tokens = config_int(c, "max_position_embeddings", 77, 3, 65536);
    s->layers = config_int(c, "num_hidden_layers", 12, 1, MAX_LAYERS);
    s->projection = config_int(c, "projection_dim", 512, 1, MAX_WIDTH);
    s->eos = config_int(c, "eos_token_id", 49407, 0, 1 << 24);
    if (clip_shape_read(&s->of, c, e)) return -1;
    config_only_bool(c, "use_attention_mask", false);
    config_only_null(c, "quantization_config");
    config_ignore(c, clip_harmless);
    return config_finish(c, e);
}

/* The text half of a whole CLIP's config; projection_dim stands outside of it. */
static int shape_read_nested(Shape *s, Config *c, Err *e)
{
    static const char *const other_half[] = { "model_type",
                                              "text_config",
                                              "text_config_dict",
                                              "vision_config",
                                              "vision_config_dict",
                                              "logit_scale_init_value",
                                              NULL };
    if (check_class(c, e)) return -1;
    Config *text = config_object(c, config_has(c, "text_config_dict") ? "text_config_dict" : "text_config");
    int projection = config_int(c, "projection_dim", 512, 1, MAX_WIDTH);

    config_ignore(c, other_half);
    config_ignore(c, clip_harmless);
    int failed = config_finish(c, e) || (text && shape_read(s, text, e));
    config_free(text);
    s->projection = projection;
    return failed ? -1 : 0;
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

/* Everything but the projection: "text_model.*", or without the prefix as transformers 5 saves a CLIPTextModel. */
static int bind_text_model(Binder *b, TextEncoder *t)
{
    const Shape *s = &t->s;
    bool bare = bind_has(b, "embeddings.token_embedding.weight");
    size_t mark = bare ? 0 : bind_enter(b, "text_model");

    if (bind_table(b, &t->token_embedding, "embeddings.token_embedding.weight", s->vocab, s->of.width) ||
        bind_tensor(b, &t->position_embedding, "embeddings.position_embedding.weight", 2,
                    (int64_t[]){ s->tokens, s->of.width }))
        return -1;
    for (int i = 0; i < s->layers; i++)
        if (clip_layer_bind(b, &s->of, &t->layers[i], i)) return -1;
    if (bind_norm(b, &t->final_norm, "final_layer_norm", s->of.width, 0, s->of.eps)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int text_encoder_bind(Binder *b, TextEncoder *t)
{
    /* the file of a whole CLIP also contains the image encoder */
    static const char *const other_half[] = { "vision_model.", "visual_projection.", "logit_scale", NULL };
    for (size_t i = 0; i < weights_count(b->weights); i++) {
        Weight *w = weights_at(b->weights, i);
        for (const char *const *p = other_half; *p; p++)
            if (strncmp(w->name, *p, strlen(*p)) == 0) w->used = true;
    }

    t->layers = mem_array((size_t)t->s.layers, sizeof *t->layers);
    if (bind_text_model(b, t)) return -1;
    if (t->s.projected || bind_has(b, "text_projection.weight")) {
        if (bind_linear(b, &t->projection, "text_projection", t->s.of.width, t->s.projection, false)) return -1;
    } else {
        t->s.projection = t->s.of.width;
    }
    static const char *const constants[] = { "embeddings.position_ids", NULL };
    return bind_finish(b, constants);
}

TextEncoder *text_encoder_new(Config *c, Weights *w, Err *e)
{
    TextEncoder *t = mem_alloc(sizeof *t);
    bool nested = config_has(c, "text_config") || config_has(c, "text_config_dict");
    Binder b;

    binder_init(&b, w, e);
    int failed = nested ? shape_read_nested(&t->s, c, e) : shape_read(&t->s, c, e);
    failed = failed ? config_blame(c, e) : text_encoder_bind(&b, t);
    t->memory = binder_take(&b);
    if (!failed) return t;
    text_encoder_free(t);
    return NULL;
}

void text_encoder_free(TextEncoder *t)
{
    if (!t) return;
    bound_release(&t->memory);
    free(t->layers);
    free(t);
}

int text_encoder_width(const TextEncoder *t) { return t->s.of.width; }
int text_encoder_tokens(const TextEncoder *t) { return t->s.tokens; }
int text_encoder_vocab(const TextEncoder *t) { return t->s.vocab; }
int text_encoder_layers(const TextEncoder *t) { return t->s.layers; }
int text_encoder_projection(const TextEncoder *t) { return t->s.projection; }
const BoundMemory *text_encoder_bound(const TextEncoder *t) { return &t->memory; }

void text_encoder_set_vectors(TextEncoder *t, const float *vectors, int count)
{
    t->vectors = vectors;
    t->vector_count = count;
}

size_t text_encoder_bytes(const TextEncoder *t) { return t->memory.bytes; }
size_t text_encoder_borrowed(const TextEncoder *t) { return t->memory.borrowed; }

/* ---- forward ------------------------------------------------------------------------------------------------------- */

/* [n, tokens, 1, width] = token_embedding[id] + position_embedding[place] */
static Tensor embed(Nn *nn, const TextEncoder *t, const int *ids, int n)
{
    Tensor x = tensor_new(nn->arena, n, t->s.tokens, 1, t->s.of.width);
    if (!x.data) return x;

    size_t width = (size_t)t->s.of.width, tokens = (size_t)t->s.tokens;
    for (size_t i = 0; i < tensor_rows(x); i++) {
        int beyond = ids[i] - t->s.vocab;
        assert(ids[i] >= 0 && beyond < t->vector_count);
        if (beyond < 0) table_row(&t->token_embedding, (size_t)ids[i], x.data + i * width);
        else memcpy(x.data + i * width, t->vectors + (size_t)beyond * width, width * sizeof *x.data);
        nn->k->add(x.data + i * width, t->position_embedding + i % tokens * width, width);
    }
    return x;
}

/* Where in a row the pooled output is taken; place 0 when there is no eos, as transformers' argmax gives. */
static int pooled_place(const Shape *s, const int *row)
{
    int place = 0;
    for (int i = 0; i < s->tokens; i++) {
        if (s->eos != LEGACY_EOS && row[i] == s->eos) return i;
        if (s->eos == LEGACY_EOS && row[i] < s->vocab && (row[i] > row[place] || row[place] >= s->vocab)) place = i;
    }
    return place;
}

/* x [n, tokens, 1, width], the last layer's output -> pooled [n, 1, 1, projection] */
static void pool(Nn *nn, const TextEncoder *t, const int *ids, Tensor x, Tensor pooled)
{
    Tensor at = tensor_new(nn->arena, x.n, 1, 1, x.c);
    size_t tokens = (size_t)t->s.tokens, width = (size_t)t->s.of.width;

    for (size_t i = 0; at.data && i < (size_t)x.n; i++) {
        size_t row = i * tokens + (size_t)pooled_place(&t->s, ids + i * tokens);
        memcpy(at.data + i * width, x.data + row * width, width * sizeof *x.data);
    }
    at = nn_layer_norm(nn, &t->final_norm, at);
    tensor_copy(pooled, linear_present(&t->projection) ? nn_linear(nn, &t->projection, at) : at);
}

Tensor text_encoder_forward(Nn *nn, const TextEncoder *t, const int *ids, int n, int skip, bool normed, Tensor *pooled)
{
    int last = t->s.layers - skip; /* the layer whose output is asked for; -1: the embeddings before the first */
    assert(skip >= 1 && last >= -1);

    Tensor out = tensor_new(nn->arena, n, t->s.tokens, 1, t->s.of.width);
    if (pooled) *pooled = tensor_new(nn->arena, n, 1, 1, t->s.projection);
    size_t mark = nn->arena->used;
    Tensor x = embed(nn, t, ids, n);
    if (last < 0) tensor_copy(out, normed ? nn_layer_norm(nn, &t->final_norm, x) : x);
    size_t layers_mark = nn->arena->used;

    for (int i = 0; i < t->s.layers && (i <= last || pooled); i++) {
        clip_layer_forward(nn, &t->s.of, &t->layers[i], x);
        if (i == last) tensor_copy(out, normed ? nn_layer_norm(nn, &t->final_norm, x) : x);
        arena_reset(nn->arena, layers_mark);
    }
    if (pooled) pool(nn, t, ids, x, *pooled);
    arena_reset(nn->arena, mark);
    return out;
}

/* The old eos_token_id means the largest id, which eos is. */
bool text_encoder_alike(const TextEncoder *a, const TextEncoder *b)
{
    const Shape *x = &a->s, *y = &b->s;
    bool eos = x->eos == y->eos || x->eos == LEGACY_EOS || y->eos == LEGACY_EOS;
    return x->vocab == y->vocab && x->tokens == y->tokens && x->of.width == y->of.width && x->of.inner == y->of.inner &&
           x->layers == y->layers && x->of.heads == y->of.heads && x->projection == y->projection &&
           x->of.eps == y->of.eps && x->of.act == y->of.act && eos;
}
