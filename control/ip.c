/*
 * ip.c - see ip.h.
 *
 *   plain      vector ─ linear ─ norm ─▶ 4 tokens
 *   plus       tokens of the picture ─ learned queries, layer by layer ─ linear ─ norm ─▶ 16 tokens
 *   full face  tokens of the picture ─ linear, GELU, linear ─ norm ─▶ as many
 *
 * Easy to get wrong: attentions are numbered 1, 3, 5, ... over the way down, the way up, and then the middle.
 */
#include "control/ip.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/bind.h"
#include "unet/unet.h"
#include "weights/shapes.h"

enum { MAX_LAYERS = 32, HEAD = 64, MAX_WIDTH = 1 << 16 };

typedef enum { PLAIN, PLUS, FULL_FACE } Kind;
static const char *const kind_names[] = { "plain", "plus", "full face" };

/* Of the queries: to the picture's tokens and themselves, then a feed-forward of their own. */
typedef struct {
    Norm norm1, norm2, norm;
    Linear to_q, to_kv, to_out, fc1, fc2; /* without biases */
} Layer;

struct IpAdapter {
    Kind kind;
    int width, features, tokens; /* of a token; of what it takes; tokens of a plain or a plus one */
    Linear proj, proj_2;         /* plain: to all tokens; full face: two */
    Norm norm;
    const float *queries; /* plus: [tokens, inner] */
    int inner, layers;
    Linear proj_in, proj_out;
    Layer layer[MAX_LAYERS];
    Linear kv[UNET_MAX_CROSSES]; /* to_k_ip and to_v_ip, side by side */
    UNetCross cross[UNET_MAX_CROSSES];
    int crosses;
    BoundMemory memory;
};

/* ---- what it is ------------------------------------------------------------------------------------------------------- */

static int read_kind(IpAdapter *a, const Weights *w, Err *e)
{
    bool first = shapes_dim(w, 0, "image_proj.proj.0.weight") > 0;
    if (shapes_dim(w, 0, "image_proj.perceiver_resampler.proj_in.weight") > 0 ||
        (first && shapes_dim(w, 0, "image_proj.norm.weight") > 0))
        return err_set(
            e, "an IP-Adapter for faces (FaceID), which needs a network that limn does not have: take IP-Adapter "
               "plain, plus or full face");
    if (shapes_dim(w, 0, "image_proj.latents") > 0) a->kind = PLUS;
    else if (first) a->kind = FULL_FACE;
    else if (shapes_dim(w, 0, "image_proj.proj.weight") > 0) a->kind = PLAIN;
    else
        return err_set(e, "no image_proj.proj.weight, image_proj.latents or image_proj.proj.0.weight: not an "
                          "IP-Adapter that limn runs");
    return 0;
}

static void read_plus(IpAdapter *a, const Weights *w)
{
    a->tokens = shapes_dim(w, 1, "image_proj.latents");
    a->inner = shapes_dim(w, 2, "image_proj.latents");
    a->features = shapes_dim(w, 1, "image_proj.proj_in.weight");
    a->width = shapes_dim(w, 0, "image_proj.proj_out.weight");
    a->layers = shapes_count(w, "image_proj.layers.%d.0.to_q.weight");
}

static int read_shapes(IpAdapter *a, const Weights *w, Err *e)
{
    if (read_kind(a, w, e)) return -1;
    if (a->kind == PLUS) read_plus(a, w);
    if (a->kind == PLAIN) {
        a->width = shapes_dim(w, 0, "image_proj.norm.weight");
        a->features = shapes_dim(w, 1, "image_proj.proj.weight");
        a->tokens = a->width ? shapes_dim(w, 0, "image_proj.proj.weight") / a->width : 0;
    }
    if (a->kind == FULL_FACE) {
        a->width = shapes_dim(w, 0, "image_proj.proj.2.weight");
        a->features = shapes_dim(w, 1, "image_proj.proj.0.weight");
    }
    if (!a->width || !a->features || a->width > MAX_WIDTH || a->features > MAX_WIDTH || a->inner > MAX_WIDTH ||
        a->tokens > MAX_WIDTH || (a->kind != FULL_FACE && !a->tokens) ||
        (a->kind == PLUS && (!a->inner || a->layers < 1 || a->layers > MAX_LAYERS)))
        return err_set(e,
                       "an IP-Adapter (%s) of %d tokens of width %d from features of %d: tensors are missing, or "
                       "larger than limn takes",
                       kind_names[a->kind], a->tokens, a->width, a->features);
    return 0;
}

