/* generate.c - prompt to picture: the numbered steps put together. See generate.h and docs/architecture.md. */
#include "pipeline/advice.h"
#include "pipeline/areas.h"
#include "pipeline/generate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "nn/team.h"
#include "pipeline/blend.h"
#include "pipeline/checking.h"
#include "pipeline/control.h"
#include "pipeline/generator.h"
#include "pipeline/hires.h"
#include "pipeline/latents.h"
#include "pipeline/precision.h"
#include "pipeline/refine.h"

enum { OWN_TEXTS = 8 << 20 /* bytes of embeddings that a generator keeps where none are shared */ };

Nn generator_nn(const Generator *g)
{
    Nn nn = g->nn;
    nn.precision = g->recipe.precision;
    if (g->m->large && g->recipe.memory != MEMORY_HIGH)
        nn.evict_rows = g->recipe.memory == MEMORY_LOW ? 1 : MODEL_CHEAP_ROWS;
    return nn;
}

Nn generator_nn_beside(const Generator *g)
{
    Nn nn = generator_nn(g);
    nn.precision = precision_beside(nn.precision);
    return nn;
}

int generator_check(const Generator *g, Err *e) { return arena_dry(&g->arena) ? 0 : watch_check(&g->watch, e); }

int generator_draw(Generator *g, const Request *requests, int n, Picture *out, Err *e)
{
    Tensor x = tensor_new(g->nn.arena, n, g->recipe.h, g->recipe.w, vae_latent_channels(g->m->vae));
    double start = clock_now();
    int failed = passes_run(g, requests, x, e);
    g->time.sample = clock_now() - start;
    if (out && !failed) failed = model_check(g->m, e) || refine_finish(g, e);
    if (out) model_rest(g->m, ROLE_NETWORK);
    start = clock_now();
    if (!failed && g->larger && out) return hires_run(g, requests, x, out, e);
    if (!failed) failed = picture_finish(g, x, out, e);
    g->time.decode = clock_now() - start;
    return failed ? -1 : 0;
}

/* ---- a generator's life ------------------------------------------------------------------------------------------------ */

static int given_latents(Generator *g, Err *e)
{
    const Recipe *r = &g->recipe;
    if (!r->said.latents) return 0;
    Tensor shape = { .n = 1, .h = r->h, .w = r->w, .c = vae_latent_channels(g->m->vae) };
    g->given = latents_read(r->said.latents, shape, e);
    return g->given ? 0 : -1;
}

static int read_prompts(const Generator *g, const PromptTexts *texts, Prompts *out, Err *e)
{
    PromptReader reader = recipe_reader(&g->recipe, g->m, &g->watch);
    if (prompts_read(&reader, texts, out, e)) return -1;
    advise_prompts(g->m, out, guidance_wants(&g->recipe.guidance, BRANCH_NEGATIVE), &g->watch);
    return 0;
}

/* What keeps or disturbs one evaluation of the prompt does not know which of several it is. */
static int check_together(const Generator *g, Err *e)
{
    static const BranchKind disturbed[] = { BRANCH_IDENTITY, BRANCH_SMOOTHED, BRANCH_DEGRADED, BRANCH_DEGRADED_PROMPT };
    bool other = g->recipe.said.deepcache > 1;
    if (!prompts_composed(&g->prompts)) return 0;
    for (size_t i = 0; i < sizeof disturbed / sizeof *disturbed; i++)
        other = other || guidance_wants(&g->recipe.guidance, disturbed[i]);
    if (!other) return 0;
    return err_usage(e, "the prompt: parts (AND, --region) are not together with --pag, --seg, --sag or --deepcache");
}

/* A prompt of parts is guided by them away from the negative prompt, which is evaluated even where its scale is 1. */
static int read_own_prompts(Generator *g, Err *e)
{
    PromptTexts texts = recipe_texts(&g->recipe.said);
    Guidance *guidance = &g->recipe.guidance;
    if (read_prompts(g, &texts, &g->prompts, e)) return -1;
    guidance->parts = g->prompts.parts;
    if (prompts_weighed(&g->prompts)) guidance->both = true;
    if (guidance->parts > 1 && g->recipe.beside == BESIDE_PICTURE)
        return err_usage(e,
                         "the prompt: AND and --region are not for models that edit by instruction (InstructPix2Pix)");
    return check_together(g, e) || areas_check(&g->recipe, e) ? -1 : 0;
}

/* What generator_new() and generator_memory() begin with: the recipe and the prompts. */
static int start(Generator *g, const Model *m, const Job *j, const Share *share, Err *e)
{
    const char *why = NULL;
    g->m = (Model *)(size_t)m;
    if (share) g->share = *share;
    if (g->share.batch < 1) g->share.batch = 1;
    if (!g->share.texts) g->own_texts = cache_new(OWN_TEXTS);
    if (recipe_make(&g->recipe, m, j, g->share.timeline, e)) return -1;
    const Recipe *r = &g->recipe;
    g->nn = (Nn){ .arena = &g->arena,
                  .k = kernels_select(&why),
                  .threads = team_start(r->threads),
                  .wrap_x = r->wrap_x,
                  .wrap_y = r->wrap_y };
    if (r->sampler->adaptive) g->share.batch = 1; /* each picture has steps of its own */
    network_embed_guidance(g);
    return read_own_prompts(g, e) || control_begin(g, e) ? -1 : 0;
}

