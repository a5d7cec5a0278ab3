/* network.c - the UNet, as the denoiser calls it. See generator.h. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pipeline/areas.h"
#include "pipeline/checking.h"
#include "pipeline/control.h"
#include "pipeline/deepcache.h"
#include "pipeline/generator.h"
#include "pipeline/windows.h"

void network_prepare(Generator *g)
{
    double start = clock_now();
    Nn nn = generator_nn(g);
    Tensor context = g->run.context;
    g->run.kv = tensor_new(nn.arena, context.n, context.h, 1, unet_context_columns(g->m->unet));
    unet_context(&nn, g->m->unet, context, g->run.kv);
    control_prepare(g);
    g->time.text += clock_now() - start;
}

/* diffusers' get_guidance_scale_embedding: the sinusoidal embedding of (scale - 1) * 1000. */
void network_embed_guidance(Generator *g)
{
    int width = unet_cond_width(g->m->unet);
    float w = (float)((g->recipe.said.cfg_scale - 1) * 1000);
    if (!width) return;
    Arena a;
    Err e;
    int rows = g->share.batch * BRANCHES_MAX; /* guides without a negative prompt ask for several (PAG) */
    g->cond = mem_array((size_t)rows * (size_t)width, sizeof *g->cond);
    if (arena_init(&a, (size_t)width * sizeof *g->cond + 64, &e)) return;
    Nn nn = { .arena = &a, .k = g->nn.k, .threads = 1 };
    Tensor one = nn_timestep_embedding(&nn, &w, 1, width, false, 1);
    for (int i = 0; i < rows; i++) memcpy(g->cond + i * width, one.data, (size_t)width * sizeof *g->cond);
    arena_release(&a);
}

/* All pictures in one batch; layers give each sample the bits that it has alone. */
static void evaluate(Generator *g, Tensor out, const Evaluation *ev)
{
    size_t mark = g->nn.arena->used;
    Nn nn = generator_nn(g);
    UNetInputs in = told_inputs(g, ev);
    tensor_copy(out, unet_forward(&nn, g->m->unet, ev->x, ev->t, &in));
    deepcache_keep(g, ev, &in);
    arena_reset(g->nn.arena, mark);
}

/* The first call need not wait until all weights are looked over. */
static int begin_call(Generator *g, Err *e)
{
    if (g->time.first == 0) g->time.first = clock_now();
    if (g->run.calls) return model_check(g->m, e);
    model_check_begin(g->m);
    return 0;
}

/* All that the network is given. */
static void key_of(const Generator *g, CacheKey *key, const Evaluation *ev)
{
    const bool how[] = { g->nn.wrap_x, g->nn.wrap_y };
    key_begin(key, "evaluation");
    key_add_tensor(key, ev->x);
    key_add(key, ev->branch, (size_t)ev->branches * sizeof *ev->branch);
    key_add(key, &ev->t, sizeof ev->t);
    key_add(key, &ev->call, sizeof ev->call);
    key_add(key, how, sizeof how);
    key_add(key, &g->recipe.precision, sizeof g->recipe.precision);
    const int windows[] = { g->recipe.window, g->recipe.overlap };
    key_add(key, windows, sizeof windows);
    if (areas_wanted(&g->recipe)) key_add(key, g->recipe.said.region, strlen(g->recipe.said.region));
    told_key(g, key);
    key_end(key);
}

int network_call(void *generator, Tensor out, const Evaluation *ev, Err *e)
{
    Generator *g = generator;
    if (generator_check(g, e)) return -1;
    if (!arena_dry(&g->arena) && begin_call(g, e)) return -1;
    if (ev->map) {
        int h = ev->x.h, w = ev->x.w;
        unet_middle_self(g->m->unet, &h, &w);
        *ev->map = tensor_new(g->nn.arena, ev->x.n, h, w, 1);
    }
    bool first = g->run.calls++ == 0 && g->share.firsts && out.data && !ev->map &&
                 !deepcache_on(g); /* kept is the output alone */
    CacheKey key;
    if (first) {
        key_of(g, &key, ev);
        g->time.shared = cache_get(g->share.firsts, &key, out);
        if (g->time.shared) return 0;
    }
    if (windows_wanted(&g->recipe)) {
        if (windows_evaluate(g, out, ev, e)) return -1;
    } else if (areas_wanted(&g->recipe)) {
        if (areas_evaluate(g, out, ev, e)) return -1;
    } else evaluate(g, out, ev);
    size_t len = out.data ? tensor_len(out) : 0;
    if (g->nn.k->find_bad(out.data, len) < len && model_check(g->m, e)) return -1; /* that says which tensor */
    if (first) cache_put(g->share.firsts, &key, out);
    return 0;
}
