/*
 * merge.c - see merge.h. Names are those of the first file, so files of one naming are merged; what drawing does not
 * need is kept.
 */
#include "pipeline/merge.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "base/sha.h"
#include "pipeline/baked.h"
#include "pipeline/parts_internal.h"
#include "pipeline/parts_name.h"
#include "weights/blocks.h"
#include "base/json.h"
#include "weights/quantise.h"
#include "weights/read.h"
#include "weights/write.h"

typedef struct {
    char *path;
    Bytes file;
    Weights *w;
} Input;

/* A tensor of the first file, and its like in the others; NULL: not there. */
typedef struct {
    const Weight *of[MERGE_MOST];
} Like;

typedef struct {
    const Merge *m;
    Input in[MERGE_MOST];
    Like *like;     /* [count] */
    WeightOut *out; /* [count] */
    size_t count;
    Baked *baked; /* NULL: no adapters */
    float *work;  /* numbers of one tensor's piece */
    size_t room;
} Merging;

/* ---- the files ---- */

static int open_input(Input *in, const char *name, Err *e)
{
    NameKind kind;
    if (parts_name_find(name, &kind, &in->path, e)) return -1;
    if (kind != NAME_FILE)
        return err_set(e, "%s: a %s: limn merge takes single files (.safetensors, .gguf)", name,
                       kind == NAME_FOLDER ? "folder" : "built-in model");
    in->w = weights_new();
    if (file_map(&in->file, in->path, e)) return -1;
    return weights_read(in->w, in->file, e) ? err_in(e, in->path) : 0;
}

static void release(Merging *g)
{
    for (int i = 0; i < MERGE_MOST; i++) {
        free(g->in[i].path);
        weights_free(g->in[i].w);
        file_unmap(&g->in[i].file);
    }
    baked_free(g->baked);
    free(g->like);
    free(g->out);
    free(g->work);
}

/* ---- which tensors go together ---- */

/* A first convolution with more inputs (inpainting: 9) takes the others' in its first ones. */
static bool is_wider(const Weight *a, const Weight *b)
{
    return a->ndim == 4 && b->ndim == 4 && a->shape[0] == b->shape[0] && a->shape[1] > b->shape[1] &&
           a->shape[2] == b->shape[2] && a->shape[3] == b->shape[3];
}

static bool same_shape(const Weight *a, const Weight *b)
{
    int n = a->ndim, k = b->ndim;
    while (n > 1 && a->shape[n - 1] == 1) n--; /* linear layers as 1x1 convolutions, in GGUF */
    while (k > 1 && b->shape[k - 1] == 1) k--;
    return n == k && memcmp(a->shape, b->shape, (size_t)n * sizeof *a->shape) == 0;
}

/* Error: shapes that cannot be merged. *lacking counts tensors that another file does not have. */
static int find_like(Merging *g, const Weight *t, Like *like, size_t *lacking, Err *e)
{
    char buf[SHOWN_MAX], a[SHOWN_MAX], b[SHOWN_MAX];
    like->of[0] = t;
    for (int i = 1; i < g->m->count; i++) {
        const Weight *other = weights_find(g->in[i].w, t->name);
        if (!other || !dtype_computes(t->dtype) || !dtype_computes(other->dtype)) {
            *lacking += dtype_computes(t->dtype) && !parts_needless(t->name);
            memset(like->of + 1, 0, sizeof like->of - sizeof *like->of);
            return 0;
        }
        if (!same_shape(t, other) && !is_wider(t, other))
            return err_set(e, "%s has the shape %s in %s and %s in %s: models of different kinds", shown(t->name, buf),
                           weight_shape_text(t, a, sizeof a), g->in[0].path, weight_shape_text(other, b, sizeof b),
                           g->in[i].path);
        like->of[i] = other;
    }
    return 0;
}

static DType type_of(const Merge *m, const Weight *t)
{
    DType kept = dtype_computes(t->dtype) && t->scale ? DT_F16 : t->dtype; /* scaled ones would want new scales */
    return m->retype ? quantise_choice(t, m->type) : kept;
}

