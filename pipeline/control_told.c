/* control_told.c - the UNet's inputs from control pictures in a call. See control.h and told.c. */
#include <math.h>
#include <string.h>

#include "pipeline/control_internal.h"
#include "pipeline/control_mode.h"
#include "pipeline/control_when.h"

/* The pictures' tokens for the prompts, those of none for the negative prompts, which come first. */
static void prepare_tokens(const Generator *g, Nn *nn, Unit *u)
{
    int negative = (guidance_prompts(&g->recipe.guidance) - 1) * g->run.pictures, rows = negative + g->run.pictures;
    Tensor one = u->found[0];
    u->kv = tensor_new(nn->arena, rows, one.h, 1, unet_context_columns(g->m->unet));
    size_t mark = nn->arena->used;
    Tensor tokens = tensor_new(nn->arena, rows, one.h, 1, one.c);
    for (int i = 0; tokens.data && i < rows; i++) tensor_copy(tensor_slice(tokens, i, 1), u->found[i < negative]);
    ip_context(nn, u->file->ip, tokens, (float)u->strength, u->kv);
    arena_reset(nn->arena, mark);
}

void control_prepare(Generator *g)
{
    Nn nn = generator_nn(g);
    Tensor context = g->run.context;
    for (int i = 0; g->control && i < g->control->count; i++) {
        Unit *u = &g->control->unit[i];
        if (u->file->ip) prepare_tokens(g, &nn, u);
        if (!u->file->net) continue;
        u->kv = tensor_new(nn.arena, context.n, context.h, 1, controlnet_context_columns(u->file->net));
        controlnet_context(&nn, u->file->net, context, u->kv);
    }
}

/* ---- ControlNet ----------------------------------------------------------------------------------------------------------- */

/* Nothing is added where nothing was found yet. */
static void begin_residuals(const Generator *g, Tensor x, UNetInputs *in)
{
    Tensor *r = g->control->residuals;
    in->residuals = r;
    in->residual_count = unet_residual_shapes(g->m->unet, x.n, x.h, x.w, r);
    for (int i = 0; i < in->residual_count; i++) {
        r[i] = tensor_like(g->nn.arena, r[i]);
        if (r[i].data) memset(r[i].data, 0, tensor_len(r[i]) * sizeof *r[i].data);
    }
}

/* How strong each result is. diffusers' guess mode: from a tenth up to all of it. */
static void scales_of(const Generator *g, const Unit *u, int count, float *scales)
{
    ControlMode mode = control_mode(g, &u->line);
    for (int i = 0; i < count; i++) {
        double share = mode.soft ? control_soft_share(CONTROL_NET, i) : 1;
        if (mode.guess && !controlnet_pools(u->file->net)) share = (double)powf(10, (float)i / (float)(count - 1) - 1);
        scales[i] = (float)share * (float)u->strength;
    }
}

/* The samples first .. first + n - 1 of what is told of all. */
static UNetInputs part_of(const UNetInputs *all, int first, int n)
{
    UNetInputs in = { .cond = all->cond, .ids = all->ids, .id_count = all->id_count };
    if (all->ids) in.ids = all->ids + first * all->id_count;
    if (all->pooled.n) in.pooled = tensor_slice(all->pooled, first, n);
    if (all->beside.c) in.beside = tensor_slice(all->beside, first, n);
    return in;
}

/* The branches first .. first + count - 1. */
static void run_net(const Generator *g, const Unit *u, const Evaluation *ev, int first, int count, UNetInputs *all)
{
    size_t mark = g->nn.arena->used;
    Nn nn = generator_nn(g);
    int each = ev->x.n / ev->branches, from = first * each, n = count * each;
    float scales[UNET_MAX_RESIDUALS];
    Tensor residuals[UNET_MAX_RESIDUALS], x = tensor_slice(ev->x, from, n);
    const Evaluation part = { .x = x, .branch = ev->branch + first, .branches = count, .call = ev->call };
    UNetInputs in = part_of(all, from, n);
    in.kv = told_texts(g, u->kv, &part);
    scales_of(g, u, all->residual_count, scales);
    for (int i = 0; i < all->residual_count; i++) residuals[i] = tensor_slice(all->residuals[i], from, n);
    if (in.beside.c && controlnet_in_channels(u->file->net) > x.c) x = nn_concat(&nn, x, in.beside);
    controlnet_forward(&nn, u->file->net, x, ev->t, &in,
                       &(Controlled){ unit_found(u, g->run.window)[0], scales, residuals, u->type });
    arena_reset(g->nn.arena, mark);
}

