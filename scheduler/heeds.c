/* heeds.c - see heeds.h. */
#include "scheduler/heeds.h"

#include <string.h>

enum { MOST_STEPS = 50, SIDE = 4, LEN = SIDE * SIDE, ROOM = 1 << 18 };

/* D(x; sigma) for numbers that are 1 or so, bent so that no sampler is exact. */
static int bent(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx, (void)e;
    for (size_t i = 0; x0.data && i < tensor_len(x); i++) {
        float z = (float)(x.data[i] / (1 + sigma * sigma));
        x0.data[i] = 1 + z / (1 + z * z);
    }
    return 0;
}

/* Where the sampler ends. False: it does not run with that. */
static bool end_of(const Sampler *s, int steps, double eta, const Tuning *t, const Noise *n, float end[LEN])
{
    Timeline tl;
    Arena arena;
    Rng rng;
    Err e;
    TimelinePlan plan = { .schedule = schedule_find("normal"),
                          .family = s->family,
                          .steps = steps,
                          .compat = t->compat,
                          .drop = s->drops[t->compat] };
    if (arena_init(&arena, ROOM, &e)) return false;
    bool ran = false;
    if (timeline_plan(&tl, &plan, n, &e) == 0) {
        uint64_t seed = 1;
        rng_init(&rng, RNG_TORCH, seed);
        Tensor x = tensor_new(&arena, 1, SIDE, SIDE, 1);
        fresh_noise(x, &rng, &arena);
        for (int i = 0; i < LEN; i++) x.data[i] *= (float)tl.scale;
        Denoiser d = { .noise = n, .exact = bent, .guidance = { .scale = 1 }, .arena = &arena };
        Sampling run = {
            .d = &d, .x = x, .tl = &tl, .rng = &rng, .seeds = &seed, .eta = eta, .tuning = *t, .arena = &arena
        };
        ran = sampler_run(s, &run, &e) == 0;
        memcpy(end, x.data, LEN * sizeof *end);
    }
    timeline_release(&tl);
    arena_release(&arena);
    return ran;
}

bool sampler_heeds(const Sampler *s, int steps, double eta, const Tuning *a, const Tuning *b)
{
    float x[LEN], y[LEN];
    Noise n;
    Err e;
    if (steps > MOST_STEPS) steps = MOST_STEPS;
    noise_defaults(&n);
    if (noise_build(&n, &e)) return true;
    bool ran = end_of(s, steps, eta, a, &n, x) && end_of(s, steps, eta, b, &n, y);
    noise_release(&n);
    bool same = ran;
    for (int i = 0; i < LEN && same; i++) same = x[i] == y[i];
    return !same;
}
