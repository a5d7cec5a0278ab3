/* start.c - the start of a run: noise, or a picture with noise on it. See generator.h and init.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/checking.h"
#include "pipeline/generator.h"
#include "pipeline/seen_told.h"
#include "scheduler/between.h"

static bool fills(const Generator *g) { return g->recipe.beside == BESIDE_MASKED; }

/* ---- the VAE's encoder ------------------------------------------------------------------------------------------------- */

static Tensor encode_picture(Generator *g, bool hidden)
{
    const Job *j = &g->recipe.said;
    Nn nn = generator_nn_beside(g);
    Tensor pixels = tensor_new(nn.arena, 1, j->height, j->width, 3);
    init_pixels(&g->init, pixels, hidden);
    return vae_encode(&nn, g->m->vae, pixels);
}

void start_measure(Generator *g)
{
    size_t mark = g->nn.arena->used;
    if (g->recipe.from_picture && g->recipe.said.second_pass != 1) encode_picture(g, false);
    arena_reset(g->nn.arena, mark);
    seen_measure(g);
}

static int keep_moments(Generator *g, bool hidden, float **out, Err *e)
{
    size_t mark = g->nn.arena->used;
    Tensor m = encode_picture(g, hidden);
    size_t len = tensor_len(m);
    bool bad = g->nn.k->find_bad(m.data, len) < len;
    *out = mem_array(len, sizeof **out);
    memcpy(*out, m.data, len * sizeof **out);
    arena_reset(g->nn.arena, mark);
    if (!bad) return 0;
    if (model_check(g->m, e)) return -1;
    return err_set(e, "the VAE's encoder gave NaN or infinity: its weights are damaged");
}

int start_encode(Generator *g, Err *e)
{
    if (g->recipe.shown) return seen_encode(g, e);
    if (!g->recipe.from_picture || g->recipe.said.second_pass) return 0;
    if (keep_moments(g, false, &g->init.moments, e)) return -1;
    return fills(g) ? keep_moments(g, true, &g->init.masked_moments, e) : 0;
}

/* ---- the first latent -------------------------------------------------------------------------------------------------- */

/*
 * out [n, h, w, c]: draws of the VAE's latents, scaled. Tools whose generator is not known here take the mean; a VAE that gives
 * the latent itself has nothing drawn. draws: room; rng NULL: the mean.
 */
static void draw_latents(const Generator *g, Tensor out, const float *moments, Rng *rng, Tensor draws)
{
    bool draws_one = vae_draws(g->m->vae), sampled = rng && draws_one && g->recipe.compat == COMPAT_DIFFUSERS;
    if (sampled) fresh_noise(draws, rng, g->nn.arena);
    if (!out.data) return;
    if (!sampled) memset(draws.data, 0, tensor_len(draws) * sizeof *draws.data);
    for (int i = 0; i < out.n; i++) {
        Tensor one = tensor_slice(out, i, 1), m = { (float *)(size_t)moments, 1, out.h, out.w, out.c };
        if (!draws_one) {
            tensor_copy(one, m);
            continue;
        }
        m.c *= 2;
        vae_sample(one, m, tensor_slice(draws, i, 1).data);
    }
    vae_scale(g->m->vae, out);
}

int start_encode_mean(Generator *g, Tensor to, Err *e)
{
    float *moments;
    size_t mark = g->nn.arena->used;
    if (keep_moments(g, false, &moments, e)) return -1;
    draw_latents(g, to, moments, NULL, tensor_like(g->nn.arena, to));
    arena_reset(g->nn.arena, mark);
    free(moments);
    return 0;
}

/* What the mask lets change starts from something else than the picture (--fill). */
static void fill_masked(const Generator *g, Tensor source, Tensor noise)
{
    const char *fill = g->recipe.said.fill;
    bool noisy = strcmp(fill, "noise") == 0;
    size_t c = (size_t)source.c, pixels = (size_t)source.h * (size_t)source.w;
    if ((!noisy && strcmp(fill, "nothing") != 0) || !g->init.mask || !source.data) return;
    for (size_t i = 0; i < tensor_len(source); i++)
        if (g->init.mask[i / c % pixels] > 0) source.data[i] = noisy ? noise.data[i] : 0;
}

static Tensor mask_of(const Generator *g)
{
    const Recipe *r = &g->recipe;
    Tensor mask = tensor_new(g->nn.arena, 1, r->h, r->w, 1);
    if (mask.data) memcpy(mask.data, g->init.mask, tensor_len(mask) * sizeof *mask.data);
    return mask;
}

/* Nine channels: the mask, and the picture's latent without what is drawn anew; the same for both halves of guidance. */
static Tensor beside_of(Generator *g, Tensor masked)
{
    int halves = guidance_prompts(&g->recipe.guidance);
    size_t c = (size_t)masked.c, all = c + 1, rows = (size_t)masked.h * (size_t)masked.w;
    Tensor out = tensor_new(g->nn.arena, halves * masked.n, masked.h, masked.w, masked.c + 1);
    for (size_t i = 0; out.data && i < (size_t)out.n * rows; i++) {
        out.data[i * all] = g->init.told[i % rows];
        memcpy(out.data + i * all + 1, masked.data + i % ((size_t)masked.n * rows) * c, c * sizeof *out.data);
    }
    return out;
}

