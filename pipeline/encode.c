/* encode.c - prompts, as ids, to the embeddings that condition the UNet. See generator.h. */
#include <stdlib.h>

#include "base/clock.h"
#include "pipeline/checking.h"
#include "pipeline/generator.h"

static Cache *texts_of(const Generator *g) { return g->own_texts ? g->own_texts : g->share.texts; }

/* One row of ids, on its own, so that it has the same bits in whatever company. out [1, max, 1, width]. */
static void embed_row(Generator *g, Tensor out, const int *row)
{
    int max = tokenizer_max(g->m->tokenizer), how[] = { g->recipe.said.clip_skip, g->recipe.bf16 };
    CacheKey key;
    if (out.data) {
        key_begin(&key, "embedding");
        key_add(&key, how, sizeof how);
        key_add(&key, row, (size_t)max * sizeof *row);
        key_end(&key);
        if (cache_get(texts_of(g), &key, out)) return;
    }
    size_t mark = g->nn.arena->used;
    Nn nn = generator_nn(g);
    tensor_copy(out, text_encoder_forward(&nn, g->m->text, row, 1, g->recipe.said.clip_skip, true, NULL));
    arena_reset(g->nn.arena, mark);
    if (out.data) cache_put(texts_of(g), &key, out);
}

/* What the cache keeps has no weights yet, and serves every way of weighting. empty: the empty prompt's, as out. */
static void weigh_row(const Generator *g, Tensor out, Tensor empty, const float *weight)
{
    size_t tokens = (size_t)out.h, width = (size_t)out.c;
    if (g->recipe.emphasis == EMPHASIS_A1111) emphasis_scale(out.data, weight, tokens, width);
    else emphasis_blend(out.data, empty.data, weight, tokens, width);
}

/* The rows, weighted, stand one after the other in `to`: [1, rows * max, 1, width]. */
static void embed(Generator *g, Tensor to, const Ids *ids)
{
    int max = tokenizer_max(g->m->tokenizer), n;
    Tensor rows = tensor_view(to, ids->rows, max, 1, to.c), empty = { 0 };
    size_t mark = g->nn.arena->used;
    bool blend = g->recipe.emphasis == EMPHASIS_COMFYUI;
    if (blend)
        empty = tensor_new(g->nn.arena, 1, max, 1, to.c); /* also without weights: another request may have some */
    if (blend && ids->weight) {
        const char *lost;
        int *none = tokenizer_rows(g->m->tokenizer, "", false, &n, &lost);
        embed_row(g, empty, none);
        free(none);
    }
    for (int i = 0; i < ids->rows; i++) {
        Tensor out = tensor_slice(rows, i, 1);
        embed_row(g, out, ids->ids + i * max);
        if (ids->weight && out.data) weigh_row(g, out, empty, ids->weight + i * max);
    }
    arena_reset(g->nn.arena, mark);
}

void encode_prompts(Generator *g, const Prompts *const *prompts, int n)
{
    bool guided = guidance_on(&g->recipe.guidance);
    int tokens = prompts[0]->positive.rows * tokenizer_max(g->m->tokenizer), width = text_encoder_width(g->m->text);
    Tensor all = tensor_new(g->nn.arena, guided ? 2 * n : n, tokens, 1, width);
    for (int i = 0; i < n; i++) {
        if (guided) embed(g, tensor_slice(all, i, 1), &prompts[i]->negative);
        embed(g, tensor_slice(all, all.n - n + i, 1), &prompts[i]->positive);
    }
    g->run.context = all;
}

static bool weighted(const Prompts *const *prompts, int n)
{
    for (int i = 0; i < n; i++)
        if (prompts[i]->positive.weight || prompts[i]->negative.weight) return true;
    return false;
}

int encode(Generator *g, const Prompts *const *prompts, int n, Err *e)
{
    double start = clock_now();
    encode_prompts(g, prompts, n);
    model_rest(g->m, PART_TEXT);
    g->time.text += clock_now() - start;
    size_t len = tensor_len(g->run.context);
    if (g->nn.k->find_bad(g->run.context.data, len) == len) return 0;
    if (model_check(g->m, e)) return -1;
    return err_set(e, "the text encoder gave NaN or infinity: its weights are damaged%s",
                   weighted(prompts, n) ? ", or those in the prompt are too large" : "");
}
