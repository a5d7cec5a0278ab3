/* encode.c - prompts, as ids, to the embeddings that condition the UNet. See generator.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pipeline/checking.h"
#include "pipeline/generator.h"

static Cache *texts_of(const Generator *g) { return g->own_texts ? g->own_texts : g->share.texts; }

/* An encoder at work, and where in the context its columns begin. */
typedef struct {
    int index; /* of Model.text */
    const TextPart *part;
    int tokens, width, column;
} Encoder;

static Encoder encoder_at(const Model *m, int index)
{
    Encoder c = { .index = index, .part = &m->text[index] };
    c.tokens = tokenizer_max(c.part->tokenizer);
    c.width = text_encoder_width(c.part->encoder);
    for (int i = 0; i < index; i++) c.column += text_encoder_width(m->text[i].encoder);
    return c;
}

/* What a row of ids becomes: hidden states [1, tokens, 1, width], and, where it is wanted, the pooled output. */
typedef struct {
    Tensor hidden, pooled;
} Row;

static CacheKey key_of(const Generator *g, const Encoder *c, const char *what, const int *ids)
{
    const int how[] = { c->index, g->recipe.layer[c->index], g->recipe.normed };
    const Precision precision = generator_nn_beside(g).precision;
    CacheKey key;
    key_begin(&key, what);
    key_add(&key, how, sizeof how);
    key_add(&key, &precision, sizeof precision);
    key_add(&key, ids, (size_t)c->tokens * sizeof *ids);
    key_end(&key);
    return key;
}

/* One row of ids, on its own, so that it has the same bits in whatever company. pooled.n 0: it is not wanted. */
static void embed_row(Generator *g, const Encoder *c, Row out, const int *ids)
{
    CacheKey hidden, pooled;
    bool real = out.hidden.data, pool = out.pooled.n > 0;
    if (real) {
        hidden = key_of(g, c, "embedding", ids);
        pooled = key_of(g, c, "pooled", ids);
        if (cache_get(texts_of(g), &hidden, out.hidden) && (!pool || cache_get(texts_of(g), &pooled, out.pooled)))
            return;
    }
    size_t mark = g->nn.arena->used;
    Nn nn = generator_nn_beside(g);
    Tensor p;
    const int layer = g->recipe.layer[c->index];
    Tensor h = text_encoder_forward(&nn, c->part->encoder, ids, 1, layer, g->recipe.normed, pool ? &p : NULL);
    tensor_copy(out.hidden, h);
    if (pool) tensor_copy(out.pooled, p);
    arena_reset(g->nn.arena, mark);
    if (real) cache_put(texts_of(g), &hidden, out.hidden);
    if (real && pool) cache_put(texts_of(g), &pooled, out.pooled);
}

/* What the cache keeps has no weights yet, and serves every way of weighting. empty: the empty prompt's, as out. */
static void weigh_row(const Generator *g, Tensor out, Tensor empty, const float *weight)
{
    size_t tokens = (size_t)out.h, width = (size_t)out.c;
    if (g->recipe.language->emphasis == EMPHASIS_A1111) emphasis_scale(out.data, weight, tokens, width);
    else emphasis_blend(out.data, empty.data, weight, tokens, width);
}

/* The embedding of the empty prompt, which ComfyUI's weights are measured from. */
static Tensor embed_empty(Generator *g, const Encoder *c, bool wanted)
{
    int n;
    const char *lost;
    Tensor empty = tensor_new(g->nn.arena, 1, c->tokens, 1, c->width);
    if (!wanted) return empty;
    int *none = tokenizer_rows(c->part->tokenizer, "", false, &n, &lost);
    embed_row(g, c, (Row){ .hidden = empty }, none);
    free(none);
    return empty;
}

/* rows [rows, tokens, 1, width] into the encoder's columns of to [1, rows * tokens, 1, all columns]. */
static void place(Tensor to, const Encoder *c, Tensor rows)
{
    size_t width = (size_t)c->width, count = tensor_len(rows) / width;
    for (size_t i = 0; to.data && i < count; i++)
        memcpy(to.data + i * (size_t)to.c + c->column, rows.data + i * width, width * sizeof *to.data);
}

