/* encode.c - prompts, as ids, to the embeddings that condition the UNet. See generator.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pipeline/checking.h"
#include "pipeline/generator.h"
#include "pipeline/regions.h"

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
    if (g->recipe.language->emphasis == EMPHASIS_A1111)
        emphasis_scale(out.data, weight, tokens, width, g->recipe.weighing == WEIGH_ORIGINAL);
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

/* The rows of a term, weighted by the words' weights, one after the other. pooled: the first row's; n 0: it is not wanted. */
static void embed_term(Generator *g, const Encoder *c, const Term *t, Tensor rows, Tensor pooled, Tensor empty)
{
    const Ids *ids = &t->ids;
    for (int i = 0; i < t->rows; i++) {
        Row row = { .hidden = tensor_slice(rows, i, 1) };
        if (i == 0) row.pooled = pooled;
        embed_row(g, c, row, ids->ids + i * c->tokens);
        if (ids->weight && row.hidden.data) weigh_row(g, row.hidden, empty, ids->weight + i * c->tokens);
    }
}

/* to [count, stride], `width` of each: += weight * from [count, width]; the first time it is set. */
static void add_weighted(float *to, size_t stride, const float *from, size_t width, size_t count, double weight,
                         bool first)
{
    float w = (float)weight;
    for (size_t i = 0; i < count; i++, to += stride, from += width)
        for (size_t k = 0; k < width; k++) to[k] = first ? w * from[k] : to[k] + w * from[k];
}

/* A term's rows into the encoder's columns of to [1, rows, 1, all columns]; touched: rows of the text that have something. */
static void place(Tensor to, const Encoder *c, const Term *t, Tensor rows, bool *touched)
{
    size_t width = (size_t)c->width, tokens = (size_t)c->tokens, all = (size_t)to.c;
    for (int i = 0; to.data && i < t->rows; i++) {
        size_t row = (size_t)t->at + (size_t)i;
        add_weighted(to.data + row * tokens * all + c->column, all, tensor_slice(rows, i, 1).data, width, tokens,
                     t->weight, !touched[row]);
        touched[row] = true;
    }
}

/* One encoder's part of a text. pooled: of its terms that count for it; n 0: it is not wanted. */
static void embed(Generator *g, const Encoder *c, Tensor to, Tensor pooled, const PromptText *text)
{
    size_t mark = g->nn.arena->used;
    const Mix *m = &text->of[c->index];
    bool *touched = mem_array((size_t)g->prompts.rows + 1, sizeof *touched), pools = false, weighted = false;
    Tensor rows = tensor_new(g->nn.arena, g->prompts.rows, c->tokens, 1, c->width), empty = { 0 }, one = { 0 };
    for (int i = 0; i < m->count; i++) weighted = weighted || m->term[i].ids.weight;
    if (g->recipe.language->emphasis == EMPHASIS_COMFYUI) /* also without weights: another request may have some */
        empty = embed_empty(g, c, weighted);
    if (pooled.n) one = tensor_like(g->nn.arena, pooled);
    for (int i = 0; i < m->count; i++) {
        const Term *t = &m->term[i];
        embed_term(g, c, t, rows, t->pooled ? one : (Tensor){ 0 }, empty);
        place(to, c, t, rows, touched);
        if (pooled.data && t->pooled)
            add_weighted(pooled.data, tensor_len(one), one.data, tensor_len(one), 1, t->weight, !pools);
        pools = pools || t->pooled;
    }
    free(touched);
    arena_reset(g->nn.arena, mark);
}

/* The last token again, where another part is longer; then all of it again, where the other prompt is. */
static void fill_rows(Tensor to, const PromptText *t, int tokens)
{
    size_t each = (size_t)to.c, own = (size_t)t->rows * (size_t)tokens, filled = (size_t)t->filled * (size_t)tokens,
           all = filled * (size_t)t->times;
    for (size_t i = own; to.data && i < filled; i++)
        memcpy(to.data + i * each, to.data + (own - 1) * each, each * sizeof *to.data);
    for (size_t i = filled; to.data && i < all; i++)
        memcpy(to.data + i * each, to.data + (i - filled) * each, each * sizeof *to.data);
}

/* One text by all encoders; zero: it is none. */
static void embed_text(Generator *g, Tensor to, Tensor pooled, const PromptText *text, bool zero)
{
    const Model *m = g->m;
    if (to.data) memset(to.data, 0, tensor_len(to) * sizeof *to.data); /* rows that no term has */
    for (int i = 0; i < m->texts; i++) {
        Encoder c = encoder_at(m, i);
        embed(g, &c, to, i + 1 == m->texts ? pooled : (Tensor){ 0 }, text);
    }
    fill_rows(to, text, tokenizer_max(m->text[0].tokenizer));
    if (!zero || !to.data) return;
    memset(to.data, 0, tensor_len(to) * sizeof *to.data);
    if (pooled.n) memset(pooled.data, 0, tensor_len(pooled) * sizeof *pooled.data);
}