/* Eight channels: the picture's mean latent, not scaled (but CosXL's); the same for both halves of guidance. */
static Tensor picture_beside(Generator *g, Tensor x)
{
    int halves = guidance_prompts(&g->recipe.guidance);
    Tensor out = tensor_new(g->nn.arena, halves * x.n, x.h, x.w, x.c);
    size_t mark = g->nn.arena->used;
    Tensor draws = tensor_like(g->nn.arena, out);
    draw_latents(g, out, g->init.moments, NULL, draws);
    float scaling = g->m->scaled_beside ? 1 : vae_scaling_factor(g->m->vae);
    for (size_t i = 0; out.data && i < tensor_len(out); i++) out.data[i] /= scaling;
    arena_reset(g->nn.arena, mark);
    return out;
}

/* Five channels: the map of depths. */
static Tensor depth_beside(Generator *g, int n)
{
    const Recipe *r = &g->recipe;
    int halves = guidance_prompts(&r->guidance);
    Tensor out = tensor_new(g->nn.arena, halves * n, r->h, r->w, 1);
    size_t each = (size_t)r->w * (size_t)r->h;
    for (int i = 0; out.data && i < out.n; i++)
        memcpy(out.data + (size_t)i * each, g->init.depth, each * sizeof *out.data);
    return out;
}

/* The first noise goes towards another seed's, where the job or a request wants it. */
static void vary(Generator *g, const Request *requests, Tensor x)
{
    const Recipe *r = &g->recipe;
    bool wanted = !requests || r->said.variation_strength > 0;
    for (int i = 0; requests && i < x.n; i++) wanted = wanted || requests[i].varied;
    if (!wanted) return;
    size_t mark = g->nn.arena->used;
    Tensor other = tensor_like(g->nn.arena, x);
    Rng *rng = mem_array((size_t)x.n, sizeof *rng);
    double *far = mem_array((size_t)x.n, sizeof *far);
    for (int i = 0; i < x.n; i++) {
        bool own = requests && requests[i].varied;
        uint64_t seed = own ? requests[i].variation_seed : (uint64_t)fmax(r->said.variation_seed, 0);
        far[i] = own ? requests[i].variation_strength : r->said.variation_strength;
        rng_init(&rng[i], r->compat == COMPAT_COMFYUI ? RNG_TORCH : r->rng, seed);
    }
    fresh_noise(other, rng, g->nn.arena);
    for (int i = 0; x.data && i < x.n; i++)
        if (far[i] > 0) noise_between(tensor_slice(x, i, 1), tensor_slice(other, i, 1), far[i]);
    free(far);
    free(rng);
    arena_reset(g->nn.arena, mark);
}

/* x [n, h, w, c]: each picture from its own generator, whatever the others are. */
static void unit_noise(Generator *g, const Request *requests, Tensor x, Rng *rng)
{
    size_t each = tensor_len(x) / (size_t)x.n;
    if (!g->given) fresh_noise(x, rng, g->nn.arena);
    if (!g->given) vary(g, requests, x);
    for (int i = 0; g->given && x.data && i < x.n; i++)
        memcpy(tensor_slice(x, i, 1).data, g->given, each * sizeof(float));
    if (x.data && g->recipe.said.trace) trace_image(&g->trace, "noise", -1, x, 1);
}

/* Draws in diffusers' order: the picture's latent, the noise, the masked picture's latent. */
static void from_picture(Generator *g, const Request *requests, Tensor x, Rng *rng)
{
    const Recipe *r = &g->recipe;
    Tensor draws = tensor_like(g->nn.arena, x), masked = { 0 };
    bool needs_source = !(fills(g) || r->beside == BESIDE_PICTURE) || !r->pure_noise;
    g->run.source = tensor_like(g->nn.arena, x);
    if (r->said.second_pass && x.data) memcpy(g->run.source.data, g->second_source, tensor_len(x) * sizeof *x.data);
    else if (needs_source && !r->said.second_pass) draw_latents(g, g->run.source, g->init.moments, rng, draws);
    unit_noise(g, requests, x, rng);
    if (r->masked) {
        masked = tensor_like(g->nn.arena, x);
        if (fills(g)) draw_latents(g, masked, g->init.masked_moments, rng, draws);
        else if (r->compat == COMPAT_DIFFUSERS && vae_draws(g->m->vae))
            fresh_noise(draws, rng, g->nn.arena); /* drawn there, and not used */
        g->run.noise = tensor_like(g->nn.arena, x);
        tensor_copy(g->run.noise, x);
        g->run.mask = mask_of(g);
    }
    if (fills(g)) g->run.beside = beside_of(g, masked);
    if (r->beside == BESIDE_PICTURE) g->run.beside = picture_beside(g, x);
    if (r->beside == BESIDE_DEPTH) g->run.beside = depth_beside(g, x.n);
    fill_masked(g, g->run.source, x);
    for (size_t i = 0; x.data && i < tensor_len(x); i++)
        x.data[i] = r->pure_noise ? (float)(x.data[i] * r->timeline.scale)
                                  : g->run.source.data[i] + (float)r->first_sigma * x.data[i];
}

void start_latent(Generator *g, const Request *requests, Tensor x, Rng *rng)
{
    RunState *run = &g->run;
    run->source = run->noise = run->mask = run->beside = run->label = (Tensor){ 0 };
    if (g->recipe.from_picture) {
        from_picture(g, requests, x, rng);
        return;
    }
    seen_draw(g, x, rng);
    unit_noise(g, requests, x, rng);
    for (size_t i = 0; x.data && i < tensor_len(x); i++) x.data[i] = (float)(x.data[i] * g->recipe.timeline.scale);
}
