/* weights.c - see weights.h. The lookup is libc's balanced tree: no set of names can make it slow. */
#define _GNU_SOURCE /* tdestroy */
#include "weights/weights.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "weights/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weights are read in place: little-endian machines only");

static const struct {
    const char *name;
    size_t size;
} dtypes[DT_COUNT] = {
    [DT_F32] = { "F32", 4 },   [DT_F16] = { "F16", 2 },         [DT_BF16] = { "BF16", 2 },
    [DT_F64] = { "F64", 8 },   [DT_I64] = { "I64", 8 },         [DT_I32] = { "I32", 4 },
    [DT_I16] = { "I16", 2 },   [DT_I8] = { "I8", 1 },           [DT_U64] = { "U64", 8 },
    [DT_U32] = { "U32", 4 },   [DT_U16] = { "U16", 2 },         [DT_U8] = { "U8", 1 },
    [DT_BOOL] = { "BOOL", 1 }, [DT_F8_E4M3] = { "F8_E4M3", 1 }, [DT_F8_E5M2] = { "F8_E5M2", 1 },
    [DT_C64] = { "C64", 8 },
};

size_t dtype_size(DType t) { return dtypes[t].size; }
const char *dtype_name(DType t) { return dtypes[t].name; }

struct Weights {
    Weight **items; /* in the order they were added */
    size_t count, cap;
    void *tree; /* the same, by name */
    bool dry, mapped, put_off;
    WeightMaker maker; /* make NULL: none */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Weight *)a)->name, ((const Weight *)b)->name);
}

Weights *weights_new(void) { return mem_alloc(sizeof(Weights)); }

static void keep(void *unused) { (void)unused; }

void weights_free(Weights *w)
{
    if (!w) return;
    tdestroy(w->tree, keep);
    for (size_t i = 0; i < w->count; i++) {
        free(w->items[i]->name);
        free(w->items[i]->own);
        free(w->items[i]);
    }
    free(w->items);
    free(w);
}

void weights_set_dry(Weights *w) { w->dry = true; }
bool weights_dry(const Weights *w) { return w->dry; }

void weights_set_mapped(Weights *w) { w->mapped = true; }
bool weights_mapped(const Weights *w) { return w->mapped; }

void weights_put_off(Weights *w) { w->put_off = true; }
bool weights_are_put_off(const Weights *w) { return w->put_off; }

void weights_set_maker(Weights *w, WeightMaker maker) { w->maker = maker; }

bool weights_makes(const Weights *w) { return w->maker.make != NULL; }

Weight *weights_make(Weights *w, const Weight *want, bool described, Err *e)
{
    Weight t = *want;
    t.used = true;
    if (w->maker.make(w->maker.ctx, &t, described, e) || weights_add(w, want->name, &t, e)) return NULL;
    return weights_find(w, want->name);
}

void weights_converted(const Weights *w, const Weight *t)
{
    if (w->mapped && !t->own) file_forget((Bytes){ t->data, t->bytes });
}

void weights_forget(const Weights *w)
{
    for (size_t i = 0; w->mapped && i < w->count; i++) weights_converted(w, w->items[i]);
}

int weights_add(Weights *w, const char *name, const Weight *t, Err *e)
{
    char buf[SHOWN_MAX];
    Weight *item = mem_alloc(sizeof *item);
    *item = *t;
    item->name = mem_strdup(name);

    Weight **node = tsearch(item, &w->tree, by_name);
    if (!node || *node != item) {
        free(item->name);
        free(item->own);
        free(item);
        return err_set(e, node ? "the tensor \"%s\" is there twice" : "out of memory at \"%s\"", shown(name, buf));
    }
    if (w->count == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 256;
        w->items = mem_grow(w->items, w->cap * sizeof *w->items);
    }
    w->items[w->count++] = item;
    return 0;
}

size_t weights_count(const Weights *w) { return w->count; }
Weight *weights_at(Weights *w, size_t i) { return w->items[i]; }

Weight *weights_find(const Weights *w, const char *name)
{
    Weight key = { .name = (char *)(size_t)name }; /* only read */
    Weight **node = tfind(&key, &w->tree, by_name);
    return node ? *node : NULL;
}

Weight *weights_take(Weights *w, const char *name)
{
    Weight *t = weights_find(w, name);
    if (t) t->used = true;
    return t;
}

const char *weight_shape_text(const Weight *t, char *buf, size_t size)
{
    size_t at = 0;
    for (int i = 0; i < t->ndim && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%lld", i ? ", " : "[", (long long)t->shape[i]);
    if (at < size) snprintf(buf + at, size - at, "%s", t->ndim ? "]" : "[]");
    return buf;
}

size_t weight_count(const Weight *t)
{
    size_t count = 1;
    for (int i = 0; i < t->ndim; i++) count *= (size_t)t->shape[i];
    return count;
}

/*
 * The loops below have no branch, so that the compiler makes vectors of them: a bad value only leaves a mark, and its
 * place is looked for afterwards. Elements are read by memcpy since a file may hold them unaligned.
 */
static bool from_f32(const unsigned char *src, float *dst, size_t n)
{
    unsigned bad = 0;
    if (n) memcpy(dst, src, n * sizeof *dst);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, dst + i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

static bool from_bf16(const unsigned char *src, float *dst, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, src + 2 * i, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(dst + i, &bits, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

/* Exponent and mantissa go to their places in a float, whose exponent is then 112 too small; subnormals come out right. */
static bool from_f16(const unsigned char *src, float *dst, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, src + 2 * i, sizeof half);
        uint32_t bits = (half & 0x7fffu) << 13, sign = (half & 0x8000u) << 16;
        float v;
        memcpy(&v, &bits, sizeof v);
        v *= 0x1p112f;
        memcpy(&bits, &v, sizeof bits);
        bits |= sign;
        memcpy(dst + i, &bits, sizeof bits);
        bad |= (half & 0x7c00u) == 0x7c00u;
    }
    return !bad;
}

static bool from_f64(const unsigned char *src, float *dst, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, src + 8 * i, sizeof v);
        dst[i] = (float)v;
        bad |= !(dst[i] - dst[i] == 0);
    }
    return !bad;
}

int weight_to_f32(const Weight *t, float *dst, Err *e)
{
    size_t n = weight_count(t), i = 0, size = dtype_size(t->dtype);
    bool fine = false;
    bool (*convert)(const unsigned char *, float *, size_t) = NULL;

    switch (t->dtype) {
    case DT_F32: convert = from_f32; break;
    case DT_F16: convert = from_f16; break;
    case DT_BF16: convert = from_bf16; break;
    case DT_F64: convert = from_f64; break;
    default:
        return err_set(e, "dtype %s: expected F32, F16, BF16 or F64; convert the file to F16", dtype_name(t->dtype));
    }
    fine = convert(t->data, dst, n);
    if (fine) return 0;
    while (i < n && convert(t->data + i * size, dst + i, 1)) i++;
    return err_set(e, "NaN or infinity at element %zu of %zu: the file is damaged, or its numbers left the range of %s",
                   i, n, t->dtype == DT_F64 ? "F32" : dtype_name(t->dtype));
}
