/* weights.c - see weights.h. The lookup is libc's balanced tree: no set of names can make it slow. */
#define _GNU_SOURCE /* tdestroy */
#include "weights/weights.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "weights/blocks.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weights are read in place: little-endian machines only");

static const struct {
    const char *name;
    size_t block, size;
} dtypes[DT_COUNT] = {
    [DT_F32] = { "F32", 1, 4 },           [DT_F16] = { "F16", 1, 2 },         [DT_BF16] = { "BF16", 1, 2 },
    [DT_F64] = { "F64", 1, 8 },           [DT_I64] = { "I64", 1, 8 },         [DT_I32] = { "I32", 1, 4 },
    [DT_I16] = { "I16", 1, 2 },           [DT_I8] = { "I8", 1, 1 },           [DT_U64] = { "U64", 1, 8 },
    [DT_U32] = { "U32", 1, 4 },           [DT_U16] = { "U16", 1, 2 },         [DT_U8] = { "U8", 1, 1 },
    [DT_BOOL] = { "BOOL", 1, 1 },         [DT_F8_E4M3] = { "F8_E4M3", 1, 1 }, [DT_F8_E5M2] = { "F8_E5M2", 1, 1 },
    [DT_C64] = { "C64", 1, 8 },           [DT_Q4_0] = { "Q4_0", 32, 18 },     [DT_Q4_1] = { "Q4_1", 32, 20 },
    [DT_Q5_0] = { "Q5_0", 32, 22 },       [DT_Q5_1] = { "Q5_1", 32, 24 },     [DT_Q8_0] = { "Q8_0", 32, 34 },
    [DT_IQ4_NL] = { "IQ4_NL", 32, 18 },   [DT_Q2_K] = { "Q2_K", 256, 84 },    [DT_Q3_K] = { "Q3_K", 256, 110 },
    [DT_Q4_K] = { "Q4_K", 256, 144 },     [DT_Q5_K] = { "Q5_K", 256, 176 },   [DT_Q6_K] = { "Q6_K", 256, 210 },
    [DT_IQ4_XS] = { "IQ4_XS", 256, 136 },
};

size_t dtype_size(DType t) { return dtypes[t].size; }
size_t dtype_block(DType t) { return dtypes[t].block; }
const char *dtype_name(DType t) { return dtypes[t].name; }
bool dtype_computes(DType t) { return blocks_plain[t] != NULL; }

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

void weights_defer_check(Weights *w) { w->put_off = true; }
bool weights_check_deferred(const Weights *w) { return w->put_off; }

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
    if (w->mapped && !t->own) file_evict((Bytes){ t->data, t->bytes });
}

void weights_evict(const Weights *w)
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

float weight_scale(const Weight *t, size_t i)
{
    float s = 1;
    if (!t->scale) return s;
    blocks_plain[t->scale_type](&s, t->scale + (t->scales > 1 ? i : 0) * dtype_size(t->scale_type), 1);
    return s;
}

/* Elements from .. from + n - 1 as they are stored: blocks of which not all is wanted are unpacked aside. */
static void stored_values(const Weight *t, size_t from, size_t n, float *dst)
{
    size_t block = dtype_block(t->dtype), skip = from % block;
    const unsigned char *at = t->data + from / block * dtype_size(t->dtype);
    UnpackBlocks *unpack = blocks_plain[t->dtype];
    float some[BLOCK_MOST];
    while (n) {
        size_t whole = skip || n < block ? 0 : n / block, taken = whole * block;
        if (whole) {
            unpack(dst, at, whole);
        } else {
            taken = block - skip < n ? block - skip : n;
            unpack(some, at, 1);
            memcpy(dst, some + skip, taken * sizeof *dst);
            skip = 0;
        }
        at += (whole ? whole : 1) * dtype_size(t->dtype);
        dst += taken;
        n -= taken;
    }
}

void weight_values(const Weight *t, size_t from, size_t n, float *dst)
{
    stored_values(t, from, n, dst);
    if (!t->scale) return;
    size_t row = t->scales > 1 ? weight_count(t) / t->scales : weight_count(t);
    for (size_t i = 0, end; i < n; i = end) {
        size_t at = (from + i) / row;
        float scale = weight_scale(t, at);
        end = (at + 1) * row - from < n ? (at + 1) * row - from : n;
        for (size_t k = i; k < end; k++) dst[k] *= scale;
    }
}

static bool all_finite(const float *x, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

int weight_to_f32(const Weight *t, float *dst, Err *e)
{
    enum { PIECE = 4096 };
    size_t n = weight_count(t), i = 0;
    if (!dtype_computes(t->dtype))
        return err_set(e, "dtype %s: expected F32, F16, BF16 or F64; convert the file to F16", dtype_name(t->dtype));
    for (size_t from = 0, some; from < n; from += some) {
        some = n - from < PIECE ? n - from : PIECE;
        weight_values(t, from, some, dst + from);
        if (all_finite(dst + from, some)) continue;
        for (i = from; all_finite(dst + i, 1);) i++;
        return err_set(
            e, "NaN or infinity at element %zu of %zu: the file is damaged, or its numbers left the range of %s", i, n,
            t->dtype == DT_F64 ? "F32" : dtype_name(t->dtype));
    }
    return 0;
}
