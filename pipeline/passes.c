/* passes.c - noise to latents: one pass over the sigmas. See generator.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/deepcache.h"
#include "pipeline/generator.h"
#include "pipeline/refine.h"

/* What the mask keeps of the picture, and where it is put back; a UNet that is told the mask needs no help. */
static Kept kept_of(const Generator *g)
{
    const Recipe *r = &g->recipe;
    bool comfy = r->compat == COMPAT_COMFYUI, a1111 = r->compat == COMPAT_A1111;
    if (!g->run.mask.n || (g->run.beside.c && r->compat == COMPAT_DIFFUSERS)) return (Kept){ 0 };
    return (Kept){ .soft = r->said.soft_mask,
                   .t_from = noise_nearest(&r->noise, r->timeline.sigma[0]),
                   .source = g->run.source,
                   .noise = g->run.noise,
                   .mask = g->run.mask,
                   .in_input = comfy,
                   .in_estimate = comfy || a1111 };
}

/*
 * diffusers, before step i, and after the last one with the clean picture. Its differential diffusion (the authors' pipeline): a
 * place is kept while what keeps it, 1 - mask, is above i / steps, and after the last step nothing is.
 */
static void put_picture_back(const Generator *g, int i, Tensor x)
{
    const Timeline *tl = &g->recipe.timeline;
    Kept kept = kept_of(g);
    double sigma = i < tl->steps ? tl->sigma[i] : 0;
    if (kept.soft) kept_put_below(&kept, x, sigma, 1 - (double)i / tl->steps);
    else kept_put(&kept, x, sigma);
}

/* One way down a part of the sigmas, or all of them. */
typedef struct {
    Generator *g;    /* whose picture it is */
    Generator *with; /* whose network, sampler and sigmas: g, or the second model's */
    int before;      /* steps of the picture that were run before */
    int count;       /* steps that it runs: fewer than there are where another pass goes on */
    bool done;       /* it was stopped there */

    /* --compat a1111: the second model takes over within the pass */
    const Request *requests;
    int pictures, ran; /* ran: steps so far */
    Noise noise;       /* the first model's; its prediction becomes the second's */
    bool switched;
} Pass;

/* Steps of a picture in all. */
static int steps_of(const Generator *g) { return g->recipe.timeline.steps; }

/* The first picture's, every so many steps but after the last. */
static void show_preview(Generator *g, int done, Tensor x0)
{
    Image im;
    if (!g->preview || done % g->recipe.said.preview != 0 || done >= steps_of(g)) return;
    preview_image(g->preview, tensor_slice(x0, 0, 1), &im);
    watch_preview(&g->watch, &im, done, steps_of(g));
    image_release(&im);
}

static int after_step(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    Pass *p = ctx;
    Generator *g = p->g;
    const Timeline *tl = &p->with->recipe.timeline;
    size_t each = tensor_len(x0) / (size_t)x0.n, steps = (size_t)steps_of(g), step = (size_t)p->before + (size_t)i;
    bool put_back = g->run.mask.n && !g->run.beside.c && g->recipe.compat == COMPAT_DIFFUSERS;
    if (put_back) put_picture_back(g, (int)step + 1, x);
    for (int k = 0; g->run.x0 && k < x0.n; k++)
        memcpy(g->run.x0 + ((size_t)k * steps + step) * each, tensor_slice(x0, k, 1).data, each * sizeof(float));
    if (g->recipe.said.trace && x.data) trace_image(&g->trace, "latents", (int)step, x, timeline_shown(tl, i + 1));
    p->ran = (int)step + 1;
    watch_step(&g->watch, p->ran, steps_of(g));
    show_preview(g, p->ran, x0);
    if (i + 1 < p->count || p->count == tl->steps) return 0;
    p->done = true;
    return err_set(e, "the next pass goes on");
}

/*
 * After the first noise. diffusers and A1111 go on with its generator, A1111 with ENSD with that of another seed; ComfyUI draws
 * the first noise on the CPU, and the rest with a generator on the device, on the CPU of the next seed. diffusers' SDE scheduler
 * may have a tree's seed of its own.
 */
static void restart_noise(const Recipe *r, Rng *rng, uint64_t *seed)
{
    if (r->compat == COMPAT_COMFYUI) rng_init(rng, r->rng, *seed + (r->rng == RNG_TORCH));
    if (r->compat == COMPAT_A1111 && r->said.ensd) rng_init(rng, r->rng, *seed + (uint64_t)r->said.ensd);
    if (r->compat == COMPAT_DIFFUSERS && r->noise.has_tree_seed) *seed = r->noise.tree_seed;
}

