/* trace.c - see trace.h. */
#include "pipeline/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* A new item; returns its data. */
static void *item(Trace *t, const char *name, DType type, int ndim, const int64_t *shape)
{
    size_t n = dtype_size(type);
    for (int i = 0; i < ndim; i++) n *= (size_t)shape[i];
    void *data = mem_alloc(n);
    t->items = mem_grow(t->items, (t->count + 1) * sizeof *t->items);
    TensorOut *out = &t->items[t->count++];
    *out = (TensorOut){ .name = mem_strdup(name), .dtype = type, .ndim = ndim, .data = data };
    memcpy(out->shape, shape, (size_t)ndim * sizeof *shape);
    return data;
}

void trace_ids(Trace *t, const char *name, const int *ids, int rows, int columns)
{
    int64_t *data = item(t, name, DT_I64, 2, (int64_t[]){ rows, columns });
    for (int i = 0; i < rows * columns; i++) data[i] = ids[i];
}

void trace_numbers(Trace *t, const char *name, const double *v, int count)
{
    float *data = item(t, name, DT_F32, 1, (int64_t[]){ count });
    for (int i = 0; i < count; i++) data[i] = (float)v[i];
}

void trace_tokens(Trace *t, const char *name, Tensor x)
{
    float *data = item(t, name, DT_F32, 3, (int64_t[]){ 1, (int64_t)tensor_rows(x), x.c });
    memcpy(data, x.data, tensor_len(x) * sizeof *data);
}

void trace_image(Trace *t, const char *name, int index, Tensor x, double scale)
{
    char full[64];
    snprintf(full, sizeof full, index < 0 ? "%s" : "%s.%d", name, index);
    float *data = item(t, full, DT_F32, 4, (int64_t[]){ x.n, x.c, x.h, x.w });
    tensor_to_nchw(data, x);
    if (scale != 1)
        for (size_t i = 0; i < tensor_len(x); i++) data[i] = (float)(data[i] * scale);
}

void trace_adopt(Trace *t, Trace *from, const char *before)
{
    t->items = mem_grow(t->items, (t->count + from->count) * sizeof *t->items);
    for (size_t i = 0; i < from->count; i++) {
        Str name = { 0 };
        str_addf(&name, "%s%s", before, from->items[i].name);
        free((void *)(size_t)from->items[i].name);
        t->items[t->count] = from->items[i];
        t->items[t->count++].name = name.s;
    }
    free(from->items);
    *from = (Trace){ 0 };
}

int trace_write(const Trace *t, const char *path, Err *e)
{
    return safetensors_write(path, t->items, t->count, NULL, e);
}

void trace_clear(Trace *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free((void *)(size_t)t->items[i].name);
        free((void *)(size_t)t->items[i].data);
    }
    free(t->items);
    *t = (Trace){ 0 };
}
