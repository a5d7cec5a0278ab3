/* bind.c - see bind.h. */
#include "nn/bind.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/kernels.h"
#include "nn/scan.h"

enum { NAME_SIZE = 400 };

void binder_init(Binder *b, Weights *w, Err *e) { *b = (Binder){ .weights = w, .e = e }; }

BoundMemory binder_take(Binder *b)
{
    BoundMemory m = { .blocks = b->blocks,
                      .count = b->count,
                      .bytes = b->bytes,
                      .borrowed = b->borrowed,
                      .matrices = b->matrices,
                      .matrix_count = b->matrix_count,
                      .vectors = b->vectors,
                      .vector_count = b->vector_count };
    b->blocks = NULL;
    b->matrices = NULL;
    b->vectors = NULL;
    b->matrix_count = b->vector_count = 0;
    b->count = b->bytes = b->borrowed = 0;
    return m;
}

void *bound_new(BoundMemory *m, size_t bytes, Err *e)
{
    void *p = mem_try(bytes + MEM_ALIGN);
    if (!p) {
        err_set(e, "cannot get %.2f GB for weights (%.2f GB held so far); free some memory or use a smaller model",
                (double)bytes * 1e-9, (double)m->bytes * 1e-9);
        return NULL;
    }
    m->blocks = mem_grow(m->blocks, (m->count + 1) * sizeof *m->blocks);
    m->blocks[m->count++] = p;
    m->bytes += bytes;
    return p;
}

void bound_release(BoundMemory *m)
{
    for (size_t i = 0; i < m->count; i++) free(m->blocks[i]);
    free(m->blocks);
    for (size_t i = 0; i < m->matrix_count; i++) free(m->matrices[i].name);
    free(m->matrices);
    for (size_t i = 0; i < m->vector_count; i++) free(m->vectors[i].name);
    free(m->vectors);
    *m = (BoundMemory){ 0 };
}

void binder_release(Binder *b)
{
    BoundMemory m = binder_take(b);
    bound_release(&m);
}

size_t bind_enter(Binder *b, const char *fmt, ...)
{
    size_t mark = strlen(b->prefix), room = sizeof b->prefix - mark;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(b->prefix + mark, room, fmt, ap);
    va_end(ap);
    assert(n >= 0 && (size_t)n + 1 < room);
    strcat(b->prefix, ".");
    return mark;
}

void bind_leave(Binder *b, size_t mark) { b->prefix[mark] = 0; }

static const char *full_name(const Binder *b, char *buf, const char *name, const char *suffix)
{
    snprintf(buf, NAME_SIZE, "%s%s%s", b->prefix, name, suffix);
    return buf;
}

bool bind_has(const Binder *b, const char *name)
{
    char buf[NAME_SIZE];
    return weights_find(b->weights, full_name(b, buf, name, "")) != NULL;
}

static void *new_block(Binder *b, size_t bytes)
{
    BoundMemory m = { .blocks = b->blocks, .count = b->count, .bytes = b->bytes };
    void *p = bound_new(&m, bytes, b->e);
    b->blocks = m.blocks;
    b->count = m.count;
    b->bytes = m.bytes;
    return p;
}

/* The tensor of that name and shape. Linear weights may be stored as 1x1 convolutions and the other way round. */
static Weight *take(Binder *b, const char *name, const char *suffix, int ndim, const int64_t *shape)
{
    char buf[NAME_SIZE], found[128], expected[128];
    Weight *t = weights_take(b->weights, full_name(b, buf, name, suffix));
    Weight want = { .name = buf, .ndim = ndim };
    memcpy(want.shape, shape, (size_t)ndim * sizeof *shape);
    if (!t && weights_makes(b->weights)) return weights_make(b->weights, &want, b->check_only, b->e);
    weight_shape_text(&want, expected, sizeof expected);
    if (!t) {
        err_set(b->e,
                "tensor %s is missing: expected shape %s; the file is incomplete or does not belong to this config",
                buf, expected);
        return NULL;
    }
    bool same = t->ndim == ndim;
    for (int i = 0; same && i < ndim; i++) same = t->shape[i] == shape[i];
    if (!same && weight_count(t) == weight_count(&want)) {
        int a = t->ndim, c = ndim;
        while (a > 1 && t->shape[a - 1] == 1) a--;
        while (c > 1 && shape[c - 1] == 1) c--;
        same = a == c && memcmp(t->shape, shape, (size_t)a * sizeof *shape) == 0;
    }
    if (!same) {
        err_set(b->e, "tensor %s has shape %s, expected %s: the file does not belong to this config", buf,
                weight_shape_text(t, found, sizeof found), expected);
        return NULL;
    }
    return t;
}

