/*
 * told.c - the UNet's inputs in an evaluation: a table of tellers, each of which fills its part of the inputs. Whatever modifies
 * the UNet's evaluations is a row here and its functions. See generator.h.
 */
#include <string.h>

#include "pipeline/control.h"
#include "pipeline/deepcache.h"
#include "pipeline/generator.h"
#include "pipeline/selfs.h"
#include "pipeline/windows.h"

/* Where a branch's rows begin in what the run has computed for [negative prompts, empty prompts, prompts]. n: pictures. */
static int first_row(Tensor all, Branch branch, int n)
{
    if (branch_prompted(branch.of)) return all.n - n;
    return branch.of == BRANCH_EMPTY ? n : 0;
}

/* The rows of all branches, one after the other. */
Tensor told_rows(const Generator *g, Tensor all, const Evaluation *ev)
{
    int n = ev->x.n / ev->branches, first = first_row(all, ev->branch[0], n);
    bool together = true;
    for (int i = 1; i < ev->branches; i++) together = together && first_row(all, ev->branch[i], n) == first + i * n;
    if (together) return tensor_slice(all, first, ev->x.n);
    Tensor rows = tensor_new(g->nn.arena, ev->x.n, all.h, all.w, all.c);
    for (int i = 0; i < ev->branches; i++)
        tensor_copy(tensor_slice(rows, i * n, n), tensor_slice(all, first_row(all, ev->branch[i], n), n));
    return rows;
}

/* The row of a picture's text in what the run has computed for all texts: text after text, each of as many rows as pictures. */
static int text_row(const Generator *g, const Evaluation *ev, int branch, int picture)
{
    const Branch *b = &ev->branch[branch];
    int n = g->run.pictures, at = picture % n;
    const Prompts *p = g->run.prompts[at];
    int text = prompts_text(p, branch_prompted(b->of) ? b->part : -1, ev->call);
    if (branch_prompted(b->of)) text += g->run.negatives + g->run.empty - p->negatives;
    else if (b->of == BRANCH_EMPTY) text = g->run.negatives;
    return text * n + at;
}

Tensor told_texts(const Generator *g, Tensor all, const Evaluation *ev)
{
    int n = ev->x.n / ev->branches, first = text_row(g, ev, 0, 0);
    bool together = true;
    for (int i = 0; i < ev->x.n; i++) together = together && text_row(g, ev, i / n, i % n) == first + i;
    if (together) return tensor_slice(all, first, ev->x.n);
    Tensor rows = tensor_new(g->nn.arena, ev->x.n, all.h, all.w, all.c);
    for (int i = 0; i < ev->x.n; i++)
        tensor_copy(tensor_slice(rows, i, 1), tensor_slice(all, text_row(g, ev, i / n, i % n), 1));
    return rows;
}

/* ---- the prompts ------------------------------------------------------------------------------------------------------- */

static void tell_prompts(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    in->kv = told_texts(g, g->run.kv, ev);
}

static void key_prompts(const Generator *g, CacheKey *key) { key_add_tensor(key, g->run.context); }

/* ---- pooled text and sizes (SDXL) -------------------------------------------------------------------------------------- */

static void tell_sizes(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    int n = ev->x.n / ev->branches, count = g->m->ids;
    if (!count) return;
    float *ids = arena_alloc(g->nn.arena, (size_t)(ev->x.n * count) * sizeof *ids);
    for (int i = 0; ids && i < ev->x.n; i++)
        memcpy(ids + i * count, g->recipe.ids[branch_prompted(ev->branch[i / n].of)], (size_t)count * sizeof *ids);
    in->pooled = told_texts(g, g->run.pooled, ev);
    in->ids = ids;
    in->id_count = count;
}

static void key_sizes(const Generator *g, CacheKey *key)
{
    if (!g->m->ids) return;
    key_add_tensor(key, g->run.pooled);
    key_add(key, g->recipe.ids, sizeof g->recipe.ids);
}

/* ---- further channels (inpainting, pix2pix) ---------------------------------------------------------------------------- */

static void tell_beside(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    int n = ev->x.n / ev->branches;
    if (!g->run.beside.c) return;
    in->beside = told_rows(g, g->run.beside, ev);
    if (g->run.part.w) in->beside = windows_crop(g->nn.arena, in->beside, g->run.part);
    for (int i = 0; in->beside.data && i < ev->branches; i++) {
        Tensor rows = tensor_slice(in->beside, i * n, n);
        if (ev->branch[i].of == BRANCH_BLIND) memset(rows.data, 0, tensor_len(rows) * sizeof *rows.data);
    }
}

static void key_beside(const Generator *g, CacheKey *key)
{
    if (g->run.beside.c) key_add_tensor(key, g->run.beside);
}

/* ---- the guidance scale's embedding (LCM) ------------------------------------------------------------------------------ */

/* The same for all: [batch, width]. */
static void tell_scale(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    (void)ev;
    in->cond = g->cond;
}

static void key_scale(const Generator *g, CacheKey *key)
{
    if (g->cond) key_add(key, g->cond, (size_t)unet_cond_width(g->m->unet) * sizeof *g->cond);
}

/* ---- class labels ---------------------------------------------------------------------------------------------------------- */

static void tell_label(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    in->label_row = (int)g->recipe.said.noise_level;
    if (g->run.label.n) in->label = told_rows(g, g->run.label, ev);
}

static void key_label(const Generator *g, CacheKey *key)
{
    key_add(key, &g->recipe.said.noise_level, sizeof g->recipe.said.noise_level);
    if (g->run.label.n) key_add_tensor(key, g->run.label);
}

/* ---- the way up (FreeU) ------------------------------------------------------------------------------------------------ */

static void tell_way_up(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    (void)ev;
    in->freeu = g->recipe.freeu;
}

static void key_way_up(const Generator *g, CacheKey *key)
{
    const UNetFreeU *f = &g->recipe.freeu;
    const double numbers[] = { f->version, f->by_channels, f->b[0], f->b[1], f->s[0], f->s[1] };
    if (f->version) key_add(key, numbers, sizeof numbers);
}

/* The first evaluation of a run is a whole one: nothing was kept before it. */
static void no_key(const Generator *g, CacheKey *key)
{
    (void)g;
    (void)key;
}

/* ---- the table --------------------------------------------------------------------------------------------------------- */

static const struct {
    void (*tell)(const Generator *g, const Evaluation *ev, UNetInputs *in); /* temporaries are in g's arena */
    void (*key)(const Generator *g, CacheKey *key);                         /* adds all that decides what is told */
} tellers[] = {
    { tell_prompts, key_prompts }, { tell_sizes, key_sizes },     { tell_beside, key_beside },
    { tell_scale, key_scale },     { selfs_tell, selfs_key },     { tell_way_up, key_way_up },
    { deepcache_tell, no_key },    { control_tell, control_key }, { tell_label, key_label },
};

UNetInputs told_inputs(const Generator *g, const Evaluation *ev)
{
    UNetInputs in = { 0 };
    for (size_t i = 0; i < sizeof tellers / sizeof *tellers; i++) tellers[i].tell(g, ev, &in);
    return in;
}

void told_key(const Generator *g, CacheKey *key)
{
    for (size_t i = 0; i < sizeof tellers / sizeof *tellers; i++) tellers[i].key(g, key);
}