static int plan(Merging *g, Str *notes, Err *e)
{
    size_t all = weights_count(g->in[0].w), lacking = 0, merged = 0;
    g->like = mem_array(all + 1, sizeof *g->like);
    g->out = mem_array(all + 1, sizeof *g->out);
    for (size_t i = 0; i < all; i++) {
        const Weight *t = weights_at(g->in[0].w, i);
        WeightOut *o = &g->out[g->count];
        if (t->folded) continue;
        if (find_like(g, t, &g->like[g->count], &lacking, e)) return -1;
        merged += g->like[g->count].of[1] != NULL;
        *o = (WeightOut){ .name = t->name, .dtype = type_of(g->m, t), .ndim = t->ndim };
        if (!quantise_knows(o->dtype) && dtype_computes(o->dtype)) o->dtype = DT_F16;
        memcpy(o->shape, t->shape, sizeof o->shape);
        bool untouched = !g->like[g->count].of[1] && !baked_has(g->baked, t);
        if (!dtype_computes(t->dtype) ||
            (untouched && o->dtype == t->dtype && !t->scale && (g->m->count > 1 || g->m->weight[0] == 1)))
            o->same = t;
        g->count++;
    }
    if (g->m->count > 1 && !merged)
        return err_set(e, "%s and %s have no tensor of the same name: files of one naming are merged", g->in[0].path,
                       g->in[1].path);
    if (lacking)
        str_addf(
            notes,
            "%zu tensors are not in every file and stay as %s has them (the first: a VAE or text encoder, perhaps)\n",
            lacking, g->in[0].path);
    return 0;
}

/* ---- their numbers ---- */

static float *room_for(Merging *g, size_t n)
{
    if (n > g->room) g->work = mem_grow(g->work, n * sizeof *g->work);
    if (n > g->room) g->room = n;
    return g->work;
}

/* Numbers of another file's tensor where the first's stand; those inputs that it lacks are the first's. */
static void numbers_like(const Weight *t, const Weight *other, size_t from, size_t n, float *to)
{
    if (!is_wider(t, other)) {
        weight_values(other, from, n, to);
        return;
    }
    size_t taps = (size_t)(t->shape[2] * t->shape[3]), row = (size_t)t->shape[1] * taps,
           own = (size_t)other->shape[1] * taps;
    for (size_t i = 0; i < n; i++) {
        size_t at = (from + i) % row, line = (from + i) / row;
        if (at < own) weight_values(other, line * own + at, 1, &to[i]);
        else weight_values(t, from + i, 1, &to[i]);
    }
}

/* An input that others lack keeps all of its weight. */
static bool alone(const Like *l, size_t element, int count)
{
    const Weight *t = l->of[0];
    for (int i = 1; i < count; i++) {
        if (!l->of[i] || !is_wider(t, l->of[i])) continue;
        size_t taps = (size_t)(t->shape[2] * t->shape[3]);
        if (element % ((size_t)t->shape[1] * taps) >= (size_t)l->of[i]->shape[1] * taps) return true;
    }
    return false;
}

static void sum_numbers(Merging *g, const Like *l, size_t from, size_t n, float *out)
{
    const Weight *t = l->of[0];
    float *other = room_for(g, n);
    weight_values(t, from, n, out);
    if (!l->of[1]) return;
    bool wider = false;
    for (int k = 1; k < g->m->count; k++) wider = wider || is_wider(t, l->of[k]);
    float *first = NULL;
    if (wider) {
        first = mem_array(n, sizeof *first);
        memcpy(first, out, n * sizeof *first);
    }
    for (size_t i = 0; i < n; i++) out[i] = (float)(g->m->weight[0] * (double)out[i]);
    for (int k = 1; k < g->m->count; k++) {
        numbers_like(t, l->of[k], from, n, other);
        for (size_t i = 0; i < n; i++) out[i] = (float)((double)out[i] + g->m->weight[k] * (double)other[i]);
    }
    for (size_t i = 0; wider && i < n; i++)
        if (alone(l, from + i, g->m->count)) out[i] = first[i];
    free(first);
}

static int numbers(void *ctx, size_t i, size_t from, size_t n, float *out, Err *e)
{
    Merging *g = ctx;
    const Like *l = &g->like[i];
    bool large = g->out[i].dtype == DT_F16;
    sum_numbers(g, l, from, n, out);
    if (baked_has(g->baked, l->of[0])) {
        float *base = room_for(g, n);
        weight_values(l->of[0], from, n, base);
        for (size_t k = 0; k < n; k++) out[k] -= base[k]; /* 0 where nothing was merged */
        baked_values(g->baked, l->of[0], from, n, base);
        for (size_t k = 0; k < n; k++) out[k] += base[k];
    }
    for (size_t k = 0; k < n; k++) {
        bool finite = out[k] - out[k] == 0;
        if (!finite)
            return err_set(e, "NaN or infinity (element %zu): a file is damaged, or the weights are too large",
                           from + k);
        if (large && (out[k] > 65504 || out[k] < -65504))
            return err_set(e, "%g (element %zu) is more than F16 holds: --type f32 or bf16", (double)out[k], from + k);
    }
    return 0;
}

