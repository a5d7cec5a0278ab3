/* adapter.c - see adapter.h. */
#include "adapter/adapter.h"

#include <stdlib.h>
#include <string.h>

#include "adapter/info.h"
#include "adapter/internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "weights/safetensors.h"

/* A patch that is made, and where it lies. */
typedef struct {
    Patch *patch;
    Panels *on;
} Laid;

struct Adapter {
    Bytes file; /* differences are read where they lie */
    Laid *laid;
    size_t count;
    VectorChange *vectors; /* in the order in which they were laid */
    size_t vector_count;
};

/* What fits nothing, or has another shape. */
typedef struct {
    size_t count;
    Err first;
} Misfits;

static void add_misfit(Misfits *m, const Err *why)
{
    if (!m->count++) m->first = *why;
}

static const AdapterTarget *target_of(const AdapterTargets *to, AdapterNetwork n)
{
    for (int i = 0; i < to->count; i++)
        if (to->target[i].network == n) return &to->target[i];
    return NULL;
}

/* Each module's place in the model. */
static void find_places(Modules *m, const AdapterTargets *to, const Places places[NETWORK_COUNT], Misfits *lost)
{
    static const char *const names[] = { "unet", "te", "te2", "" };
    for (size_t i = 0; i < m->count; i++) {
        Module *x = &m->module[i];
        Err why;
        char buf[SHOWN_MAX];
        x->rounded = to->rounded;
        if (target_of(to, x->network)) x->place = places_find(&places[x->network], x->name);
        if (x->place) continue;
        err_set(&why, "\"%s%s%s\" is no part of this model", names[x->network], *names[x->network] ? ": " : "",
                shown(x->name, buf));
        add_misfit(lost, &why);
    }
}

static int by_matrix(const void *a, const void *b)
{
    const BoundMatrix *x = (*(const Module *const *)a)->place->matrix, *y = (*(const Module *const *)b)->place->matrix;
    return (x > y) - (x < y);
}

/* Two names of one matrix, diffusers' and LDM's, in one file. */
static int check_twice(const Modules *m, Err *e)
{
    const Module **all = mem_array(m->count + 1, sizeof *all);
    size_t n = 0, twice = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->module[i].place && m->module[i].place->matrix) all[n++] = &m->module[i];
    qsort(all, n, sizeof *all, by_matrix);
    for (size_t i = 1; i < n && !twice; i++) twice = all[i]->place->matrix == all[i - 1]->place->matrix ? i : 0;
    if (twice) err_set(e, "\"%s\" and \"%s\" are the same matrix", all[twice - 1]->name, all[twice]->name);
    free(all);
    return twice ? -1 : 0;
}

static float strength_of(const Module *m, const AdapterTargets *to)
{
    const BlockWeights *b = to->blocks;
    float strength = target_of(to, m->network)->strength;
    if (!b || !b->given) return strength;
    if (m->network != NETWORK_UNET) return strength * b->base;
    return m->place->block < 0 ? strength : strength * b->block[m->place->block];
}

/* A module's patch, made in parallel with others'. */
typedef struct {
    const Kind *kind;
    float strength;
    Patch *patch;
    int failed;
    Err why;
} Made;

static void make_patches(const Modules *m, const AdapterTargets *to, Made *made)
{
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < m->count; i++) {
        const Module *x = &m->module[i];
        Made *one = &made[i];
        if (!x->place) continue;
        one->strength = strength_of(x, to);
        one->kind = module_kind(x, &one->why);
        if (!one->kind) one->failed = -1;
        else if (one->strength != 0) one->failed = kind_patch(one->kind, x, one->strength, &one->patch, &one->why);
    }
}

/* Takes over what was made of a module, and lays its vectors. */
static int take(Adapter *a, const Module *m, Made *made, Misfits *lost, Err *e)
{
    VectorChange change[VECTORS_MAX] = { { 0 } };
    int count = 0, failed = made->failed;
    if (made->patch) a->laid[a->count++] = (Laid){ made->patch, module_panels(m) };
    if (!failed && made->kind && made->strength != 0)
        failed = vectors_lay(made->kind, m, made->strength, change, &count, &made->why);
    for (int i = 0; i < count; i++) a->vectors[a->vector_count++] = change[i];
    if (failed == MODULE_MISFIT) add_misfit(lost, &made->why);
    if (failed < 0) *e = made->why;
    return failed < 0 ? -1 : 0;
}

static int lay_modules(Adapter *a, const Modules *m, const AdapterTargets *to, Misfits *lost, Err *e)
{
    int failed = 0;
    a->laid = mem_array(m->count + 1, sizeof *a->laid);
    a->vectors = mem_array(m->count * VECTORS_MAX + 1, sizeof *a->vectors);
    if (check_twice(m, e)) return -1;
    Made *made = mem_array(m->count + 1, sizeof *made);
    make_patches(m, to, made);
    for (size_t i = 0; i < m->count; i++) {
        Err why;
        if (take(a, &m->module[i], &made[i], lost, &why) && !failed) failed = -1, *e = why; /* the first is told */
    }
    free(made);
    for (size_t i = 0; i < a->count; i++) patch_lay(a->laid[i].on, a->laid[i].patch);
    file_evict(a->file); /* factors are copied; a difference gets its pages again */
    return failed;
}