/* ---- binding ------------------------------------------------------------------------------------------------------------ */

static int bind_layer(Binder *b, const IpAdapter *a, Layer *l, int i)
{
    int d = a->inner;
    size_t mark = bind_enter(b, "layers.%d", i), inner = bind_enter(b, "0");
    int heads = shapes_dim(b->weights, 0, "%sto_q.weight", b->prefix), wide;
    int failed =
        heads > MAX_WIDTH ? err_set(b->e, "image_proj.layers.%d.0.to_q: %d rows, more than limn takes", i, heads) : 0;
    failed = failed || bind_norm(b, &l->norm1, "norm1", d, 0, 1e-5f) || bind_norm(b, &l->norm2, "norm2", d, 0, 1e-5f) ||
             bind_linear(b, &l->to_q, "to_q", d, heads, false) ||
             bind_linear(b, &l->to_kv, "to_kv", d, 2 * heads, false) ||
             bind_linear(b, &l->to_out, "to_out", heads, d, false);
    bind_leave(b, inner);
    if (!failed && heads % HEAD)
        failed = err_set(b->e, "image_proj.layers.%d.0.to_q: %d rows, which are not whole heads of %d", i, heads, HEAD);
    inner = bind_enter(b, "1");
    wide = shapes_dim(b->weights, 0, "%s1.weight", b->prefix);
    failed = failed || bind_norm(b, &l->norm, "0", d, 0, 1e-5f) || bind_linear(b, &l->fc1, "1", d, wide, false) ||
             bind_linear(b, &l->fc2, "3", wide, d, false);
    bind_leave(b, inner);
    bind_leave(b, mark);
    return failed ? -1 : 0;
}

static int bind_plus(Binder *b, IpAdapter *a)
{
    if (bind_tensor(b, &a->queries, "latents", 3, (int64_t[]){ 1, a->tokens, a->inner }) ||
        bind_linear(b, &a->proj_in, "proj_in", a->features, a->inner, true) ||
        bind_linear(b, &a->proj_out, "proj_out", a->inner, a->width, true) ||
        bind_norm(b, &a->norm, "norm_out", a->width, 0, 1e-5f))
        return -1;
    for (int i = 0; i < a->layers; i++)
        if (bind_layer(b, a, &a->layer[i], i)) return -1;
    return 0;
}

static int bind_projection(Binder *b, IpAdapter *a)
{
    size_t mark = bind_enter(b, "image_proj");
    int failed = 0, f = a->features;
    switch (a->kind) {
    case PLAIN:
        failed = bind_linear(b, &a->proj, "proj", f, a->tokens * a->width, true) ||
                 bind_norm(b, &a->norm, "norm", a->width, 0, 1e-5f);
        break;
    case PLUS: failed = bind_plus(b, a); break;
    case FULL_FACE:
        failed = bind_linear(b, &a->proj, "proj.0", f, f, true) ||
                 bind_linear(b, &a->proj_2, "proj.2", f, a->width, true) ||
                 bind_norm(b, &a->norm, "proj.3", a->width, 0, 1e-5f);
        break;
    }
    bind_leave(b, mark);
    return failed ? -1 : 0;
}

static int bind_attentions(Binder *b, IpAdapter *a)
{
    static const char *const kv[] = { "to_k_ip", "to_v_ip", NULL };
    for (int i = 0; i < a->crosses; i++) {
        size_t mark = bind_enter(b, "ip_adapter.%d", 2 * i + 1);
        if (bind_linear_joined(b, &a->kv[i], kv, a->width, a->cross[i].channels, false)) return -1;
        bind_leave(b, mark);
    }
    return bind_finish(b, NULL);
}

/* How many attentions it has matrices for. */
static int count_attentions(const Weights *w)
{
    int n = 0;
    while (shapes_dim(w, 0, "ip_adapter.%d.to_k_ip.weight", 2 * n + 1)) n++;
    return n;
}

static int fits(const IpAdapter *a, const Weights *w, const UNet *u, Err *e)
{
    int has = count_attentions(w);
    if (a->width != unet_context_width(u))
        return err_set(e, "its tokens have width %d, the model's UNet reads %d: it is for another family of models",
                       a->width, unet_context_width(u));
    if (has != a->crosses)
        return err_set(e, "it is for a UNet of %d attentions, the model's has %d: it is for another family of models",
                       has, a->crosses);
    return 0;
}

