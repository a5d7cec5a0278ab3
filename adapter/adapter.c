/* adapter.c - see adapter.h. */
#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/mem.h"
#include "nn/patch.h"
#include "weights/json.h"
#include "weights/safetensors.h"

/* The factors of one matrix's change. */
typedef struct {
    int target;
    char *name; /* flat */
    const Weight *factor[FACTOR_COUNT];
    const BoundMatrix *matrix; /* what it changes; NULL: nothing here */
} Module;

struct Adapter {
    Patch **patches;
    Panels **panels; /* [count] what each is for */
    size_t count;
};

/* A file while it is read. */
typedef struct {
    const AdapterTarget *targets;
    int target_count;
    Module *modules;
    size_t count;
    cJSON *peft; /* PEFT's settings, from the file's metadata; NULL */
} Reading;

/* ---- the file's tensors, by module ------------------------------------------------------------------------------------- */

static Module *module_of(Reading *r, int target, const char *name)
{
    for (size_t i = r->count; i-- > 0;) /* the tensors of one stand together in most files */
        if (r->modules[i].target == target && strcmp(r->modules[i].name, name) == 0) return &r->modules[i];
    r->modules = mem_grow(r->modules, (r->count + 1) * sizeof *r->modules);
    Module *m = &r->modules[r->count++];
    *m = (Module){ .target = target, .name = mem_strdup(name) };
    return m;
}

static int sort_tensors(Reading *r, Weights *w, Err *e)
{
    char buf[SHOWN_MAX];
    for (size_t i = 0; i < weights_count(w); i++) {
        const Weight *t = weights_at(w, i);
        AdapterName n;
        if (adapter_name(t->name, r->targets, r->target_count, &n, e)) {
            str_release(&n.module);
            return -1;
        }
        Module *m = module_of(r, n.target, str_text(&n.module));
        str_release(&n.module);
        if (m->factor[n.factor])
            return err_set(e, "the tensors \"%s\" and another say the same of one module", shown(t->name, buf));
        m->factor[n.factor] = t;
    }
    return 0;
}

/* Each module's matrix. Error: how many have none, and the first. */
static int find_matrices(Reading *r, Err *e)
{
    char buf[SHOWN_MAX];
    size_t lost = 0;
    const char *first = NULL;
    for (size_t i = 0; i < r->count; i++) {
        Module *m = &r->modules[i];
        const AdapterTarget *t = m->target < 0 ? NULL : &r->targets[m->target];
        for (size_t k = 0; t && k < t->count && !m->matrix; k++)
            if (adapter_names(t, &t->matrices[k], m->name)) m->matrix = &t->matrices[k];
        if (!m->matrix && !lost++) first = m->name;
    }
    if (!lost) return 0;
    return err_set(
        e, "%zu of %zu modules fit nothing in this model, the first is \"%s\": it was made for another kind of model",
        lost, r->count, shown(first, buf));
}

/* ---- its scale ------------------------------------------------------------------------------------------------------------ */

/* alpha / rank; PEFT's files have it in their metadata, and those with neither mean 1. */
static int scale_of(const Reading *r, const Module *m, size_t rank, float *scale, Err *e)
{
    *scale = 1;
    if (m->factor[FACTOR_ALPHA]) {
        float alpha;
        if (weight_count(m->factor[FACTOR_ALPHA]) != 1) return err_set(e, "the alpha of %s is not one number", m->name);
        if (weight_to_f32(m->factor[FACTOR_ALPHA], &alpha, e)) return -1;
        *scale = alpha / (float)rank;
        return 0;
    }
    Str key = { 0 };
    str_addf(&key, "%slora_alpha", r->targets[m->target].dotted);
    const cJSON *alpha = cJSON_GetObjectItemCaseSensitive(r->peft, str_text(&key));
    str_clear(&key);
    str_addf(&key, "%suse_rslora", r->targets[m->target].dotted);
    bool root = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r->peft, str_text(&key)));
    str_release(&key);
    if (cJSON_IsNumber(alpha)) *scale = (float)(alpha->valuedouble / (root ? sqrt((double)rank) : (double)rank));
    return isfinite(*scale) ? 0 : err_set(e, "the alpha of %s is no number", m->name);
}

static bool has_pattern(const cJSON *peft, const char *dotted, const char *what)
{
    Str key = { 0 };
    str_addf(&key, "%s%s", dotted, what);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(peft, str_text(&key));
    str_release(&key);
    return item && item->child;
}

