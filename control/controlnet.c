/*
 * controlnet.c - see controlnet.h.
 *
 *   hint ─ convolutions, three halvings ─▶ [h, w, c]
 *   x ─ conv_in ─▶ + hint ─ way down, middle ─▶ each result through a 1x1 convolution of its own ─▶ the UNet's skips and middle
 *
 * Easy to get wrong: the hint is RGB in 0..1, not -1..1; its convolutions pad on all sides, those of stride 2 too.
 */
#include "control/controlnet.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/union.h"
#include "nn/winograd.h"
#include "unet/block.h"

enum { MAX_HINT_LEVELS = 8, MAX_HINT_CHANNELS = 4096 };

_Static_assert((int)UNET_MAX_RESIDUALS > (int)UNET_MAX_SKIPS, "the skips and the middle");

struct ControlNet {
    Down down;
    int hint_channels, hint_levels, hint_widths[MAX_HINT_LEVELS];
    bool bgr, pools;
    Conv hint_in, hint_out, hint_blocks[2 * (MAX_HINT_LEVELS - 1)]; /* controlnet_cond_embedding */
    Conv zero[UNET_MAX_RESIDUALS]; /* controlnet_down_blocks, then controlnet_mid_block */
    Union all;                     /* types 0: it is no union */
    int union_heads;
    int outputs, context_columns;
    BoundMemory memory;
};

/* ---- config -------------------------------------------------------------------------------------------------------- */