/* 8-bit floats use all of their range: each tensor's largest number is looked for first. */
static int find_scales(Merging *g, Err *e)
{
    enum { SOME = 1 << 16 };
    float *x = mem_array(SOME, sizeof *x);
    int failed = 0;
    for (size_t i = 0; i < g->count && !failed; i++) {
        WeightOut *o = &g->out[i];
        size_t n = weight_count(g->like[i].of[0]);
        float largest = 0;
        if (o->same || weights_out_scale(o->dtype, 1) <= 0) continue;
        for (size_t from = 0; from < n && !failed; from += SOME) {
            size_t some = n - from < SOME ? n - from : SOME;
            failed = numbers(g, i, from, some, x, e) ? err_in(e, o->name) : 0;
            for (size_t k = 0; k < some && !failed; k++)
                if (x[k] > largest || -x[k] > largest) largest = x[k] > 0 ? x[k] : -x[k];
        }
        o->scale = weights_out_scale(o->dtype, largest);
    }
    free(x);
    return failed;
}

/* ---- what is told of it ---- */

/* What a copy of a file's metadata would tell wrongly of another file. */
static bool is_stale(const char *key)
{
    static const char *const stale[] = { "sshs_model_hash",        "sshs_legacy_hash",
                                         "modelspec.hash_sha256",  "modelspec.thumbnail",
                                         "_quantization_metadata", "limn.merge",
                                         "modelspec.merged_from",  NULL };
    for (const char *const *s = stale; *s; s++)
        if (strcmp(key, *s) == 0) return true;
    return false;
}

static char *recipe_of(const Merging *g)
{
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "models");
    for (int i = 0; i < g->m->count; i++) {
        char hex[65];
        const char *slash = strrchr(g->in[i].path, '/');
        cJSON *one = cJSON_CreateObject();
        sha_hex(g->in[i].file, hex);
        json_add_text(one, "name", slash ? slash + 1 : g->in[i].path);
        cJSON_AddStringToObject(one, "sha256", hex);
        cJSON_AddNumberToObject(one, "weight", g->m->weight[i]);
        cJSON_AddItemToArray(list, one);
    }
    if (g->m->job->lora) json_add_text(root, "lora", g->m->job->lora);
    char *printed = cJSON_PrintUnformatted(root), *text = mem_strdup(printed);
    cJSON_free(printed);
    cJSON_Delete(root);
    return text;
}

/* The first file's, and how this one was made. */
static char **texts_of(const Merging *g)
{
    char **texts = weights_texts(g->in[0].file);
    size_t count = 0, kept = 0;
    while (texts[count]) count += 2;
    texts = mem_grow(texts, (count + 3) * sizeof *texts);
    for (size_t i = 0; i < count; i += 2) {
        if (is_stale(texts[i])) {
            free(texts[i]);
            free(texts[i + 1]);
            continue;
        }
        texts[kept++] = texts[i];
        texts[kept++] = texts[i + 1];
    }
    texts[kept++] = mem_strdup("limn.merge");
    texts[kept++] = recipe_of(g);
    texts[kept] = NULL;
    return texts;
}

static bool told(void *ctx, uint64_t bytes, uint64_t all)
{
    const Merging *g = ctx;
    if (g->m->progress) g->m->progress(g->m->watch->ctx, (double)bytes / (double)all);
    return g->m->watch->cancelled && g->m->watch->cancelled(g->m->watch->ctx);
}

static int write_out(Merging *g, Err *e)
{
    for (int i = 0; i < g->m->count; i++) {
        char *a = realpath(g->m->to, NULL), *b = realpath(g->in[i].path, NULL);
        bool same = a && b && strcmp(a, b) == 0;
        free(a);
        free(b);
        if (same) return err_usage(e, "-o %s is one of the models: another name", g->m->to);
    }
    char **texts = texts_of(g);
    const WeightsOut o = { .tensor = g->out,
                           .count = g->count,
                           .metadata = (const char *const *)texts,
                           .numbers = numbers,
                           .done = told,
                           .ctx = g };
    int failed = weights_write(g->m->to, &o, e);
    weights_texts_free(texts);
    return failed;
}

int merge_run(const Merge *m, Str *notes, Err *e)
{
    Merging g = { .m = m };
    int failed = 0;
    for (int i = 0; i < m->count && !failed; i++) failed = open_input(&g.in[i], m->path[i], e);
    if (!failed && m->job->lora) failed = (g.baked = baked_new(g.in[0].path, g.in[0].w, m->job, m->watch, e)) ? 0 : -1;
    failed = failed || plan(&g, notes, e) || find_scales(&g, e) || write_out(&g, e);
    release(&g);
    return failed ? -1 : 0;
}