/* A1111's: the network of the model whose turn it is. */
static int call_either(void *ctx, Tensor out, const Evaluation *ev, Err *e)
{
    Pass *p = ctx;
    Generator *g = p->g;
    if (!p->switched && refine_due(g, ev->t)) {
        if (refine_prepare(g, p->requests, p->pictures, e)) return -1;
        p->noise.prediction = g->refiner->recipe.noise.prediction;
        p->switched = true;
        g->time.before = p->ran;
    }
    return network_call(p->switched ? g->refiner : g, out, ev, e);
}

/* rng: of fresh noise; seeds: of Brownian trees. */
static int sample(Pass *p, Tensor x, Rng *rng, const uint64_t *seeds, Err *e)
{
    Generator *g = p->g, *with = p->with;
    const Recipe *r = &with->recipe;
    bool either = p->requests != NULL;
    GuideMemory memory[GUIDES_MAX];
    Timeline part;
    timeline_copy(&part, &r->timeline);
    if (r->compat == COMPAT_COMFYUI) part.steps = p->count; /* there the sampler knows of no others */
    Denoiser d = { .noise = either ? &p->noise : &r->noise,
                   .network = either ? call_either : network_call,
                   .ctx = either ? (void *)p : with,
                   .arena = with->nn.arena,
                   .guidance = r->guidance,
                   .memory = memory,
                   .before = g->time.evals,
                   .kept = kept_of(g),
                   .round_timestep = r->compat == COMPAT_COMFYUI };
    Sampling s = { .d = &d,
                   .x = x,
                   .tl = &part,
                   .rng = rng,
                   .seeds = seeds,
                   .eta = r->eta,
                   .tuning = r->tuning,
                   .arena = with->nn.arena,
                   .after_step = arena_dry(with->nn.arena) ? NULL : after_step,
                   .ctx = p };
    d.guidance.composed = &with->run.composed;
    size_t mark = with->nn.arena->used;
    guides_begin(&d.guidance, x, d.arena, memory);
    deepcache_begin(with, x);
    with->run.calls = 0;
    int failed = sampler_run(r->sampler, &s, e) && !p->done;
    arena_reset(with->nn.arena, mark);
    bool last = p->before + p->count == steps_of(g);
    if (!failed && last && d.kept.in_estimate && !d.kept.soft) kept_put(&d.kept, x, 0);
    g->time.evals += d.evals;
    timeline_release(&part);
    return failed ? -1 : 0;
}

/* The first model's steps, then the second's. requests NULL: in a dry arena, whose measure is the first model's alone. */
static int sample_all(Generator *g, const Request *requests, Tensor x, Rng *rng, uint64_t *seeds, Err *e)
{
    int steps = steps_of(g), first = g->hand_over;
    bool goes_on = g->refiner && requests, at_once = goes_on && g->recipe.compat == COMPAT_A1111;
    Pass pass = { .g = g, .with = g, .count = goes_on && !at_once ? first : steps };
    g->time.evals = 0;
    g->time.shared = false;
    g->time.before = !goes_on ? -1 : at_once ? steps : first;
    if (at_once) {
        pass.requests = requests;
        pass.pictures = x.n;
        pass.noise = g->recipe.noise;
        g->refiner->run.calls = 0;
    }
    if (pass.count && sample(&pass, x, rng, seeds, e)) return -1;
    if (!goes_on || at_once || first == steps) return 0;

    if (refine_prepare(g, requests, x.n, e)) return -1;
    for (int i = 0; g->recipe.compat == COMPAT_COMFYUI && i < x.n; i++) /* each of its samplers begins anew */
        restart_noise(&g->recipe, &rng[i], &seeds[i]);
    return sample(&(Pass){ .g = g, .with = g->refiner, .before = first, .count = steps - first }, x, rng, seeds, e);
}

int passes_run(Generator *g, const Request *requests, Tensor x, Err *e)
{
    const Recipe *r = &g->recipe;
    size_t n = (size_t)x.n;
    Rng *rng = mem_array(n, sizeof *rng);
    uint64_t *seeds = mem_array(n, sizeof *seeds);
    for (size_t i = 0; i < n; i++) {
        seeds[i] = requests ? requests[i].seed : 0;
        rng_init(&rng[i], r->compat == COMPAT_COMFYUI ? RNG_TORCH : r->rng, seeds[i]);
    }
    start_latent(g, requests, x, rng);
    for (size_t i = 0; i < n; i++) restart_noise(r, &rng[i], &seeds[i]);
    int failed = sample_all(g, requests, x, rng, seeds, e);
    free(seeds);
    free(rng);
    return failed;
}