IpAdapter *ip_new(Weights *w, const UNet *u, Err *e)
{
    IpAdapter *a = mem_alloc(sizeof *a);
    Binder b;
    binder_init(&b, w, e);
    int failed = read_shapes(a, w, e);
    if (!failed && u) {
        a->crosses = unet_crosses(u, a->cross);
        failed = fits(a, w, u, e);
    }
    if (!failed) failed = bind_projection(&b, a);
    if (!failed && u) failed = bind_attentions(&b, a);
    a->memory = binder_take(&b);
    if (!failed) return a;
    ip_free(a);
    return NULL;
}

void ip_free(IpAdapter *a)
{
    if (!a) return;
    bound_release(&a->memory);
    free(a);
}

const char *ip_kind(const IpAdapter *a) { return kind_names[a->kind]; }
bool ip_takes_tokens(const IpAdapter *a) { return a->kind != PLAIN; }
int ip_feature_width(const IpAdapter *a) { return a->features; }
int ip_tokens(const IpAdapter *a, int features) { return a->kind == FULL_FACE ? features : a->tokens; }
int ip_context_width(const IpAdapter *a) { return a->width; }
size_t ip_bytes(const IpAdapter *a) { return a->memory.bytes; }
size_t ip_borrowed(const IpAdapter *a) { return a->memory.borrowed; }

/* ---- forward ------------------------------------------------------------------------------------------------------------ */

/* a's tokens, then b's. */
static Tensor one_after_the_other(Nn *nn, Tensor a, Tensor b)
{
    Tensor y = tensor_new(nn->arena, 1, a.h + b.h, 1, a.c);
    if (!y.data) return y;
    memcpy(y.data, a.data, tensor_len(a) * sizeof *y.data);
    memcpy(y.data + tensor_len(a), b.data, tensor_len(b) * sizeof *y.data);
    return y;
}

/* q, in place: to the picture x and themselves. */
static void layer_forward(Nn *nn, const Layer *l, Tensor x, Tensor q)
{
    size_t mark = nn->arena->used;
    Tensor own = nn_layer_norm(nn, &l->norm2, q);
    Tensor kv = nn_linear(nn, &l->to_kv, one_after_the_other(nn, nn_layer_norm(nn, &l->norm1, x), own));
    Tensor y = nn_attention_cross(nn, nn_linear(nn, &l->to_q, own), kv, 0, l->to_q.out / HEAD);
    nn_linear_with(nn, &l->to_out, y, &(With){ .residual = q, .into = q });
    Tensor h = nn_linear_with(nn, &l->fc1, q, &(With){ .norm = &l->norm });
    nn_act(nn, ACT_GELU, h);
    nn_linear_with(nn, &l->fc2, h, &(With){ .residual = q, .into = q });
    arena_reset(nn->arena, mark);
}

static Tensor resample(Nn *nn, const IpAdapter *a, Tensor features)
{
    Tensor x = nn_linear(nn, &a->proj_in, features), q = tensor_new(nn->arena, 1, a->tokens, 1, a->inner);
    if (q.data) memcpy(q.data, a->queries, tensor_len(q) * sizeof *q.data);
    for (int i = 0; i < a->layers; i++) layer_forward(nn, &a->layer[i], x, q);
    return nn_linear(nn, &a->proj_out, q);
}

Tensor ip_project(Nn *nn, const IpAdapter *a, Tensor features)
{
    size_t mark = nn->arena->used;
    Tensor x = features;
    assert(features.n == 1 && features.c == a->features);
    if (a->kind == PLUS) x = resample(nn, a, features);
    if (a->kind == PLAIN) x = tensor_view(nn_linear(nn, &a->proj, features), 1, a->tokens, 1, a->width);
    if (a->kind == FULL_FACE) {
        x = nn_linear(nn, &a->proj, features);
        nn_act(nn, ACT_GELU, x);
        x = nn_linear(nn, &a->proj_2, x);
    }
    return tensor_keep(nn->arena, mark, nn_layer_norm(nn, &a->norm, x));
}

void ip_context(Nn *nn, const IpAdapter *a, Tensor tokens, float scale, Tensor kv)
{
    for (int i = 0; i < a->crosses; i++) {
        size_t mark = nn->arena->used, c = (size_t)a->cross[i].channels;
        Tensor y = nn_linear(nn, &a->kv[i], tokens);
        for (size_t r = 0; y.data && r < tensor_rows(y); r++) {
            float *to = kv.data + r * (size_t)kv.c + a->cross[i].at;
            for (size_t k = 0; k < 2 * c; k++) to[k] = (k < c ? 1 : scale) * y.data[r * 2 * c + k];
        }
        arena_reset(nn->arena, mark);
    }
}