static int shape_read(ControlNet *n, Config *c, Err *e)
{
    static const int usual[] = { 16, 32, 96, 256 }, of_union[] = { 48, 96, 192, 384 };
    static const char *const by_shape[] = { "num_control_type", "num_trans_channel", "num_trans_layer",
                                            "num_proj_channel", NULL };
    const char *class = config_str(c, "_class_name", "ControlNetModel");
    bool is_union = strcmp(class, "ControlNetUnionModel") == 0;
    n->union_heads = config_int(c, "num_trans_head", 8, 1, 1024);
    config_ignore(c, by_shape);
    if ((!is_union && config_check_class(c, "ControlNetModel", e)) || unet_shape_read_down(&n->down.s, c, e)) return -1;
    unet_shape_refuse_labels(c);
    bool listed = config_has(c, "conditioning_embedding_out_channels");
    n->hint_levels = listed ? config_list_len(c, "conditioning_embedding_out_channels") : 4;
    if (n->hint_levels < 1 || n->hint_levels > MAX_HINT_LEVELS)
        return err_set(e, "conditioning_embedding_out_channels must be a list of 1 to %d channel counts",
                       MAX_HINT_LEVELS);
    if (!listed) memcpy(n->hint_widths, is_union ? of_union : usual, sizeof usual);
    else config_ints(c, "conditioning_embedding_out_channels", 0, n->hint_widths, n->hint_levels, 1, MAX_HINT_CHANNELS);
    n->hint_channels = config_int(c, "conditioning_channels", 3, 1, 4);
    const char *order = config_str(c, "controlnet_conditioning_channel_order", "rgb");
    n->bgr = strcmp(order, "bgr") == 0;
    n->pools = config_bool(c, "global_pool_conditions", false);
    if (config_finish(c, e)) return -1;
    if (!n->bgr && strcmp(order, "rgb") != 0)
        return err_set(e, "controlnet_conditioning_channel_order: \"%.40s\" is not supported (supported: rgb, bgr)",
                       order);
    if (n->hint_channels != 3 && n->hint_channels != 1)
        return err_set(e, "conditioning_channels: %d is not supported (supported: 3, 1)", n->hint_channels);
    if (n->down.s.mid == MID_NONE) return err_set(e, "mid_block_type is null: a ControlNet without a middle");
    return 0;
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static int bind_hint(Binder *b, ControlNet *n)
{
    const int *width = n->hint_widths;
    int blocks = 2 * (n->hint_levels - 1);
    size_t mark = bind_enter(b, "controlnet_cond_embedding");
    if (bind_conv(b, &n->hint_in, "conv_in", n->hint_channels, width[0], 3)) return -1;
    for (int i = 0; i < blocks; i++) {
        size_t inner = bind_enter(b, "blocks");
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        if (bind_conv(b, &n->hint_blocks[i], name, width[i / 2], width[(i + 1) / 2], 3)) return -1;
        bind_leave(b, inner);
    }
    if (bind_conv(b, &n->hint_out, "conv_out", width[n->hint_levels - 1], n->down.s.channels[0], 3)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int bind_zero(Binder *b, ControlNet *n)
{
    Tensor shapes[UNET_MAX_RESIDUALS];
    int skips = unet_shape_skips(&n->down.s);
    n->outputs = down_residual_shapes(&n->down, 1, 1, 1, shapes);
    for (int i = 0; i < n->outputs; i++) {
        size_t mark = i < skips ? bind_enter(b, "controlnet_down_blocks") : 0;
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        int c = shapes[i].c;
        if (bind_conv(b, &n->zero[i], i < skips ? name : "controlnet_mid_block", c, c, 1)) return -1;
        if (i < skips) bind_leave(b, mark);
    }
    return 0;
}

/* What leaves no trace in the shapes of tensors. */
static void take_over(UNetShape *s, const UNetShape *unet)
{
    if (unet->levels == s->levels) memcpy(s->heads, unet->heads, sizeof s->heads);
    if (unet->added_width == s->added_width) s->added_ids_dim = unet->added_ids_dim;
    s->groups = unet->groups;
    s->eps = unet->eps;
    s->freq_shift = unet->freq_shift;
    s->flip_sin_to_cos = unet->flip_sin_to_cos;
}

ControlNet *controlnet_new(Config *c, Weights *w, const UNet *like, Err *e)
{
    ControlNet *n = mem_alloc(sizeof *n);
    Binder b;
    binder_init(&b, w, e);
    int failed = shape_read(n, c, e);
    if (like && !failed) take_over(&n->down.s, unet_shape(like));
    failed = failed || unet_shape_check(&n->down.s, e)
                 ? config_blame(c, e)
                 : bind_hint(&b, n) || down_bind(&b, &n->down) || bind_zero(&b, n) ||
                       union_bind(&b, &n->all, n->down.s.channels[0], n->down.s.time_width, n->union_heads) ||
                       bind_finish(&b, NULL);
    n->memory = binder_take(&b);
    n->context_columns = failed ? 0 : down_place(&n->down, 0);
    if (!failed) return n;
    controlnet_free(n);
    return NULL;
}

void controlnet_free(ControlNet *n)
{
    if (!n) return;
    down_release(&n->down);
    bound_release(&n->memory);
    free(n);
}

int controlnet_fits(const ControlNet *n, const UNet *u, int factor, Err *e)
{
    Tensor own[UNET_MAX_RESIDUALS], its[UNET_MAX_RESIDUALS];
    const UNetShape *s = &n->down.s, *other = unet_shape(u);
    int count = unet_residual_shapes(u, 1, factor << UNET_MAX_LEVELS, 1, its);
    down_residual_shapes(&n->down, 1, factor << UNET_MAX_LEVELS, 1, own);
    if (s->context != other->context)
        return err_set(e, "it reads text of width %d, the model's UNet %d: it is for another family of models",
                       s->context, other->context);
    if (n->outputs != count)
        return err_set(e, "it gives %d results, the model's UNet takes %d: it is for another family of models",
                       n->outputs, count);
    for (int i = 0; i < count; i++)
        if (own[i].c != its[i].c || own[i].h != its[i].h)
            return err_set(
                e, "its result %d has %d channels, the model's UNet %d there: it is for another family of models", i,
                own[i].c, its[i].c);
    if (s->added_width != other->added_width || s->added_ids_dim != other->added_ids_dim)
        return err_set(
            e, "it is told %d numbers besides the text, the model's UNet %d: it is for another family of models",
            s->added_width, other->added_width);
    if (1 << (n->hint_levels - 1) != factor)
        return err_set(e, "it halves its picture to one in %d, the model's VAE to one in %d", 1 << (n->hint_levels - 1),
                       factor);
    if (s->in > other->in) return err_set(e, "it takes %d channels, the model's UNet has %d", s->in, other->in);
    return 0;
}

int controlnet_hint_channels(const ControlNet *n) { return n->hint_channels; }
int controlnet_in_channels(const ControlNet *n) { return n->down.s.in; }
int controlnet_types(const ControlNet *n) { return n->all.types; }
int controlnet_context_width(const ControlNet *n) { return n->down.s.context; }
bool controlnet_pools(const ControlNet *n) { return n->pools; }
int controlnet_context_columns(const ControlNet *n) { return n->context_columns; }
size_t controlnet_bytes(const ControlNet *n) { return n->memory.bytes; }
size_t controlnet_borrowed(const ControlNet *n) { return n->memory.borrowed; }

typedef struct {
    bool rounded;
    size_t bytes;
    const Kernels *kernels;
    BoundMemory *memory;
} Keeping;

static int add_bytes(void *ctx, Conv *c, Err *e)
{
    Keeping *k = ctx;
    (void)e;
    k->bytes += winograd_bytes(c, k->rounded);
    return 0;
}

size_t controlnet_transformed_bytes(const ControlNet *n, bool rounded)
{
    Keeping k = { .rounded = rounded };
    Err e;
    down_each_conv((Down *)(size_t)&n->down, add_bytes, &k, &e);
    return k.bytes;
}

static int keep(void *ctx, Conv *c, Err *e)
{
    const Keeping *k = ctx;
    return winograd_keep(c, k->kernels, k->rounded, k->memory, e);
}

int controlnet_keep_transformed(ControlNet *n, const Kernels *k, bool rounded, Err *e)
{
    return down_each_conv(&n->down, keep, &(Keeping){ .rounded = rounded, .kernels = k, .memory = &n->memory }, e);
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

void controlnet_context(Nn *nn, const ControlNet *n, Tensor context, Tensor kv)
{
    assert(context.c == n->down.s.context && kv.c == n->context_columns);
    down_context(nn, &n->down, context, kv);
}

static Tensor activated(Nn *nn, Tensor x)
{
    nn_act(nn, ACT_SILU, x);
    return x;
}

Tensor controlnet_hint(Nn *nn, const ControlNet *n, Tensor hint, int type)
{
    size_t mark = nn->arena->used;
    Tensor x = tensor_like(nn->arena, hint);
    assert(hint.c == n->hint_channels);
    tensor_copy(x, hint);
    for (size_t i = 0; n->bgr && x.data && i < tensor_rows(x); i++) {
        float *p = x.data + i * (size_t)x.c, first = p[0];
        p[0] = p[x.c - 1];
        p[x.c - 1] = first;
    }
    x = tensor_keep(nn->arena, mark, activated(nn, nn_conv2d(nn, &n->hint_in, x)));
    for (int i = 0; i < 2 * (n->hint_levels - 1); i++) {
        const Conv *c = &n->hint_blocks[i];
        x = tensor_keep(nn->arena, mark, activated(nn, i % 2 ? nn_conv2d_down(nn, c, x, 1) : nn_conv2d(nn, c, x)));
    }
    x = tensor_keep(nn->arena, mark, nn_conv2d(nn, &n->hint_out, x));
    if (n->all.types) union_fuse(nn, &n->all, x, type);
    return x;
}

/* Every value becomes the mean of its channel over the picture. */
static void pool(Tensor x)
{
    size_t c = (size_t)x.c, pixels = (size_t)x.h * (size_t)x.w;
    for (int i = 0; x.data && i < x.n; i++) {
        float *p = tensor_slice(x, i, 1).data;
        for (size_t k = 0; k < c; k++) {
            double sum = 0;
            for (size_t j = 0; j < pixels; j++) sum += (double)p[j * c + k];
            for (size_t j = 0; j < pixels; j++) p[j * c + k] = (float)(sum / (double)pixels);
        }
    }
}

/* residual += scale * zero(x) */
static void give(Nn *nn, const ControlNet *n, int i, Tensor x, const Controlled *out)
{
    size_t mark = nn->arena->used;
    Tensor to = out->residuals[i];
    float scale = out->scales[i];
    assert(to.n == x.n && to.h == x.h && to.w == x.w && to.c == x.c);
    if (scale == 1 && !n->pools) {
        nn_conv2d_with(nn, &n->zero[i], x, &(With){ .residual = to, .into = to });
    } else {
        Tensor y = nn_conv2d(nn, &n->zero[i], x);
        for (size_t k = 0; y.data && k < tensor_len(y); k++) y.data[k] *= scale;
        if (n->pools) pool(y);
        nn_add(nn, to, y);
    }
    arena_reset(nn->arena, mark);
}

void controlnet_forward(Nn *nn, const ControlNet *n, Tensor x, float t, const UNetInputs *in, const Controlled *out)
{
    size_t entry = nn->arena->used;
    Tensor skips[UNET_MAX_RESIDUALS];
    const Prompted prompt = { .kv = in->kv };
    assert(x.c == n->down.s.in && in->kv.c == n->context_columns && in->kv.n == x.n);
    UNetInputs told = *in;
    const UNetShape *s = &n->down.s;
    if (n->all.types) told.more = union_embed(nn, &n->all, out->type, s->flip_sin_to_cos, s->freq_shift);
    const DownInputs down = { .temb = down_embed(nn, &n->down, x.n, t, &told), .prompt = &prompt };
    x = nn_conv2d(nn, &n->down.conv_in, x);
    for (int i = 0; i < x.n; i++) nn_add(nn, tensor_slice(x, i, 1), out->hint);
    x = down_forward(nn, &n->down, x, &down, skips);
    for (int i = 0; i < n->outputs - 1; i++) give(nn, n, i, skips[i], out);
    give(nn, n, n->outputs - 1, down_middle(nn, &n->down, x, &down), out);
    arena_reset(nn->arena, entry);
}