/* The empty prompt, of as many rows as the others. */
static void embed_nothing(Generator *g, Tensor to, Tensor pooled, int rows)
{
    PromptText text = { .rows = 1, .filled = 1, .times = rows };
    Term none[TEXTS_MAX];
    for (int i = 0; i < g->m->texts; i++) {
        int n;
        const char *lost;
        none[i] = (Term){ .weight = 1, .rows = 1, .pooled = true };
        none[i].ids.ids = tokenizer_rows(g->m->text[i].tokenizer, "", false, &n, &lost);
        text.of[i] = (Mix){ &none[i], 1, 1 };
    }
    embed_text(g, to, pooled, &text, false);
    for (int i = 0; i < g->m->texts; i++) ids_release(&none[i].ids);
}

/* [parts, h * w]: all parts of the prompt itself count where no region does. */
static float *shares_of(const Generator *g)
{
    const Recipe *r = &g->recipe;
    int parts = g->prompts.parts, own = parts - g->prompts.regions;
    size_t n = (size_t)r->w * (size_t)r->h;
    if (!g->prompts.regions) return NULL;
    float *shares = mem_array((size_t)parts * n, sizeof *shares);
    regions_shares(r->said.region, vae_factor(g->m->vae), r->w, r->h,
                   r->said.region_scale > 0 ? r->said.region_scale : 1, shares + (size_t)(own - 1) * n);
    for (int i = 0; i < own - 1; i++)
        memcpy(shares + (size_t)i * n, shares + (size_t)(own - 1) * n, n * sizeof *shares);
    return shares;
}

void encode_tell(Generator *g, const Prompts *const *prompts, int n)
{
    int parts = g->prompts.parts;
    free(g->run.prompts);
    g->run.prompts = mem_array((size_t)n, sizeof *g->run.prompts);
    memcpy(g->run.prompts, prompts, (size_t)n * sizeof *prompts);
    g->run.pictures = n;
    free(g->run.weights);
    g->run.weights = mem_array((size_t)n * (size_t)parts, sizeof *g->run.weights);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < parts; k++) g->run.weights[i * parts + k] = prompts[i]->part[k].weight;
    free(g->run.shares);
    g->run.shares = shares_of(g);
    g->run.composed = (Composed){ .parts = parts, .pictures = n, .weight = g->run.weights, .mask = g->run.shares };
}

void encode_prompts(Generator *g, const Prompts *const *prompts, int n)
{
    const Model *m = g->m;
    const Guidance *guidance = &g->recipe.guidance;
    int negatives = guidance_wants(guidance, BRANCH_NEGATIVE) ? prompts[0]->negatives : 0;
    int empty = guidance_wants(guidance, BRANCH_EMPTY), before = negatives + empty;
    int all = (before + prompts[0]->count - prompts[0]->negatives) * n;
    int tokens = prompts[0]->rows * tokenizer_max(m->text[0].tokenizer), width = unet_context_width(m->unet);
    Tensor context = tensor_new(g->nn.arena, all, tokens, 1, width), pooled = { 0 };
    if (m->ids) pooled = tensor_new(g->nn.arena, all, 1, 1, text_encoder_projection(m->text[m->texts - 1].encoder));
    for (int row = 0; row < all; row++) {
        const Prompts *p = prompts[row % n];
        int at = row / n, text = at < negatives ? at : at - before + p->negatives;
        Tensor to = tensor_slice(context, row, 1), pool = m->ids ? tensor_slice(pooled, row, 1) : pooled;
        if (empty && at == negatives) embed_nothing(g, to, pool, p->rows);
        else embed_text(g, to, pool, &p->text[text], p->no_negative && text < p->negatives);
    }
    g->run.negatives = negatives;
    g->run.empty = empty;
    g->run.context = context;
    g->run.pooled = pooled;
    encode_tell(g, prompts, n);
}

/* Whether something in a prompt weighs more or less. */
static bool weighted(const Prompts *const *prompts, int n)
{
    for (int i = 0; i < n; i++)
        for (int t = 0; t < prompts[i]->count; t++)
            for (int k = 0; k < prompts[i]->texts; k++) {
                const Mix *m = &prompts[i]->text[t].of[k];
                if (m->count > 1 || m->term[0].ids.weight) return true;
            }
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
