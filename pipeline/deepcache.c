/* deepcache.c - see deepcache.h. */
#include "pipeline/deepcache.h"

bool deepcache_on(const Generator *g) { return g->recipe.said.deepcache > 1; }

void deepcache_begin(Generator *g, Tensor x)
{
    for (int i = 0; i < BRANCH_KINDS; i++) {
        g->run.deep[i] = (Tensor){ 0 };
        g->run.deep_there[i] = false;
        if (deepcache_on(g) && guidance_wants(&g->recipe.guidance, (BranchKind)i))
            g->run.deep[i] = tensor_new(g->nn.arena, x.n, x.h, x.w, unet_deep_channels(g->m->unet));
    }
}

void deepcache_tell(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    int n = ev->x.n / ev->branches;
    if (!deepcache_on(g)) return;
    bool whole = ev->step % g->recipe.said.deepcache == 0;
    for (int i = 0; i < ev->branches; i++) whole = whole || !g->run.deep_there[ev->branch[i].of];
    in->deep_use = whole ? DEEP_FILL : DEEP_TAKE;
    in->deep = tensor_new(g->nn.arena, ev->x.n, ev->x.h, ev->x.w, unet_deep_channels(g->m->unet));
    for (int i = 0; i < ev->branches && !whole; i++)
        tensor_copy(tensor_slice(in->deep, i * n, n), g->run.deep[ev->branch[i].of]);
}

void deepcache_keep(Generator *g, const Evaluation *ev, const UNetInputs *in)
{
    int n = ev->x.n / ev->branches;
    if (in->deep_use != DEEP_FILL || !in->deep.data) return;
    for (int i = 0; i < ev->branches; i++) {
        tensor_copy(g->run.deep[ev->branch[i].of], tensor_slice(in->deep, i * n, n));
        g->run.deep_there[ev->branch[i].of] = true;
    }
}
