/* bind.c - see bind.h. */
#include "nn/bind.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/kernels.h"

enum { NAME_SIZE = 400 };

void binder_init(Binder *b, Weights *w, Err *e) { *b = (Binder){ .weights = w, .e = e }; }

BoundMemory binder_take(Binder *b)
{
    BoundMemory m = { b->blocks, b->count, b->bytes };
    b->blocks = NULL;
    b->count = b->bytes = 0;
    return m;
}

void bound_release(BoundMemory *m)
{
    for (size_t i = 0; i < m->count; i++) free(m->blocks[i]);
    free(m->blocks);
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

static float *new_block(Binder *b, size_t floats)
{
    float *p = NULL;
    if (posix_memalign((void **)&p, 64, floats * sizeof *p + 64)) {
        err_set(b->e, "cannot get %.2f GB for weights (%.2f GB held so far); free some memory or use a smaller model",
                (double)floats * 4e-9, (double)b->bytes * 1e-9);
        return NULL;
    }
    b->blocks = mem_grow(b->blocks, (b->count + 1) * sizeof *b->blocks);
    b->blocks[b->count++] = p;
    b->bytes += floats * sizeof *p;
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
static bool wanted(Binder *b, size_t floats)
{
    if (b->check_only) return false;
    if (weights_dry(b->weights)) b->bytes += floats * sizeof(float);
    return !weights_dry(b->weights);
}

/* All of a tensor as f32, on every core; a file's aligned f32 is used where it lies. NULL with b->e set on failure. */
static const float *as_f32(Binder *b, const Weight *t)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t n = weight_count(t), piece = 1 << 16, bad = n;
    bool in_place = t->dtype == DT_F32 && (size_t)t->data % sizeof(float) == 0;
    if (!wanted(b, in_place ? 0 : n)) return unused;
    if (t->dtype != DT_F32 && t->dtype != DT_F16 && t->dtype != DT_BF16) {
        float *dst = new_block(b, n);
        if (dst && weight_to_f32(t, dst, b->e)) {
            err_in(b->e, t->name);
            return NULL;
        }
        return dst;
    }
    float *dst = in_place ? NULL : new_block(b, n);
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

int bind_tensor(Binder *b, const float **out, const char *name, int ndim, const int64_t *shape)
{
    const Weight *t = take(b, name, "", ndim, shape);
    *out = t ? as_f32(b, t) : NULL;
    return *out ? 0 : -1;
}

static int bind_vector(Binder *b, const float **out, const char *name, const char *suffix, int n)
{
    const Weight *t = take(b, name, suffix, 1, (int64_t[]){ n });
    *out = t ? as_f32(b, t) : NULL;
    return *out ? 0 : -1;
}

int bind_linear(Binder *b, Linear *l, const char *name, int in, int out, bool bias)
{
    *l = (Linear){ .in = in, .out = out };
    const Weight *t = take(b, name, ".weight", 2, (int64_t[]){ out, in });
    if (!t || !(l->w = as_f32(b, t))) return -1;
    return bias ? bind_vector(b, &l->b, name, ".bias", out) : 0;
}

/* [out, in, k, k] -> [out, k, k, in] */
static const float *repacked(Binder *b, const Weight *t, size_t out, size_t in, size_t kk)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    if (!wanted(b, out * in * kk)) return unused;
    float *dst = new_block(b, out * in * kk);
    if (!dst) return NULL;
    if (dtype_size(t->dtype) > 4 || (t->dtype != DT_F32 && t->dtype != DT_F16 && t->dtype != DT_BF16)) {
        err_set(b->e, "tensor %s is stored as %s; expected F32, F16 or BF16", t->name, dtype_name(t->dtype));
        return NULL;
    }
    size_t bad = out * in * kk;
#pragma omp parallel reduction(min : bad) if (out * in * kk > 65536)
    {
        float *row = mem_array(in * kk, sizeof *row);
#pragma omp for schedule(static)
        for (size_t o = 0; o < out; o++) {
            size_t at = convert(k, row, t, o * in * kk, in * kk);
            if (at < in * kk && o * in * kk + at < bad) bad = o * in * kk + at;
            for (size_t p = 0; p < kk; p++)
                for (size_t i = 0; i < in; i++) dst[(o * kk + p) * in + i] = row[i * kk + p];
        }
        free(row);
    }
    if (bad < out * in * kk) {
        bad_value(b, t, bad);
        return NULL;
    }
    weights_converted(b->weights, t);
    return dst;
}

int bind_conv(Binder *b, Conv *c, const char *name, int in, int out, int k)
{
    *c = (Conv){ .in = in, .out = out, .k = k };
    const Weight *t = take(b, name, ".weight", 4, (int64_t[]){ out, in, k, k });
    if (!t) return -1;
    c->w = k == 1 ? as_f32(b, t) : repacked(b, t, (size_t)out, (size_t)in, (size_t)k * (size_t)k);
    return c->w ? bind_vector(b, &c->b, name, ".bias", out) : -1;
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
