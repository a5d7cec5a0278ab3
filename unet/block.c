/* block.c - see block.h. */
#include "unet/block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void block_alloc(Block *k, int count, int attentions)
{
    k->count = count;
    k->attention_count = attentions;
    k->resnets = mem_array((size_t)count, sizeof *k->resnets);
    if (attentions) k->attentions = mem_array((size_t)attentions, sizeof *k->attentions);
}

void block_release(Block *k)
{
    for (int i = 0; i < k->attention_count; i++) transformer_release(&k->attentions[i]);
    free(k->attentions);
    free(k->resnets);
}

int block_place(Block *k, int columns)
{
    for (int i = 0; i < k->attention_count; i++) columns = transformer_place(&k->attentions[i], columns);
    return columns;
}

void block_context(Nn *nn, const Block *k, Tensor context, Tensor kv)
{
    for (int i = 0; i < k->attention_count; i++) transformer_context(nn, &k->attentions[i], context, kv);
}

int down_place(Down *d, int columns)
{
    for (int i = 0; i < d->s.levels; i++) columns = block_place(&d->blocks[i], columns);
    return block_place(&d->mid, columns);
}

void down_context(Nn *nn, const Down *d, Tensor context, Tensor kv)
{
    for (int i = 0; i < d->s.levels; i++) block_context(nn, &d->blocks[i], context, kv);
    block_context(nn, &d->mid, context, kv);
}

int down_residual_shapes(const Down *d, int n, int h, int w, Tensor *shapes)
{
    const UNetShape *s = &d->s;
    int count = 0;
    shapes[count++] = (Tensor){ NULL, n, h, w, s->channels[0] };
    for (int i = 0; i < s->levels; i++) {
        for (int j = 0; j < s->layers[i]; j++) shapes[count++] = (Tensor){ NULL, n, h, w, s->channels[i] };
        if (i == s->levels - 1) break;
        h = (h + 1) / 2;
        w = (w + 1) / 2;
        shapes[count++] = (Tensor){ NULL, n, h, w, s->channels[i] };
    }
    shapes[count++] = (Tensor){ NULL, n, h, w, s->channels[s->levels - 1] };
    return count;
}

/* ---- binding ------------------------------------------------------------------------------------------------------- */

int block_bind_resnet(Binder *b, const UNetShape *s, Block *k, int j, int in, int out)
{
    size_t mark = bind_enter(b, "resnets.%d", j);
    int failed = resblock_bind(b, &k->resnets[j], in, out, s->time_width, s->groups, s->eps);
    bind_leave(b, mark);
    return failed;
}

int block_bind_attention(Binder *b, const UNetShape *s, Block *k, int j, int level, int layers, bool only_cross)
{
    if (!k->attentions) return 0;
    size_t mark = bind_enter(b, "attentions.%d", j);
    TransformerShape t = { .channels = s->channels[level],
                           .heads = s->heads[level],
                           .layers = layers,
                           .context = s->context,
                           .groups = s->groups,
                           .only_cross = only_cross };
    int failed = transformer_bind(b, &k->attentions[j], &t);
    bind_leave(b, mark);
    return failed;
}

