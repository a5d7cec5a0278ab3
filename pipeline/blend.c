/* blend.c - see blend.h. */
#include "pipeline/blend.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

double blend_share(const Generator *g, const Request *request)
{
    const Job *j = &g->recipe.said;
    if (!j->blend_prompt) return 0;
    if (!request) return 0.5;
    return request->blended ? request->blend : j->blend > 0 ? j->blend : 0;
}

/* torch.lerp: from the nearer end, so that each end is met to the bit. */
static void go(Tensor to, Tensor other, float share)
{
    for (size_t i = 0; to.data && i < tensor_len(to); i++) {
        float a = to.data[i], b = other.data[i];
        to.data[i] = share < 0.5F ? a + share * (b - a) : b - (b - a) * (1 - share);
    }
}

static int read_other(Generator *g, const Prompts *beside, Prompts *out, Err *e)
{
    PromptReader reader = recipe_reader(&g->recipe, g->m, &g->watch);
    PromptTexts texts = recipe_texts(&g->recipe.said);
    texts.prompt = texts.prompt_2 = g->recipe.said.blend_prompt;
    if (prompts_read(&reader, &texts, out, e)) return err_in(e, "--blend-prompt");
    if (prompts_alike(out, beside)) return 0;
    return err_usage(
        e,
        "--blend-prompt: it takes %d rows of tokens, %d texts and %d parts, the prompt %d, %d and %d: of as many "
        "they can be blended",
        out->rows, out->count, out->parts, beside->rows, beside->count, beside->parts);
}

int blend_prompts(Generator *g, const Prompts *const *prompts, const Request *requests, int n, Err *e)
{
    bool wanted = false;
    for (int i = 0; i < n; i++) wanted = wanted || blend_share(g, requests ? &requests[i] : NULL) > 0;
    if (!wanted) return 0;
    RunState *run = &g->run;
    Tensor context = run->context, pooled = run->pooled;
    size_t mark = g->nn.arena->used;
    Prompts other = { 0 };
    const Prompts **same = mem_array((size_t)n, sizeof *same);
    int failed = read_other(g, prompts[0], &other, e);
    for (int i = 0; i < n; i++) same[i] = &other;
    if (!failed) encode_prompts(g, same, n);
    int first = failed ? context.n : (run->negatives + run->empty) * n;
    for (int at = first; at < context.n; at++) { /* text after text, each of all pictures */
        float share = (float)blend_share(g, requests ? &requests[at % n] : NULL);
        go(tensor_slice(context, at, 1), tensor_slice(run->context, at, 1), share);
        if (pooled.n) go(tensor_slice(pooled, at, 1), tensor_slice(run->pooled, at, 1), share);
    }
    run->context = context;
    run->pooled = pooled;
    encode_tell(g, prompts, n);
    arena_reset(g->nn.arena, mark);
    prompts_release(&other);
    free(same);
    return failed;
}
