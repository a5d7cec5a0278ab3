/* passes.c - noise to latents, one way down the sigmas. See generator.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/generator.h"

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

static int after_step(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    Generator *g = ctx;
    const Timeline *tl = &g->recipe.timeline;
    size_t each = tensor_len(x0) / (size_t)x0.n, steps = (size_t)tl->steps;
    bool put_back = g->run.mask.n && !g->run.beside.c && g->recipe.compat == COMPAT_DIFFUSERS;
    (void)e;
    if (put_back) put_picture_back(g, i + 1, x);
    for (int k = 0; g->run.x0 && k < x0.n; k++)
        memcpy(g->run.x0 + ((size_t)k * steps + (size_t)i) * each, tensor_slice(x0, k, 1).data, each * sizeof(float));
    if (g->recipe.said.trace && x.data) trace_image(&g->trace, "latents", i, x, timeline_shown(tl, i + 1));
    watch_step(&g->watch, i + 1, tl->steps);
    return 0;
}

/*
 * After the first noise. diffusers and A1111 go on with its generator, A1111 with ENSD with that of another seed; ComfyUI draws the
 * first noise on the CPU, and the rest with a generator on the device, on the CPU of the next seed. diffusers' SDE scheduler may
 * have a tree's seed of its own.
 */
static void restart_noise(const Recipe *r, Rng *rng, uint64_t *seed)
{
    if (r->compat == COMPAT_COMFYUI) rng_init(rng, r->rng, *seed + (r->rng == RNG_TORCH));
    if (r->compat == COMPAT_A1111 && r->said.ensd) rng_init(rng, r->rng, *seed + (uint64_t)r->said.ensd);
    if (r->compat == COMPAT_DIFFUSERS && r->noise.has_tree_seed) *seed = r->noise.tree_seed;
}

/* rng: of fresh noise; seeds: of Brownian trees. */
static int sample(Generator *g, Tensor x, Rng *rng, const uint64_t *seeds, Err *e)
{
    const Recipe *r = &g->recipe;
    Denoiser d = { .noise = &r->noise,
                   .network = network_call,
                   .ctx = g,
                   .arena = g->nn.arena,
                   .guidance = r->guidance,
                   .kept = kept_of(g),
                   .round_timestep = r->compat == COMPAT_COMFYUI };
    Sampling s = { .d = &d,
                   .x = x,
                   .tl = &r->timeline,
                   .rng = rng,
                   .seeds = seeds,
                   .eta = r->eta,
                   .tuning = r->tuning,
                   .arena = g->nn.arena,
                   .after_step = arena_dry(g->nn.arena) ? NULL : after_step,
                   .ctx = g };
    g->run.calls = 0;
    g->time.shared = false;
    if (sampler_run(r->sampler, &s, e)) return -1;
    if (d.kept.in_estimate && !d.kept.soft) kept_put(&d.kept, x, 0);
    g->time.evals = d.evals;
    return 0;
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
    start_latent(g, x, rng);
    for (size_t i = 0; i < n; i++) restart_noise(r, &rng[i], &seeds[i]);
    int failed = sample(g, x, rng, seeds, e);
    free(seeds);
    free(rng);
    return failed;
}
