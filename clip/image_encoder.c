/*
 * image_encoder.c - see image_encoder.h.
 *
 *   pixels ─ patches, class token in front, + position ─ norm ─ layers ─▶ tokens ─ norm of the first, projected ─▶ vector
 *
 * Easy to get wrong: the first norm is called pre_layrnorm; attention is not causal here.
 */
#include "clip/image_encoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/layer.h"

enum { MAX_SIDE = 4096, MAX_LAYERS = 128, MAX_TOKENS = 1 << 16, MAX_WIDTH = 16384 };

struct ImageEncoder {
    ClipShape s;
    int side, patch, layers, projection, tokens;
    Linear patches;                       /* a patch's pixels -> width, without bias */
    const float *class_token, *positions; /* [width], [tokens, width] */
    Norm before, after;
    ClipLayer *layer; /* [layers] */
    Linear project;   /* without bias */
    BoundMemory memory;
};

/* ---- config -------------------------------------------------------------------------------------------------------- */

static int shape_read(ImageEncoder *t, Config *c, Err *e)
{
    const char *type = config_str(c, "model_type", "clip_vision_model");
    if (strcmp(type, "clip_vision_model") != 0 && strcmp(type, "clip") != 0)
        return err_set(e, "model_type is \"%.60s\"; an image encoder is CLIP's, \"clip_vision_model\"", type);
    static const char *const other[] = { "_class_name", "_diffusers_version", "num_channels", NULL };
    t->s = (ClipShape){ .width = 768, .inner = 3072, .heads = 12 };
    t->side = config_int(c, "image_size", 224, 1, MAX_SIDE);
    t->patch = config_int(c, "patch_size", 32, 1, MAX_SIDE);
    t->layers = config_int(c, "num_hidden_layers", 12, 1, MAX_LAYERS);
    t->projection = config_int(c, "projection_dim", 512, 1, MAX_WIDTH);
    config_only_num(c, "num_channels", 3);
    if (clip_shape_read(&t->s, c, e)) return -1;
    config_ignore(c, other);
    config_ignore(c, clip_harmless);
    if (config_finish(c, e)) return -1;
    int across = t->side / t->patch;
    t->tokens = across * across + 1;
    if (t->patch > t->side || t->tokens > MAX_TOKENS)
        return err_set(e, "image_size %d in patches of %d: limn takes 1 to %d patches", t->side, t->patch, MAX_TOKENS);
    return t->layers > 1 ? 0 : err_set(e, "num_hidden_layers 1: the last layer but one is needed");
}

/* The half for pictures of a whole CLIP's config; projection_dim stands outside of it. */
static int shape_read_nested(ImageEncoder *t, Config *c, Err *e)
{
    Config *own = config_object(c, config_has(c, "vision_config_dict") ? "vision_config_dict" : "vision_config");
    int projection = config_int(c, "projection_dim", 512, 1, MAX_WIDTH);
    int failed = own ? shape_read(t, own, e) : err_set(e, "vision_config is no object");
    config_free(own);
    t->projection = projection;
    return failed;
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static int bind_all(Binder *b, ImageEncoder *t)
{
    const ClipShape *s = &t->s;
    size_t mark = bind_enter(b, "vision_model");
    if (bind_tensor(b, &t->class_token, "embeddings.class_embedding", 1, (int64_t[]){ s->width }) ||
        bind_linear(b, &t->patches, "embeddings.patch_embedding", 3 * t->patch * t->patch, s->width, false) ||
        bind_tensor(b, &t->positions, "embeddings.position_embedding.weight", 2, (int64_t[]){ t->tokens, s->width }) ||
        bind_norm(b, &t->before, "pre_layrnorm", s->width, 0, s->eps))
        return -1;
    t->layer = mem_array((size_t)t->layers, sizeof *t->layer);
    for (int i = 0; i < t->layers; i++)
        if (clip_layer_bind(b, s, &t->layer[i], i)) return -1;
    if (bind_norm(b, &t->after, "post_layernorm", s->width, 0, s->eps)) return -1;
    bind_leave(b, mark);
    if (bind_linear(b, &t->project, "visual_projection", s->width, t->projection, false)) return -1;
    return bind_finish(b, NULL);
}

ImageEncoder *image_encoder_new(Config *c, Weights *w, Err *e)
{
    ImageEncoder *t = mem_alloc(sizeof *t);
    bool nested = config_has(c, "vision_config") || config_has(c, "vision_config_dict");
    Binder b;
    binder_init(&b, w, e);
    int failed = nested ? shape_read_nested(t, c, e) : shape_read(t, c, e);
    failed = failed ? config_blame(c, e) : bind_all(&b, t);
    t->memory = binder_take(&b);
    if (!failed) return t;
    image_encoder_free(t);
    return NULL;
}

void image_encoder_free(ImageEncoder *t)
{
    if (!t) return;
    bound_release(&t->memory);
    free(t->layer);
    free(t);
}

int image_encoder_side(const ImageEncoder *t) { return t->side; }
int image_encoder_tokens(const ImageEncoder *t) { return t->tokens; }
int image_encoder_width(const ImageEncoder *t) { return t->s.width; }
int image_encoder_projection(const ImageEncoder *t) { return t->projection; }

/* ---- forward ------------------------------------------------------------------------------------------------------- */

/* [1, patches, 1, 3 * patch * patch]: colour by colour, as the file's convolution has them. */
static Tensor cut_patches(Nn *nn, const ImageEncoder *t, Tensor pixels)
{
    size_t p = (size_t)t->patch, side = (size_t)t->side, across = side / p;
    Tensor x = tensor_new(nn->arena, 1, t->tokens - 1, 1, (int)(3 * p * p));
    for (size_t i = 0; x.data && i < tensor_len(x); i++) {
        size_t patch = i / (3 * p * p), at = i % (3 * p * p), c = at / (p * p), row = at / p % p, column = at % p;
        size_t y = patch / across * p + row, u = patch % across * p + column;
        x.data[i] = pixels.data[(y * side + u) * 3 + c];
    }
    return x;
}

static Tensor embed(Nn *nn, const ImageEncoder *t, Tensor pixels)
{
    size_t mark = nn->arena->used, width = (size_t)t->s.width;
    Tensor x = tensor_new(nn->arena, 1, t->tokens, 1, t->s.width);
    Tensor patches = nn_linear(nn, &t->patches, cut_patches(nn, t, pixels));
    if (x.data) {
        memcpy(x.data, t->class_token, width * sizeof *x.data);
        memcpy(x.data + width, patches.data, tensor_len(patches) * sizeof *x.data);
        nn->k->add(x.data, t->positions, tensor_len(x));
    }
    return tensor_keep(nn->arena, mark, nn_layer_norm(nn, &t->before, x));
}

Tensor image_encoder_forward(Nn *nn, const ImageEncoder *t, Tensor pixels, bool all)
{
    assert(pixels.n == 1 && pixels.h == t->side && pixels.w == t->side && pixels.c == 3);
    size_t mark = nn->arena->used;
    Tensor x = embed(nn, t, pixels);
    for (int i = 0; i < t->layers - all; i++) clip_layer_forward(nn, &t->s, &t->layer[i], x);
    if (all) return tensor_keep(nn->arena, mark, x);
    Tensor first = { x.data, 1, 1, 1, x.c };
    return tensor_keep(nn->arena, mark, nn_linear(nn, &t->project, nn_layer_norm(nn, &t->after, first)));
}