static int bad_value(Binder *b, const Weight *t, size_t at)
{
    return err_set(b->e, "tensor %s holds NaN or infinity (element %zu): the file is damaged", t->name, at);
}

/* Converts elements from .. from + n - 1; returns the index of the first NaN or infinity among them, or n. */
static size_t convert(const Kernels *k, float *dst, const Weight *t, size_t from, size_t n)
{
    const unsigned char *src = t->data + from * dtype_size(t->dtype);
    if (t->dtype == DT_F32) {
        memcpy(dst, src, n * sizeof *dst);
        return k->find_bad(dst, n);
    }
    uint16_t half[1024]; /* the file may not be aligned */
    for (size_t i = 0; i < n; i += 1024) {
        size_t m = n - i < 1024 ? n - i : 1024;
        memcpy(half, src + 2 * i, 2 * m);
        size_t bad = t->dtype == DT_F16 ? k->from_f16(dst + i, half, m) : k->from_bf16(dst + i, half, m);
        if (bad < m) return i + bad;
    }
    return n;
}

/* Where a tensor's values are not wanted. */
static const float unused[1];

/* Whether they are; in a set that is only described, what they would take is counted. */
static bool wanted(Binder *b, size_t bytes)
{
    if (b->check_only) return false;
    if (weights_dry(b->weights)) b->bytes += bytes;
    return !weights_dry(b->weights);
}

/* All of a tensor as f32, on every core; a file's aligned f32 is used where it lies. NULL with b->e set on failure. */
static const float *as_f32(Binder *b, const Weight *t)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t n = weight_count(t), piece = 1 << 16, bad = n;
    bool in_place = t->dtype == DT_F32 && !t->scale && (size_t)t->data % sizeof(float) == 0;
    if (!wanted(b, in_place ? 0 : n * sizeof(float))) return unused;
    if (t->dtype > DT_BF16 || t->scale) {
        float *dst = new_block(b, n * sizeof *dst);
        if (dst && weight_to_f32(t, dst, b->e)) {
            err_in(b->e, t->name);
            return NULL;
        }
        return dst;
    }
    float *dst = in_place ? NULL : new_block(b, n * sizeof *dst);
    if (!in_place && !dst) return NULL;

#pragma omp parallel for schedule(static) reduction(min : bad) if (n > piece)
    for (size_t from = 0; from < n; from += piece) {
        size_t m = n - from < piece ? n - from : piece;
        size_t at =
            in_place ? k->find_bad((const float *)(const void *)t->data + from, m) : convert(k, dst + from, t, from, m);
        if (at < m && from + at < bad) bad = from + at;
    }
    if (bad < n) {
        bad_value(b, t, bad);
        return NULL;
    }
    if (in_place) return (const float *)(const void *)t->data;
    weights_converted(b->weights, t);
    return dst;
}

/* A tensor is used where it lies. */
static int borrow(Binder *b, Weight *t)
{
    if (b->check_only) return 0;
    b->borrowed += t->bytes;
    t->unchecked = weights_check_deferred(b->weights);
    return weights_dry(b->weights) || t->unchecked ? 0 : scan_weight(t, false, b->e);
}

int bind_tensor(Binder *b, const float **out, const char *name, int ndim, const int64_t *shape)
{
    const Weight *t = take(b, name, "", ndim, shape);
    *out = t ? as_f32(b, t) : NULL;
    return *out ? 0 : -1;
}

int bind_table(Binder *b, Table *out, const char *name, int rows, int width)
{
    Weight *t = take(b, name, "", 2, (int64_t[]){ rows, width });
    if (!t) return -1;
    *out = (Table){ *t, (size_t)width };
    out->values.name = NULL;
    if (scan_knows(t->dtype)) return borrow(b, t);
    out->values.dtype = DT_F32;
    out->values.data = (const unsigned char *)as_f32(b, t);
    out->values.scale = NULL;
    return out->values.data ? 0 : -1;
}

void table_row(const Table *t, size_t row, float *to) { weight_values(&t->values, row * t->width, t->width, to); }

static int read_vector(Binder *b, const float **out, const char *name, const char *suffix, int n)
{
    const Weight *t = take(b, name, suffix, 1, (int64_t[]){ n });
    *out = t ? as_f32(b, t) : NULL;
    return *out ? 0 : -1;
}