/* Whether what counts for the prompt alone counts there. */
static bool counts_for(BranchKind of) { return branch_prompted(of) || of == BRANCH_BLIND; }

/* Where its results are pooled, and in some modes, a net does not count for the negative prompt. */
static void tell_net(const Generator *g, const Unit *u, const Evaluation *ev, UNetInputs *in)
{
    if (!in->residual_count) begin_residuals(g, ev->x, in);
    if (!control_mode(g, &u->line).prompt_only && !controlnet_pools(u->file->net)) {
        run_net(g, u, ev, 0, ev->branches, in);
        return;
    }
    for (int i = 0; i < ev->branches; i++)
        if (counts_for(ev->branch[i].of)) run_net(g, u, ev, i, 1, in);
}

/* ---- T2I-Adapter ---------------------------------------------------------------------------------------------------------- */

/* to += share * map, for the samples of a branch, or all of them. */
static void add_map(const Generator *g, const Unit *u, const Evaluation *ev, Tensor to, int k)
{
    ControlMode mode = control_mode(g, &u->line);
    float share = mode.soft ? (float)control_soft_share(CONTROL_T2I, k) : 1;
    const Tensor map = unit_found(u, g->run.window)[k];
    int each = ev->x.n / ev->branches;
    for (int i = 0; to.data && i < to.n; i++) {
        if (to.n > 1 && mode.prompt_only && !counts_for(ev->branch[i / each].of)) continue;
        float *p = tensor_slice(to, i, 1).data;
        for (size_t n = 0; n < tensor_len(map); n++) p[n] += share * map.data[n];
    }
}

/* Whether some adapter counts for some samples only. */
static bool maps_differ(const Generator *g)
{
    bool differ = false;
    for (int i = 0; i < g->control->count; i++) {
        const Unit *u = &g->control->unit[i];
        differ = differ || (u->file->t2i && control_mode(g, &u->line).prompt_only);
    }
    return differ;
}

/* The maps of several adapters are summed up. */
static void tell_maps(const Generator *g, const Unit *u, const Evaluation *ev, UNetInputs *in)
{
    Tensor *maps = g->control->maps;
    for (int k = 0; k < u->count; k++) {
        if (k >= in->feature_count) {
            Tensor like = u->found[k];
            like.n = maps_differ(g) ? ev->x.n : 1;
            maps[k] = tensor_like(g->nn.arena, like);
            if (maps[k].data) memset(maps[k].data, 0, tensor_len(maps[k]) * sizeof *maps[k].data);
        }
        add_map(g, u, ev, maps[k], k);
    }
    in->features = maps;
    if (u->count > in->feature_count) in->feature_count = u->count;
}

/*
 * ---- the teller -------------------------------------------------------------------------------------------------------------
 */

void control_tell(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    for (int i = 0; g->control && i < g->control->count; i++) {
        const Unit *u = &g->control->unit[i];
        if (!control_active(g, &u->line, ev) || u->strength == 0) continue;
        if (u->file->t2i) tell_maps(g, u, ev, in);
        if (u->file->ip) {
            in->pictures = g->control->pictures;
            g->control->pictures[in->picture_count++] = told_rows(g, u->kv, ev);
        }
        if (u->file->net) tell_net(g, u, ev, in);
    }
}

void control_key(const Generator *g, CacheKey *key)
{
    for (int i = 0; g->control && i < g->control->count; i++) {
        const Unit *u = &g->control->unit[i];
        const ControlMode mode = control_mode(g, &u->line);
        const double numbers[] = { u->strength, u->line.start, u->line.end, mode.guess, mode.soft, mode.prompt_only };
        key_add(key, u->file->sha256, sizeof u->file->sha256);
        key_add(key, numbers, sizeof numbers);
        for (int w = 0; w < u->windows; w++)
            for (int k = 0; k < u->count; k++) key_add_tensor(key, unit_found(u, w)[k]);
    }
}
