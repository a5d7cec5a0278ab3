/*
 * unet.c - the UNet: an encoder that leaves skips, a middle, up blocks that use them. See unet.h.
 *
 * Easy to get wrong: an up block's first residual block takes the channels of the level below; sizes that cannot be halved come
 * back by the skip's size, not by 2x.
 */
#include "unet/unet.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "nn/winograd.h"
#include "unet/block.h"
#include "unet/freeu.h"
#include "unet/self.h"

struct UNet {
    Down down;
    Block up[UNET_MAX_LEVELS];
    Norm norm_out;
    Conv conv_out;
    int context_columns, selfs;
    BoundMemory memory;
    size_t weights; /* bytes that were bound, borrowed ones among them; the rest of memory is transformed copies */
};

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static int bind_up(Binder *b, const UNetShape *s, Block *k, int i)
{
    int level = s->levels - 1 - i, out = s->channels[level];
    int below = s->channels[level + 1 < s->levels ? level + 1 : level], above = s->channels[level ? level - 1 : 0];
    block_alloc(k, s->layers[level] + 1, s->up_attention[i] ? s->layers[level] + 1 : 0);
    size_t mark = bind_enter(b, "up_blocks.%d", i);
    for (int j = 0; j < k->count; j++) {
        int in = j ? out : below, skip = j == k->count - 1 ? above : out;
        if (block_bind_resnet(b, s, k, j, in + skip, out) ||
            block_bind_attention(b, s, k, j, level, s->up_depth[i][j], s->only_cross[level]))
            return -1;
    }
    if (level > 0 && bind_conv(b, &k->sampler, "upsamplers.0.conv", out, out, 3)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int unet_bind(Binder *b, UNet *u)
{
    const UNetShape *s = &u->down.s;
    if (down_bind(b, &u->down)) return -1;
    for (int i = 0; i < s->levels; i++)
        if (bind_up(b, s, &u->up[i], i)) return -1;
    if (bind_norm(b, &u->norm_out, "conv_norm_out", s->channels[0], s->groups, s->eps) ||
        bind_conv(b, &u->conv_out, "conv_out", s->channels[0], s->out, 3))
        return -1;
    return bind_finish(b, NULL);
}

static int place_context(UNet *u)
{
    int columns = down_place(&u->down, 0);
    for (int i = 0; i < u->down.s.levels; i++) columns = block_place(&u->up[i], columns);
    return columns;
}

static int number_block(Block *k, int first)
{
    for (int i = 0; i < k->attention_count; i++) first = transformer_number(&k->attentions[i], first);
    return first;
}

static int number_selfs(UNet *u)
{
    int next = 0;
    for (int i = 0; i < u->down.s.levels; i++) next = number_block(&u->down.blocks[i], next);
    next = number_block(&u->down.mid, next);
    for (int i = 0; i < u->down.s.levels; i++) next = number_block(&u->up[i], next);
    return next;
}

UNet *unet_new(Config *c, Weights *w, Err *e)
{
    UNet *u = mem_alloc(sizeof *u);
    Binder b;
    binder_init(&b, w, e);
    int failed =
        unet_shape_read(&u->down.s, c, e) || unet_shape_check(&u->down.s, e) ? config_blame(c, e) : unet_bind(&b, u);
    u->memory = binder_take(&b);
    u->weights = u->memory.bytes + u->memory.borrowed;
    u->context_columns = failed ? 0 : place_context(u);
    u->selfs = failed ? 0 : number_selfs(u);
    if (!failed) return u;
    unet_free(u);
    return NULL;
}

void unet_free(UNet *u)
{
    if (!u) return;
    down_release(&u->down);
    for (int i = 0; i < UNET_MAX_LEVELS; i++) block_release(&u->up[i]);
    bound_release(&u->memory);
    free(u);
}

bool unet_alike(const UNet *a, const UNet *b) { return unet_shape_alike(&a->down.s, &b->down.s); }

int unet_in_channels(const UNet *u) { return u->down.s.in; }
int unet_out_channels(const UNet *u) { return u->down.s.out; }
int unet_context_width(const UNet *u) { return u->down.s.context; }
int unet_sample_size(const UNet *u) { return u->down.s.sample_size; }
int unet_sample_width(const UNet *u) { return u->down.s.sample_width; }
int unet_added_width(const UNet *u) { return u->down.s.added_width; }
int unet_added_id_width(const UNet *u) { return u->down.s.added_ids_dim; }
int unet_cond_width(const UNet *u) { return u->down.s.cond_width; }
int unet_labels(const UNet *u) { return u->down.s.labels; }
int unet_label_width(const UNet *u) { return u->down.s.label_width; }
int unet_factor(const UNet *u) { return 1 << (u->down.s.levels - 1); }
int unet_context_columns(const UNet *u) { return u->context_columns; }
/* Every 3x3 convolution of stride 1. */
static int each_conv(UNet *u, ConvVisit visit, void *ctx, Err *e)
{
    if (down_each_conv(&u->down, visit, ctx, e)) return -1;
    for (int i = 0; i < u->down.s.levels; i++) {
        Conv *sampler = &u->up[i].sampler;
        if (block_each_conv(&u->up[i], visit, ctx, e) || (conv_present(sampler) && visit(ctx, sampler, e))) return -1;
    }
    return visit(ctx, &u->conv_out, e);
}

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

size_t unet_transformed_bytes(const UNet *u, bool rounded)
{
    Keeping k = { .rounded = rounded };
    Err e;
    each_conv((UNet *)(size_t)u, add_bytes, &k, &e);
    return k.bytes;
}

static int keep(void *ctx, Conv *c, Err *e)
{
    const Keeping *k = ctx;
    return winograd_keep(c, k->kernels, k->rounded, k->memory, e);
}

int unet_keep_transformed(UNet *u, const Kernels *k, bool rounded, Err *e)
{
    return each_conv(u, keep, &(Keeping){ .rounded = rounded, .kernels = k, .memory = &u->memory }, e);
}

const BoundMemory *unet_bound(const UNet *u) { return &u->memory; }

int unet_residual_shapes(const UNet *u, int n, int h, int w, Tensor *shapes)
{
    return down_residual_shapes(&u->down, n, h, w, shapes);
}

static int add_crosses(const Block *k, UNetCross *out, int count)
{
    for (int i = 0; i < k->attention_count; i++)
        for (int j = 0; j < k->attentions[i].count && count < UNET_MAX_CROSSES; j++) {
            const Attention *a = &k->attentions[i].blocks[j].attn2;
            out[count++] = (UNetCross){ a->to_q.out, a->kv_at };
        }
    return count;
}

int unet_crosses(const UNet *u, UNetCross out[UNET_MAX_CROSSES])
{
    int count = 0;
    for (int i = 0; i < u->down.s.levels; i++) count = add_crosses(&u->down.blocks[i], out, count);
    for (int i = 0; i < u->down.s.levels; i++) count = add_crosses(&u->up[i], out, count);
    return add_crosses(&u->down.mid, out, count);
}

int unet_selfs(const UNet *u) { return u->selfs; }

/* Whether the attention is one of the block's; then its name. */
static bool name_in(const Block *k, int at, char name[UNET_SELF_NAME], const char *block, int index)
{
    char place[16] = "";
    if (index >= 0) snprintf(place, sizeof place, ".%d", index);
    for (int i = 0; i < k->attention_count; i++)
        for (int j = 0; j < k->attentions[i].count; j++) {
            if (k->attentions[i].blocks[j].attn1.self_at != at) continue;
            snprintf(name, UNET_SELF_NAME, "%s%s.attentions.%d.transformer_blocks.%d.attn1", block, place, i, j);
            return true;
        }
    return false;
}

void unet_self_name(const UNet *u, int at, char name[UNET_SELF_NAME])
{
    bool found = name_in(&u->down.mid, at, name, "mid_block", -1);
    for (int i = 0; i < u->down.s.levels && !found; i++)
        found = name_in(&u->down.blocks[i], at, name, "down_blocks", i) || name_in(&u->up[i], at, name, "up_blocks", i);
    assert(found);
}

int unet_middle_self(const UNet *u, int *h, int *w)
{
    for (int i = 1; i < u->down.s.levels; i++) *h = (*h + 1) / 2, *w = (*w + 1) / 2;
    const Block *mid = &u->down.mid;
    return mid->attention_count && mid->attentions[0].count ? mid->attentions[0].blocks[0].attn1.self_at : -1;
}

int unet_deep_channels(const UNet *u) { return u->down.s.channels[0]; }

static bool attends(const Block *k)
{
    for (int i = 0; i < k->attention_count; i++)
        for (int j = 0; j < k->attentions[i].count; j++)
            if (k->attentions[i].blocks[j].attn1.self_at >= 0) return true;
    return false;
}

bool unet_attends_at_full_size(const UNet *u)
{
    return attends(&u->down.blocks[0]) || attends(&u->up[u->down.s.levels - 1]);
}

const UNetShape *unet_shape(const UNet *u) { return &u->down.s; }
int unet_layers(const UNet *u) { return u->down.blocks[0].count; }
size_t unet_weight_bytes(const UNet *u) { return u->weights; }
size_t unet_bytes(const UNet *u) { return u->memory.bytes; }
size_t unet_borrowed(const UNet *u) { return u->memory.borrowed; }

/* ---- forward ------------------------------------------------------------------------------------------------------- */

void unet_context(Nn *nn, const UNet *u, Tensor context, Tensor kv)
{
    assert(context.c == u->down.s.context && kv.n == context.n && kv.h == context.h && kv.c == u->context_columns);
    down_context(nn, &u->down, context, kv);
    for (int i = 0; i < u->down.s.levels; i++) block_context(nn, &u->up[i], context, kv);
}

/* The keys and values that the caller has, or else ours. */
static Tensor context_for(Nn *nn, const UNet *u, const UNetInputs *in)
{
    if (in->kv.n) return in->kv;
    Tensor kv = tensor_new(nn->arena, in->context.n, in->context.h, in->context.w, u->context_columns);
    unet_context(nn, u, in->context, kv);
    return kv;
}

/* What a control network found, onto what was kept for the way up, and onto the middle's result. */
static void add_residuals(Nn *nn, Tensor *skips, int count, Tensor middle, const UNetInputs *in)
{
    if (!in->residual_count) return;
    assert(in->residual_count == count + 1);
    for (int i = 0; i < count; i++) nn_add(nn, skips[i], in->residuals[i]);
    nn_add(nn, middle, in->residuals[count]);
}

/* What all of the way up is given. */
typedef struct {
    const UNet *u;
    const UNetInputs *in;
    const DownInputs *down;
    size_t base; /* where its results lie in the arena */
} Up;

/* The residual block j of up block i, and its attention. */
static Tensor up_layer(Nn *nn, const Up *up, int i, int j, Tensor x, Tensor skip)
{
    const Block *k = &up->u->up[i];
    freeu_apply(nn, &up->in->freeu, &up->u->down.s, i, &x, &skip);
    x = resblock_forward(nn, &k->resnets[j], nn_concat(nn, x, skip), up->down->temb);
    x = tensor_keep(nn->arena, up->base, x);
    if (!k->attentions) return x;
    return tensor_keep(nn->arena, up->base, transformer_forward(nn, &k->attentions[j], x, up->down->prompt));
}

/* Each block takes the skips of its level. */
static Tensor up_forward(Nn *nn, const Up *up, Tensor x, const Tensor *skips, int skip)
{
    int levels = up->u->down.s.levels;
    for (int i = 0; i < levels; i++) {
        const Block *k = &up->u->up[i];
        for (int j = 0; j < k->count; j++) {
            bool last = i == levels - 1 && j == k->count - 1;
            if (last && up->in->deep_use == DEEP_FILL) tensor_copy(up->in->deep, x);
            x = up_layer(nn, up, i, j, x, skips[--skip]);
        }
        if (conv_present(&k->sampler)) {
            Tensor next = skips[skip - 1];
            x = tensor_keep(nn->arena, up->base, nn_conv2d_up(nn, &k->sampler, x, next.h, next.w));
        }
    }
    assert(skip == 0);
    return x;
}

/* From conv_in to the last residual block by what another forward left. */
static Tensor shallow_forward(Nn *nn, const Up *up, Tensor x)
{
    int last = up->u->down.s.levels - 1;
    if (up->in->residual_count) nn_add(nn, x, up->in->residuals[0]);
    return up_layer(nn, up, last, up->u->up[last].count - 1, up->in->deep, x);
}

Tensor unet_forward(Nn *nn, const UNet *u, Tensor x, float t, const UNetInputs *in)
{
    const UNetShape *s = &u->down.s;
    size_t entry = nn->arena->used;
    Tensor skips[UNET_MAX_SKIPS];
    int skip = unet_shape_skips(s);
    const SelfPlace self = { &in->self, x.h, x.w };
    const Prompted prompt = { context_for(nn, u, in), in->pictures, in->picture_count,
                              self_wanted(&in->self) ? &self : NULL };
    if (in->beside.c) x = nn_concat(nn, x, in->beside);
    assert(x.c == s->in && prompt.kv.c == u->context_columns && prompt.kv.n == x.n);

    /* 1. the time, as every block wants it */
    const DownInputs down = { down_embed(nn, &u->down, x.n, t, in), &prompt, in->features, in->feature_count };
    x = nn_conv2d(nn, &u->down.conv_in, x);

    if (in->deep_use != DEEP_TAKE) {
        /* 2. down: each result is kept for the way up */
        x = down_forward(nn, &u->down, x, &down, skips);

        /* 3. the middle */
        size_t base = nn->arena->used;
        x = down_middle(nn, &u->down, x, &down);
        add_residuals(nn, skips, skip, x, in);

        /* 4. up */
        x = up_forward(nn, &(Up){ u, in, &down, base }, x, skips, skip);
    } else {
        x = shallow_forward(nn, &(Up){ u, in, &down, nn->arena->used }, x);
    }

    /* 5. out */
    x = nn_conv2d_with(nn, &u->conv_out, x, &(With){ .norm = &u->norm_out, .act = ACT_SILU });
    return tensor_keep(nn->arena, entry, x);
}