static int bind_level(Binder *b, const UNetShape *s, Block *k, int i)
{
    int in = s->channels[i ? i - 1 : 0], out = s->channels[i];
    block_alloc(k, s->layers[i], s->down_attention[i] ? s->layers[i] : 0);
    size_t mark = bind_enter(b, "down_blocks.%d", i);
    for (int j = 0; j < k->count; j++)
        if (block_bind_resnet(b, s, k, j, j ? out : in, out) ||
            block_bind_attention(b, s, k, j, i, s->depth[i][j], s->only_cross[i]))
            return -1;
    if (i < s->levels - 1 && bind_conv(b, &k->sampler, "downsamplers.0.conv", out, out, 3)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int bind_mid(Binder *b, const UNetShape *s, Block *k)
{
    int last = s->levels - 1, c = s->channels[last];
    if (s->mid == MID_NONE) return 0;
    block_alloc(k, s->mid == MID_ATTENTION ? 2 : 1, s->mid == MID_ATTENTION ? 1 : 0);
    size_t mark = bind_enter(b, "mid_block");
    for (int j = 0; j < k->count; j++)
        if (block_bind_resnet(b, s, k, j, c, c)) return -1;
    if (block_bind_attention(b, s, k, 0, last, s->depth[last][0], false)) return -1;
    bind_leave(b, mark);
    return 0;
}

static int bind_embeddings(Binder *b, Down *d)
{
    const UNetShape *s = &d->s;
    if (bind_linear(b, &d->time_in, "time_embedding.linear_1", s->channels[0], s->time_width, true) ||
        bind_linear(b, &d->time_out, "time_embedding.linear_2", s->time_width, s->time_width, true))
        return -1;
    if (s->cond_width &&
        bind_linear(b, &d->time_cond, "time_embedding.cond_proj", s->cond_width, s->channels[0], false))
        return -1;
    if (s->labels && bind_tensor(b, &d->labels, "class_embedding.weight", 2, (int64_t[]){ s->labels, s->time_width }))
        return -1;
    if (s->label_width &&
        (bind_linear(b, &d->label_in, "class_embedding.linear_1", s->label_width, s->time_width, true) ||
         bind_linear(b, &d->label_out, "class_embedding.linear_2", s->time_width, s->time_width, true)))
        return -1;
    if (!s->added_width) return 0;
    if (bind_linear(b, &d->added_in, "add_embedding.linear_1", s->added_width, s->time_width, true)) return -1;
    return bind_linear(b, &d->added_out, "add_embedding.linear_2", s->time_width, s->time_width, true);
}

int down_bind(Binder *b, Down *d)
{
    const UNetShape *s = &d->s;
    if (bind_conv(b, &d->conv_in, "conv_in", s->in, s->channels[0], 3) || bind_embeddings(b, d)) return -1;
    for (int i = 0; i < s->levels; i++)
        if (bind_level(b, s, &d->blocks[i], i)) return -1;
    return bind_mid(b, s, &d->mid);
}

void down_release(Down *d)
{
    for (int i = 0; i < UNET_MAX_LEVELS; i++) block_release(&d->blocks[i]);
    block_release(&d->mid);
}

int block_each_conv(Block *k, ConvVisit visit, void *ctx, Err *e)
{
    for (int j = 0; j < k->count; j++)
        if (visit(ctx, &k->resnets[j].conv1, e) || visit(ctx, &k->resnets[j].conv2, e)) return -1;
    return 0;
}

int down_each_conv(Down *d, ConvVisit visit, void *ctx, Err *e)
{
    for (int i = 0; i < d->s.levels; i++)
        if (block_each_conv(&d->blocks[i], visit, ctx, e)) return -1;
    return block_each_conv(&d->mid, visit, ctx, e) || visit(ctx, &d->conv_in, e) ? -1 : 0;
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

/* text_time: pooled text, then the sinusoidal embedding of each id. [n, 1, 1, added_width] */
static Tensor added_input(Nn *nn, const UNetShape *s, int n, const UNetInputs *in)
{
    Tensor x = tensor_new(nn->arena, n, 1, 1, s->added_width);
    Tensor ids =
        nn_timestep_embedding(nn, in->ids, n * in->id_count, s->added_ids_dim, s->flip_sin_to_cos, s->freq_shift);
    size_t width = (size_t)s->added_width, tail = (size_t)in->id_count * (size_t)s->added_ids_dim, head = width - tail;
    assert(in->pooled.n == n && (size_t)in->pooled.c == head);
    for (size_t i = 0; x.data && i < (size_t)n; i++) {
        memcpy(x.data + i * width, in->pooled.data + i * head, head * sizeof(float));
        memcpy(x.data + i * width + head, ids.data + i * tail, tail * sizeof(float));
    }
    return x;
}

/* What the label says is added to the time's embedding. */
static Tensor add_label(Nn *nn, const Down *d, Tensor emb, const UNetInputs *in)
{
    const UNetShape *s = &d->s;
    if (s->label_width) {
        assert(in->label.n == emb.n && in->label.c == s->label_width);
        Tensor h = nn_linear(nn, &d->label_in, in->label);
        nn_act(nn, ACT_SILU, h);
        emb = nn_linear_add(nn, &d->label_out, h, emb);
    }
    for (size_t i = 0; in->more && emb.data && i < tensor_len(emb); i++) emb.data[i] += in->more[i % (size_t)emb.c];
    assert(!s->labels || (in->label_row >= 0 && in->label_row < s->labels));
    for (size_t i = 0; s->labels && emb.data && i < tensor_len(emb); i++)
        emb.data[i] += d->labels[(size_t)in->label_row * (size_t)emb.c + i % (size_t)emb.c];
    return emb;
}

Tensor down_embed(Nn *nn, const Down *d, int n, float t, const UNetInputs *in)
{
    const UNetShape *s = &d->s;
    size_t mark = nn->arena->used;
    float *times = arena_alloc(nn->arena, (size_t)n * sizeof *times);
    for (int i = 0; times && i < n; i++) times[i] = t;

    Tensor h = nn_timestep_embedding(nn, times, n, s->channels[0], s->flip_sin_to_cos, s->freq_shift);
    if (linear_present(&d->time_cond) && in->cond) {
        Tensor cond = { (float *)(size_t)in->cond, n, 1, 1, s->cond_width };
        h = nn_linear_add(nn, &d->time_cond, cond, h);
    }
    h = nn_linear(nn, &d->time_in, h);
    nn_act(nn, ACT_SILU, h);
    Tensor emb = nn_linear(nn, &d->time_out, h);
    if (s->added_width) {
        h = nn_linear(nn, &d->added_in, added_input(nn, s, n, in));
        nn_act(nn, ACT_SILU, h);
        emb = nn_linear_add(nn, &d->added_out, h, emb);
    }
    emb = add_label(nn, d, emb, in);
    nn_act(nn, ACT_SILU, emb);
    return tensor_keep(nn->arena, mark, emb);
}

/* A T2I-Adapter's map, one for all samples or one for each. */
static void add_feature(Nn *nn, Tensor x, const DownInputs *in, int i)
{
    if (i >= in->feature_count) return;
    Tensor map = in->features[i];
    for (int k = 0; k < x.n; k++) nn_add(nn, tensor_slice(x, k, 1), map.n > 1 ? tensor_slice(map, k, 1) : map);
}

/* A plain level's map is added where the level ends, to what is kept for the way up too: diffusers adds it in place. */
static Tensor level_forward(Nn *nn, const Block *k, Tensor x, const DownInputs *in, int i, Tensor **skip)
{
    for (int j = 0; j < k->count; j++) {
        size_t mark = nn->arena->used;
        x = resblock_forward(nn, &k->resnets[j], x, in->temb);
        if (k->attentions) x = tensor_keep(nn->arena, mark, transformer_forward(nn, &k->attentions[j], x, in->prompt));
        if (k->attentions && j == k->count - 1) add_feature(nn, x, in, i);
        *(*skip)++ = x;
    }
    if (conv_present(&k->sampler)) x = *(*skip)++ = nn_conv2d_down(nn, &k->sampler, x, 1);
    if (!k->attentions) add_feature(nn, x, in, i);
    return x;
}

Tensor down_forward(Nn *nn, const Down *d, Tensor x, const DownInputs *in, Tensor *skips)
{
    Tensor *skip = skips;
    *skip++ = x;
    for (int i = 0; i < d->s.levels; i++) x = level_forward(nn, &d->blocks[i], x, in, i, &skip);
    assert(skip - skips == unet_shape_skips(&d->s));
    return x;
}

Tensor down_middle(Nn *nn, const Down *d, Tensor x, const DownInputs *in)
{
    size_t base = nn->arena->used;
    for (int j = 0; j < d->mid.count; j++) {
        x = j ? resblock_replace(nn, &d->mid.resnets[j], base, x, in->temb)
              : resblock_forward(nn, &d->mid.resnets[j], x, in->temb);
        if (d->mid.attentions && j == 0)
            x = tensor_keep(nn->arena, base, transformer_forward(nn, &d->mid.attentions[0], x, in->prompt));
    }
    const Tensor *last = in->feature_count > d->s.levels ? &in->features[d->s.levels] : NULL;
    if (last && last->h == x.h && last->w == x.w && last->c == x.c) add_feature(nn, x, in, d->s.levels);
    return x;
}