/* All rows of one encoder, weighted, one after the other. pooled: the first row's; n 0: it is not wanted. */
static void embed(Generator *g, const Encoder *c, Tensor to, Tensor pooled, const Ids *ids)
{
    size_t mark = g->nn.arena->used;
    Tensor rows = tensor_new(g->nn.arena, ids->rows, c->tokens, 1, c->width), empty = { 0 };
    if (g->recipe.language->emphasis == EMPHASIS_COMFYUI) /* also without weights: another request may have some */
        empty = embed_empty(g, c, ids->weight != NULL);
    for (int i = 0; i < ids->rows; i++) {
        Row row = { .hidden = tensor_slice(rows, i, 1) };
        if (i == 0) row.pooled = pooled;
        embed_row(g, c, row, ids->ids + i * c->tokens);
        if (ids->weight && row.hidden.data) weigh_row(g, row.hidden, empty, ids->weight + i * c->tokens);
    }
    place(to, c, rows);
    arena_reset(g->nn.arena, mark);
}

/* One prompt by all encoders; zero: it is none. */
static void embed_prompt(Generator *g, Tensor to, Tensor pooled, const Ids *ids, bool zero)
{
    const Model *m = g->m;
    for (int i = 0; i < m->texts; i++) {
        Encoder c = encoder_at(m, i);
        embed(g, &c, to, i + 1 == m->texts ? pooled : (Tensor){ 0 }, &ids[i]);
    }
    if (!zero || !to.data) return;
    memset(to.data, 0, tensor_len(to) * sizeof *to.data);
    if (pooled.n) memset(pooled.data, 0, tensor_len(pooled) * sizeof *pooled.data);
}

/* The empty prompt, of as many rows as the others. */
static void embed_nothing(Generator *g, Tensor to, Tensor pooled, int rows)
{
    Ids none[TEXTS_MAX] = { 0 };
    for (int i = 0; i < g->m->texts; i++) {
        int n;
        const char *lost;
        const Tokenizer *t = g->m->text[i].tokenizer;
        int *row = tokenizer_rows(t, "", false, &n, &lost), max = tokenizer_max(t);
        none[i] = (Ids){ .ids = mem_array((size_t)(rows * max), sizeof *row), .rows = rows };
        for (int k = 0; k < rows * max; k++) none[i].ids[k] = row[k % max];
        free(row);
    }
    embed_prompt(g, to, pooled, none, false);
    for (int i = 0; i < g->m->texts; i++) ids_release(&none[i]);
}

void encode_prompts(Generator *g, const Prompts *const *prompts, int n)
{
    const Model *m = g->m;
    int groups = guidance_prompts(&g->recipe.guidance);
    int tokens = prompts[0]->rows * tokenizer_max(m->text[0].tokenizer), width = unet_context_width(m->unet);
    int all = groups * n;
    Tensor context = tensor_new(g->nn.arena, all, tokens, 1, width), pooled = { 0 };
    if (m->ids) pooled = tensor_new(g->nn.arena, all, 1, 1, text_encoder_projection(m->text[m->texts - 1].encoder));
    for (int i = 0; i < n; i++) {
        const Prompts *p = prompts[i];
        int at = all - n + i;
        if (groups > 2)
            embed_nothing(g, tensor_slice(context, n + i, 1), m->ids ? tensor_slice(pooled, n + i, 1) : pooled,
                          p->rows);
        if (groups > 1)
            embed_prompt(g, tensor_slice(context, i, 1), m->ids ? tensor_slice(pooled, i, 1) : pooled, p->negative,
                         p->no_negative);
        embed_prompt(g, tensor_slice(context, at, 1), m->ids ? tensor_slice(pooled, at, 1) : pooled, p->positive,
                     false);
    }
    g->run.context = context;
    g->run.pooled = pooled;
}

static bool weighted(const Prompts *const *prompts, int n)
{
    for (int i = 0; i < n; i++)
        for (int t = 0; t < prompts[i]->texts; t++)
            if (prompts[i]->positive[t].weight || prompts[i]->negative[t].weight) return true;
    return false;
}

static bool finite(const Generator *g, Tensor x)
{
    size_t len = x.n ? tensor_len(x) : 0;
    return g->nn.k->find_bad(x.data, len) == len;
}

int encode(Generator *g, const Prompts *const *prompts, int n, Err *e)
{
    double start = clock_now();
    encode_prompts(g, prompts, n);
    model_rest(g->m, ROLE_TEXT);
    g->time.text += clock_now() - start;
    if (finite(g, g->run.context) && finite(g, g->run.pooled)) return 0;
    if (model_check(g->m, e)) return -1;
    return err_set(e, "the text encoder gave NaN or infinity: its weights are damaged%s",
                   weighted(prompts, n) ? ", or those in the prompt are too large" : "");
}