/* A layer's vector is known by its name, also one that is not there. */
static void note_vector(Binder *b, BoundVector v, const char *name, const char *suffix)
{
    char buf[NAME_SIZE];
    if (b->check_only) return;
    v.name = mem_strdup(full_name(b, buf, name, suffix));
    b->vectors = mem_grow(b->vectors, (b->vector_count + 1) * sizeof *b->vectors);
    b->vectors[b->vector_count++] = v;
}

static int bind_vector(Binder *b, const float **out, const char *name, const char *suffix, int n)
{
    if (read_vector(b, out, name, suffix, n)) return -1;
    note_vector(b, (BoundVector){ .at = out, .count = (size_t)n, .all = (size_t)n }, name, suffix);
    return 0;
}

/* ---- panels ---- */

/* Parts of one matrix: tensors whose rows stand below each other. */
typedef struct {
    Weight *tensor[BIND_JOINED];
    int count;
} Parts;

/* Whether products can read it where it lies. */
static bool readable(const Parts *m)
{
    for (int i = 0; i < m->count; i++)
        if (!scan_knows(m->tensor[i]->dtype)) return false;
    return true;
}

/* What each row of a tensor is multiplied by, as products want it. */
static int bind_scale(Binder *b, const float **out, const Weight *t, size_t rows)
{
    if (!t->scale || !wanted(b, rows * sizeof(float))) return 0;
    float *scale = new_block(b, rows * sizeof *scale);
    if (!scale) return -1;
    for (size_t i = 0; i < rows; i++) scale[i] = weight_scale(t, i);
    *out = scale;
    return 0;
}

/* The parts' values as f32, one after the other. */
static int convert_parts(Binder *b, Panels *p, const Parts *m)
{
    size_t each = (size_t)p->n / (size_t)m->count * (size_t)p->k;
    float *all = new_block(b, (size_t)m->count * each * sizeof *all);
    if (!all) return -1;
    for (int i = 0; i < m->count; i++) {
        if (weight_to_f32(m->tensor[i], all + (size_t)i * each, b->e)) return err_in(b->e, m->tensor[i]->name);
        weights_converted(b->weights, m->tensor[i]);
        p->data[i] = (const unsigned char *)(all + (size_t)i * each);
    }
    return 0;
}

/* Each part of a layer's matrix is known by its name. */
static void note_matrices(Binder *b, Panels *p, const Parts *m)
{
    size_t rows = (size_t)p->n / (size_t)m->count;
    for (int i = 0; i < m->count; i++) {
        b->matrices = mem_grow(b->matrices, (b->matrix_count + 1) * sizeof *b->matrices);
        b->matrices[b->matrix_count++] = (BoundMatrix){ mem_strdup(m->tensor[i]->name), p, rows * (size_t)i, rows };
    }
}

static int bind_panels(Binder *b, Panels *p, const Parts *m)
{
    if (!b->check_only) note_matrices(b, p, m);
    p->parts = m->count;
    p->data[0] = (const unsigned char *)unused;
    for (int i = 0; i < m->count; i++)
        if (!dtype_computes(m->tensor[i]->dtype))
            return err_set(
                b->e,
                "tensor %s is stored as %s; expected F32, F16, BF16, F64, F8 or GGUF's types; convert the file to F16",
                m->tensor[i]->name, dtype_name(m->tensor[i]->dtype));
    if (!readable(m)) {
        for (int i = 0; i < m->count; i++) p->type[i] = DT_F32;
        return wanted(b, (size_t)p->n * (size_t)p->k * sizeof(float)) ? convert_parts(b, p, m) : 0;
    }
    p->mapped = weights_mapped(b->weights) && !m->tensor[0]->own;
    for (int i = 0; i < m->count; i++) {
        p->type[i] = m->tensor[i]->dtype;
        if (borrow(b, m->tensor[i]) || bind_scale(b, &p->scale[i], m->tensor[i], (size_t)(p->n / m->count))) return -1;
        if (m->tensor[i]->data) p->data[i] = m->tensor[i]->data; /* a set that is only described may have none */
    }
    return 0;
}

/* ---- layers ---- */

int bind_linear(Binder *b, Linear *l, const char *name, int in, int out, bool bias)
{
    *l = (Linear){ .w = { .k = in, .n = out }, .in = in, .out = out };
    Parts m = { .tensor = { take(b, name, ".weight", 2, (int64_t[]){ out, in }) }, .count = 1 };
    if (!m.tensor[0] || bind_panels(b, &l->w, &m)) return -1;
    if (bias) return bind_vector(b, &l->b, name, ".bias", out);
    note_vector(b, (BoundVector){ .at = &l->b, .count = (size_t)out, .all = (size_t)out }, name, ".bias");
    return 0;
}