static int read_metadata(Reading *r, Bytes file, Err *e)
{
    char *text = safetensors_metadata(file, "lora_adapter_metadata");
    if (!text) return 0;
    r->peft = json_parse((Bytes){ (const unsigned char *)text, strlen(text) }, e);
    free(text);
    if (!r->peft) return err_in(e, "lora_adapter_metadata");
    for (int i = 0; i < r->target_count; i++)
        if (has_pattern(r->peft, r->targets[i].dotted, "alpha_pattern") ||
            has_pattern(r->peft, r->targets[i].dotted, "rank_pattern"))
            return err_set(
                e,
                "its metadata gives modules ranks or alphas of their own (alpha_pattern, rank_pattern): limn does not "
                "read these yet");
    return 0;
}

/* ---- patches ----------------------------------------------------------------------------------------------------------- */

static float *floats(const Weight *t, Err *e)
{
    float *x = mem_array(weight_count(t) + 1, sizeof *x);
    if (!weight_to_f32(t, x, e)) return x;
    err_in(e, t->name);
    free(x);
    return NULL;
}

static int make_patch(const Reading *r, const Module *m, Patch **out, Err *e)
{
    char found[128], other[128];
    const Weight *down = m->factor[FACTOR_DOWN], *up = m->factor[FACTOR_UP];
    const BoundMatrix *to = m->matrix;
    float scale, strength = r->targets[m->target].strength;
    if (!down || !up) return err_set(e, "%s has no %s factor: the file is not complete", m->name, down ? "up" : "down");
    size_t rank = down->ndim ? (size_t)down->shape[0] : 0, k = (size_t)to->w->k;
    if (!rank || weight_count(down) != rank * k || weight_count(up) != to->rows * rank)
        return err_set(e,
                       "%s has factors of shapes %s and %s, the model's matrix is %zu x %zu: it was made for another "
                       "kind of model",
                       m->name, weight_shape_text(down, found, sizeof found),
                       weight_shape_text(up, other, sizeof other), to->rows, k);
    if (scale_of(r, m, rank, &scale, e)) return -1;
    float *d = floats(down, e), *u = d ? floats(up, e) : NULL;
    if (u) *out = patch_low_rank(to->w, to->row, to->rows, u, d, rank, scale * strength, e);
    free(d);
    free(u);
    return *out ? 0 : -1;
}

static int make_patches(const Reading *r, Adapter *a, Err *e)
{
    a->patches = mem_array(r->count, sizeof *a->patches);
    a->panels = mem_array(r->count, sizeof *a->panels);
    for (size_t i = 0; i < r->count; i++) {
        const Module *m = &r->modules[i];
        assert(m->matrix && "find_matrices() has refused the others");
        if (r->targets[m->target].strength == 0) continue;
        if (make_patch(r, m, &a->patches[a->count], e)) return -1;
        a->panels[a->count++] = m->matrix->w;
    }
    return 0;
}

/* ---- the whole of it ---------------------------------------------------------------------------------------------------- */

static int read_all(Reading *r, Adapter *a, const char *path, Err *e)
{
    Bytes file;
    if (file_map(&file, path, e)) return -1;
    Weights *w = weights_new();
    int failed = safetensors_read(w, file, e) || read_metadata(r, file, e) || sort_tensors(r, w, e);
    if (!failed && !r->count) failed = err_set(e, "there is nothing in it");
    if (!failed) failed = find_matrices(r, e) || make_patches(r, a, e);
    weights_free(w);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}

Adapter *adapter_lay(const char *path, const AdapterTarget *targets, int count, Err *e)
{
    Adapter *a = mem_alloc(sizeof *a);
    Reading r = { .targets = targets, .target_count = count };
    int failed = read_all(&r, a, path, e);
    for (size_t i = 0; i < r.count; i++) free(r.modules[i].name);
    free(r.modules);
    cJSON_Delete(r.peft);
    if (failed) {
        adapter_free(a);
        return NULL;
    }
    for (size_t i = 0; i < a->count; i++) patch_lay(a->panels[i], a->patches[i]);
    return a;
}

void adapter_free(Adapter *a)
{
    if (!a) return;
    for (size_t i = 0; i < a->count; i++) patch_free(a->patches[i]);
    free(a->patches);
    free(a->panels);
    free(a);
}