/* Once a model, whoever draws with it. */
static void warn_of_model(const Generator *g)
{
    Model *m = g->m;
    Str line = { 0 };
    if (m->told) return;
    m->told = true;
    for (const char *at = m->notes ? m->notes : "", *end; (end = strchr(at, '\n')); at = end + 1) {
        str_clear(&line);
        str_addn(&line, at, (size_t)(end - at));
        watch_warn(&g->watch, str_text(&line));
    }
    str_release(&line);
    if (m->note && !g->recipe.said.prediction) watch_warn(&g->watch, m->note);
    if (m->warning[0]) watch_warn(&g->watch, m->warning);
}

static int new_preview(Generator *g, Err *e)
{
    const Recipe *r = &g->recipe;
    if (!r->said.preview || !g->watch.preview) return 0;
    Nn nn = generator_nn(g);
    g->preview = preview_new(g->m, r->said.preview_vae, &nn, r->h, r->w, e);
    return g->preview ? 0 : -1;
}

Generator *generator_new(Model *m, const Job *j, const Share *share, const Watch *w, Err *e)
{
    Generator *g = mem_alloc(sizeof *g);
    if (w) g->watch = *w;
    if (start(g, m, j, share, e) || given_latents(g, e)) goto fail;
    if (init_read(&g->init, &g->recipe, vae_factor(m->vae), &g->watch, e)) goto fail;
    if (control_read(g, e)) goto fail;
    warn_of_model(g);
    advise_job(m, &g->recipe, j, &g->watch);
    if (hires_begin(g, j, e)) goto fail;
    if (memory_reserve(g, e)) goto fail;
    if (new_preview(g, e)) goto fail;
    const Prompts *own = &g->prompts;
    if (encode(g, &own, 1, e) || start_encode(g, e) || control_encode(g, e)) goto fail;
    arena_reset(&g->arena, 0);
    size_t latent = (size_t)g->recipe.h * (size_t)g->recipe.w * (size_t)vae_latent_channels(m->vae);
    size_t estimates = (size_t)g->share.batch * (size_t)g->recipe.timeline.steps;
    if (g->share.steps) g->run.x0 = mem_array(estimates * latent, sizeof *g->run.x0);
    if (refine_begin(g, e)) goto fail;
    return g;
fail:
    generator_free(g);
    return NULL;
}

/* The prompts of the last run. */
static void release_own(Generator *g)
{
    for (int i = 0; g->run.own && i < g->share.batch; i++) prompts_release(&g->run.own[i]);
    free(g->run.own);
    g->run.own = NULL;
}

void generator_free(Generator *g)
{
    if (!g) return;
    refine_end(g);
    hires_end(g);
    free(g->second_source);
    trace_clear(&g->trace);
    recipe_release(&g->recipe);
    arena_release(&g->arena);
    release_own(g);
    free(g->run.prompts);
    free(g->run.weights);
    free(g->run.shares);
    prompts_release(&g->prompts);
    init_release(&g->init);
    control_release(g);
    preview_free(g->preview);
    cache_free(g->own_texts);
    free(g->given);
    free(g->cond);
    free(g->shown);
    free(g->run.x0);
    free(g);
}

const Job *generator_job(const Generator *g) { return &g->recipe.said; }
const Timing *generator_timing(const Generator *g) { return &g->time; }
bool generator_takes(Generator *g, const Job *j)
{
    PromptReader reader = recipe_reader(&g->recipe, g->m, &(Watch){ .ctx = NULL });
    PromptTexts texts = recipe_texts(j);
    Prompts p;
    Err e;
    if (prompts_read(&reader, &texts, &p, &e)) return false;
    bool alike = prompts_alike(&p, &g->prompts);
    prompts_release(&p);
    return alike && (!g->larger || hires_takes(g, j));
}

int generator_batch(const Generator *g) { return g->share.batch; }

/* ---- a run ------------------------------------------------------------------------------------------------------------- */

/* The prompts of each request; own holds those that are not the job's. */
static int prompts_of(Generator *g, const Request *requests, int n, const Prompts **prompts, Prompts *own, Err *e)
{
    const Job *j = &g->recipe.said;
    for (int i = 0; i < n; i++) {
        const Request *r = &requests[i];
        prompts[i] = &g->prompts;
        if (r->prompt || r->negative_prompt) {
            PromptTexts texts = recipe_texts(j);
            if (r->prompt) texts.prompt = r->prompt;
            if (r->negative_prompt) texts.negative = r->no_negative ? NULL : r->negative_prompt;
            if (read_prompts(g, &texts, &own[i], e)) return -1;
            prompts[i] = &own[i];
        }
        if (!prompts_alike(prompts[i], &g->prompts))
            return err_set(e,
                           "a prompt of %d rows of tokens, %d texts and %d parts in a run of prompts of %d, %d and %d: "
                           "those are drawn apart",
                           prompts[i]->rows, prompts[i]->count, prompts[i]->parts, g->prompts.rows, g->prompts.count,
                           g->prompts.parts);
    }
    return 0;
}