int bind_linear_geglu(Binder *b, Linear *l, const char *name, int in, int out)
{
    *l = (Linear){ .w = { .k = in, .n = out, .paired = true }, .in = in, .out = out };
    Parts m = { .tensor = { take(b, name, ".weight", 2, (int64_t[]){ out, in }) }, .count = 1 };
    const float *bias;
    if (!m.tensor[0] || bind_panels(b, &l->w, &m) || read_vector(b, &bias, name, ".bias", out)) return -1;
    if (bias == unused) return 0;

    size_t panels = panels_of(&l->w);
    note_vector(b, (BoundVector){ .at = &l->b, .count = (size_t)out, .all = panels * PANEL, .order = &l->w }, name,
                ".bias");
    float *ordered = new_block(b, panels * PANEL * sizeof *ordered);
    if (!ordered) return -1;
    for (size_t i = 0; i < panels * PANEL; i++) {
        long row = panel_row(&l->w, i / PANEL, i % PANEL);
        ordered[i] = row < 0 ? 0 : bias[row];
    }
    l->b = ordered;
    return 0;
}

int bind_linear_joined(Binder *b, Linear *l, const char *const *names, int in, int out, bool bias)
{
    Parts m = { .count = 0 };
    const float *biases[BIND_JOINED] = { NULL };
    for (; names[m.count]; m.count++) {
        assert(m.count < BIND_JOINED);
        m.tensor[m.count] = take(b, names[m.count], ".weight", 2, (int64_t[]){ out, in });
        if (!m.tensor[m.count]) return -1;
        if (bias && read_vector(b, &biases[m.count], names[m.count], ".bias", out)) return -1;
    }
    assert(m.count > 0);
    *l = (Linear){ .w = { .k = in, .n = m.count * out }, .in = in, .out = m.count * out };
    if (bind_panels(b, &l->w, &m)) return -1;
    for (int i = 0; i < m.count; i++)
        note_vector(
            b, (BoundVector){ .at = &l->b, .first = (size_t)(i * out), .count = (size_t)out, .all = (size_t)l->out },
            names[i], ".bias");
    if (!bias || biases[0] == unused) return 0;

    float *all = new_block(b, (size_t)l->out * sizeof *all);
    if (!all) return -1;
    for (int i = 0; i < m.count; i++) memcpy(all + i * out, biases[i], (size_t)out * sizeof *all);
    l->b = all;
    return 0;
}

int bind_conv_unbiased(Binder *b, Conv *c, const char *name, int in, int out, int k)
{
    *c = (Conv){ .w = { .k = k * k * in, .n = out }, .in = in, .out = out, .k = k };
    Parts m = { .tensor = { take(b, name, ".weight", 4, (int64_t[]){ out, in, k, k }) }, .count = 1 };
    return m.tensor[0] ? bind_panels(b, &c->w, &m) : -1;
}

int bind_conv(Binder *b, Conv *c, const char *name, int in, int out, int k)
{
    if (bind_conv_unbiased(b, c, name, in, out, k)) return -1;
    return bind_vector(b, &c->b, name, ".bias", out);
}

int bind_norm(Binder *b, Norm *n, const char *name, int c, int groups, float eps)
{
    *n = (Norm){ .c = c, .groups = groups, .eps = eps };
    if (groups > 0 && c % groups)
        return err_set(b->e, "%s%s: %d channels cannot be divided into %d groups", b->prefix, name, c, groups);
    if (bind_vector(b, &n->w, name, ".weight", c)) return -1;
    return bind_vector(b, &n->b, name, ".bias", c);
}

int bind_finish(Binder *b, const char *const *ignore)
{
    for (size_t i = 0; i < weights_count(b->weights); i++) {
        const Weight *t = weights_at(b->weights, i);
        bool known = t->used;
        for (const char *const *s = ignore; s && *s && !known; s++) {
            size_t n = strlen(t->name), m = strlen(*s);
            known = n >= m && strcmp(t->name + n - m, *s) == 0;
        }
        char shape[128];
        if (!known)
            return err_set(b->e, "tensor %s %s is not part of this network: the file does not belong to this config",
                           t->name, weight_shape_text(t, shape, sizeof shape));
    }
    return 0;
}