/* A file that is known to be of another kind is called so. */
static int check_kind(Weights *w, Err *e)
{
    const char *foreign = adapter_foreign(w), *what = adapter_is(w) ? NULL : adapter_file_kind(w);
    if (foreign) return err_set(e, "it is for %s; limn runs SD 1.x, 2.x and XL", foreign);
    if (!what || str_starts(what, "a LoRA")) return 0; /* a LoRA of names unknown: the first will be told */
    return err_set(e, "it is %s, and no LoRA", what);
}

/* What does not fit is an error, unless the user takes what does. */
static int judge(const Modules *m, const AdapterTargets *to, Bytes file, const Misfits *lost, Str *notes, Err *e)
{
    if (!lost->count) return 0;
    if (lost->count < m->count && to->partial) {
        str_addf(notes, "%zu of its %zu modules fit nothing here and are passed over, the first is: %s", lost->count,
                 m->count, lost->first.text);
        return 0;
    }
    const char *family = modules_family(m, file);
    bool none = lost->count == m->count;
    if (family && to->family && !strstr(to->family, "custom") && strcmp(family, to->family) != 0)
        return err_set(e, "it was made for %s, and this model is %s", family, to->family);
    return err_set(e,
                   "%zu of its %zu modules fit nothing in this model, so it was made for another kind of model%s; the "
                   "first: %s",
                   lost->count, m->count, none ? "" : " (--lora-partial takes what fits)", lost->first.text);
}

/* A LoRA whose alpha is 0 is laid, and does nothing. */
static void note_silent(const Modules *m, Str *notes)
{
    size_t silent = 0;
    for (size_t i = 0; i < m->count; i++) {
        const Module *x = &m->module[i];
        float scale;
        Err unread;
        Factor f = x->factor[FACTOR_SCALE] ? FACTOR_SCALE : FACTOR_ALPHA;
        bool low_rank = x->factor[FACTOR_DOWN] || x->factor[FACTOR_HADA_W1A];
        silent += low_rank && x->factor[f] && !factor_number(x, f, &scale, &unread) && scale == 0;
    }
    if (silent)
        str_addf(notes, "%s%zu of its %zu modules have the alpha 0, and so change nothing", notes->len ? "; " : "",
                 silent, m->count);
}

static int read_all(Adapter *a, const char *path, const AdapterTargets *to, Str *notes, Err *e)
{
    Places places[NETWORK_COUNT] = { { 0 } };
    Modules m = { 0 };
    Misfits lost = { 0 };
    if (file_map(&a->file, path, e)) return -1;
    Weights *w = weights_new();
    for (int i = 0; i < to->count; i++) places[to->target[i].network] = places_new(&to->target[i]);
    int failed = to->blocks ? blocks_check(to->blocks, places_last(&places[NETWORK_UNET]), e) : 0;
    if (!failed)
        failed = safetensors_read(w, a->file, e) || check_kind(w, e) || modules_read(&m, w, a->file, to->partial, e);
    if (!failed) find_places(&m, to, places, &lost);
    if (!failed && lost.count && (lost.count == m.count || !to->partial))
        failed = judge(&m, to, a->file, &lost, notes, e);
    if (!failed) failed = lay_modules(a, &m, to, &lost, e) || judge(&m, to, a->file, &lost, notes, e);
    if (!failed) note_silent(&m, notes);
    if (!failed && m.odd)
        str_addf(notes, "%s%zu of its tensors are passed over, the first is: %s", notes->len ? "; " : "", m.odd,
                 m.first_odd.text);
    if (!failed && m.bundled.len)
        str_addf(notes,
                 "%sthe vectors of words that lie in it too (%s) are passed over: they are words like others here",
                 notes->len ? "; " : "", m.bundled.s);
    for (int i = 0; i < NETWORK_COUNT; i++) places_free(&places[i]);
    modules_release(&m);
    weights_free(w);
    return failed ? -1 : 0;
}

Adapter *adapter_lay(const char *path, const AdapterTargets *to, Str *notes, Err *e)
{
    Adapter *a = mem_alloc(sizeof *a);
    if (!read_all(a, path, to, notes, e)) return a;
    if (!str_starts(e->text, path)) err_in(e, path);
    adapter_free(a);
    return NULL;
}

Bytes adapter_file(const Adapter *a) { return a->file; }

void adapter_count(const Adapter *a, size_t *matrices, size_t *vectors)
{
    *matrices = a->count;
    *vectors = a->vector_count;
}

void adapter_free(Adapter *a)
{
    if (!a) return;
    for (size_t i = a->vector_count; i-- > 0;) vector_take_off(&a->vectors[i]);
    for (size_t i = a->count; i-- > 0;) {
        patch_take_off(a->laid[i].on, a->laid[i].patch);
        patch_free(a->laid[i].patch);
    }
    free(a->vectors);
    free(a->laid);
    file_unmap(&a->file);
    free(a);
}