/* "prompt_embeds", of further texts of the prompt "prompt_embeds.1", ... */
static void trace_texts(Generator *g)
{
    Tensor context = g->run.context, pooled = g->run.pooled;
    int first = g->run.negatives + g->run.empty;
    for (int i = first; i < context.n; i++) {
        char name[40], pooled_name[48];
        snprintf(name, sizeof name, i > first ? "prompt_embeds.%d" : "prompt_embeds", i - first);
        snprintf(pooled_name, sizeof pooled_name, "pooled_%s", name);
        trace_tokens(&g->trace, name, tensor_slice(context, i, 1));
        if (pooled.n) trace_tokens(&g->trace, pooled_name, tensor_slice(pooled, i, 1));
    }
    if (g->run.negatives) trace_tokens(&g->trace, "negative_prompt_embeds", tensor_slice(context, 0, 1));
    if (g->run.negatives && pooled.n)
        trace_tokens(&g->trace, "negative_pooled_prompt_embeds", tensor_slice(pooled, 0, 1));
}

static void trace_prompts(Generator *g, const Prompts *p)
{
    static const char *const tokens[] = { "tokens", "tokens_2" }, *const negative_tokens[] = { "negative_tokens",
                                                                                               "negative_tokens_2" };
    for (int i = 0; i < p->texts && i < TEXTS_MAX; i++) {
        int max = tokenizer_max(g->m->text[i].tokenizer);
        int *ids = prompts_ids(p, &g->m->text[i], p->part[0].text[0], i);
        int *negative = prompts_ids(p, &g->m->text[i], p->negative.text[0], i);
        trace_ids(&g->trace, tokens[i], ids, p->rows, max);
        trace_ids(&g->trace, negative_tokens[i], negative, p->rows, max);
        free(negative);
        free(ids);
    }
    trace_texts(g);
}

static void trace_start(Generator *g, const Prompts *p)
{
    const Timeline *tl = &g->recipe.timeline;
    trace_clear(&g->trace);
    trace_prompts(g, p);
    double *sigmas = mem_array((size_t)tl->steps + 1, sizeof *sigmas);
    memcpy(sigmas, tl->sigma, (size_t)tl->steps * sizeof *sigmas);
    sigmas[tl->steps] = tl->to[tl->steps - 1]; /* where the last step ends, which is not 0 for every sampler */
    trace_numbers(&g->trace, "sigmas", sigmas, tl->steps + 1);
    free(sigmas);
    trace_numbers(&g->trace, "timesteps", tl->t, tl->steps);
}

int generator_condition(Generator *g, const Request *requests, int n, Err *e)
{
    const Prompts **prompts = mem_array((size_t)n, sizeof *prompts);
    release_own(g);
    g->run.own = mem_array((size_t)g->share.batch, sizeof *g->run.own);
    int failed = prompts_of(g, requests, n, prompts, g->run.own, e) || encode(g, prompts, n, e) ||
                 blend_prompts(g, prompts, requests, n, e);
    if (!failed) network_prepare(g);
    if (!failed && g->recipe.said.trace) trace_start(g, prompts[0]);
    free(prompts);
    return failed ? -1 : 0;
}

int generator_run(Generator *g, const Request *requests, int n, Picture *out, Err *e)
{
    const char *trace = g->recipe.said.trace;
    assert(n >= 1 && n <= g->share.batch && (n == 1 || !trace));
    memset(out, 0, (size_t)n * sizeof *out);
    watch_step(&g->watch, 0, g->recipe.timeline.steps);
    if (g->run.before) g->time.text = 0; /* the first run's is what generator_new() took, too */
    g->run.before = true;

    int failed = generator_condition(g, requests, n, e);
    if (!failed) failed = generator_draw(g, requests, n, out, e);
    if (!failed && trace && !g->recipe.said.second_pass) failed = trace_write(&g->trace, trace, e);

    arena_reset(&g->arena, 0);
    if (g->m->large) arena_rest(&g->arena); /* decoding needs the most */
    for (int i = 0; i < n && failed; i++) picture_release(&out[i]);
    return failed ? -1 : 0;
}

size_t generator_memory(const Model *m, const Job *j, int batch)
{
    size_t weights = unet_bytes(m->unet) + vae_bytes(m->vae) + model_texts(m, text_encoder_bytes), need = 0;
    if (!m->large) weights += unet_borrowed(m->unet) + vae_borrowed(m->vae) + model_texts(m, text_encoder_borrowed);
    Generator *g = mem_alloc(sizeof *g);
    Err e;
    if (!start(g, m, j, &(Share){ .batch = batch }, &e)) {
        if (g->recipe.memory == MEMORY_LOW) g->tile = memory_low_tile(m);
        need = weights + memory_measure(g, g->share.batch);
        size_t second = hires_memory(g, g->share.batch);
        if (second > need) need = second;
    }
    generator_free(g);
    return need;
}
