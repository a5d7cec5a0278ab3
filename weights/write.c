/* write.c - see write.h. Sources of the formats: safetensors.h, gguf.h, scales.h. */
#include "weights/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/folder.h"
#include "base/mem.h"
#include "base/str.h"
#include "weights/blocks.h"
#include "weights/gguf.h"
#include "weights/quantise.h"
#include "weights/read.h"

enum {
    PIECE = 1 << 18 /* numbers at once */,
    GGUF_VERSION = 3,
    GGUF_ALIGN = 32,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_I32 = 5,
    GGUF_U32 = 4
};

static size_t count_of(const WeightOut *t)
{
    const Weight shape = { .ndim = t->ndim };
    Weight w = shape;
    memcpy(w.shape, t->shape, sizeof w.shape);
    return weight_count(&w);
}

static size_t bytes_of(const WeightOut *t) { return dtype_bytes(t->dtype, count_of(t)); }

float weights_out_scale(DType t, float largest)
{
    float most = t == DT_F8_E4M3 ? 448 : t == DT_F8_E5M2 ? 57344 : 0;
    return most > 0 && largest > 0 ? largest / most : 0;
}

/* ---- heads ---- */

static void add_tensor(cJSON *root, const char *name, const char *dtype, const WeightOut *t, size_t bytes, size_t *at)
{
    cJSON *item = cJSON_CreateObject(), *shape = cJSON_AddArrayToObject(item, "shape");
    for (int i = 0; t && i < t->ndim; i++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape[i]));
    const double offsets[2] = { (double)*at, (double)(*at + bytes) };
    cJSON_AddStringToObject(item, "dtype", dtype);
    cJSON_AddItemToObject(item, "data_offsets", cJSON_CreateDoubleArray(offsets, 2));
    cJSON_AddItemToObject(root, name, item);
    *at += bytes;
}

/* "x.weight" -> "x.weight_scale" */
static void scale_name(const WeightOut *t, Str *out)
{
    size_t len = strlen(t->name) - (str_ends(t->name, ".weight") ? strlen(".weight") : 0);
    str_clear(out);
    str_addf(out, "%.*s.weight_scale", (int)len, t->name);
}

/* Which layers have scales, as ComfyUI reads it; NULL: none has. */
static char *scaled_layers(const WeightsOut *o)
{
    cJSON *root = cJSON_CreateObject(), *layers;
    bool any = false;
    cJSON_AddStringToObject(root, "format_version", "1.0");
    layers = cJSON_AddObjectToObject(root, "layers");
    for (size_t i = 0; i < o->count; i++) {
        const WeightOut *t = &o->tensor[i];
        if (t->scale <= 0) continue;
        char *layer = mem_strndup(t->name, strlen(t->name) - (str_ends(t->name, ".weight") ? strlen(".weight") : 0));
        cJSON *item = cJSON_AddObjectToObject(layers, layer);
        cJSON_AddStringToObject(item, "format", t->dtype == DT_F8_E4M3 ? "float8_e4m3fn" : "float8_e5m2");
        free(layer);
        any = true;
    }
    char *text = any ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

/* Scales stand behind all tensors. */
static void safetensors_head(const WeightsOut *o, Str *out)
{
    cJSON *root = cJSON_CreateObject(), *meta = NULL;
    size_t at = 0;
    Str name = { 0 };
    for (const char *const *m = o->metadata; m && m[0]; m += 2) {
        if (!meta) meta = cJSON_AddObjectToObject(root, "__metadata__");
        cJSON_AddStringToObject(meta, m[0], m[1]);
    }
    char *scaled = scaled_layers(o);
    if (scaled) {
        if (!meta) meta = cJSON_AddObjectToObject(root, "__metadata__");
        cJSON_AddStringToObject(meta, "_quantization_metadata", scaled);
        cJSON_free(scaled);
    }
    for (size_t i = 0; i < o->count; i++)
        add_tensor(root, o->tensor[i].name, dtype_name(o->tensor[i].dtype), &o->tensor[i], bytes_of(&o->tensor[i]),
                   &at);
    for (size_t i = 0; i < o->count; i++) {
        if (o->tensor[i].scale <= 0) continue;
        scale_name(&o->tensor[i], &name);
        add_tensor(root, name.s, "F32", NULL, sizeof(float), &at);
    }
    char *json = cJSON_PrintUnformatted(root);
    size_t len = strlen(json), padded = (len + 7) / 8 * 8;
    const uint64_t head = padded;
    str_addn(out, (const char *)&head, sizeof head);
    str_add(out, json);
    for (; len < padded; len++) str_add(out, " ");
    cJSON_free(json);
    cJSON_Delete(root);
    str_release(&name);
}

static void put32(Str *out, uint32_t v) { str_addn(out, (const char *)&v, sizeof v); }
static void put64(Str *out, uint64_t v) { str_addn(out, (const char *)&v, sizeof v); }
static void put_text(Str *out, const char *s)
{
    put64(out, strlen(s));
    str_add(out, s);
}

/* Whether a tensor's rows are no whole blocks, so that it is laid in rows of 256. */
static bool is_laid(const WeightOut *t)
{
    size_t block = dtype_block(t->dtype);
    return block > 1 && (!t->ndim || (size_t)t->shape[t->ndim - 1] % block != 0);
}

static int gguf_type(DType t, Err *e)
{
    for (int id = 0; id < 64; id++) {
        DType known;
        if (gguf_dtype((uint32_t)id, &known) && known == t) return id;
    }
    return err_set(e, "GGUF has no %s", dtype_name(t));
}

static uint32_t put_keys(const WeightsOut *o, Str *out)
{
    uint32_t keys = 1;
    put_text(out, "general.quantization_version");
    put32(out, GGUF_U32);
    put32(out, 2);
    for (const char *const *m = o->metadata; m && m[0]; m += 2, keys++) {
        put_text(out, m[0]);
        put32(out, GGUF_STRING);
        put_text(out, m[1]);
    }
    for (size_t i = 0; i < o->count; i++) {
        const WeightOut *t = &o->tensor[i];
        Str name = { 0 };
        if (!is_laid(t)) continue;
        str_addf(&name, "comfy.gguf.orig_shape.%s", t->name);
        put_text(out, name.s);
        put32(out, GGUF_ARRAY);
        put32(out, GGUF_I32);
        put64(out, (uint64_t)t->ndim);
        for (int k = 0; k < t->ndim; k++) put32(out, (uint32_t)t->shape[k]);
        str_release(&name);
        keys++;
    }
    return keys;
}

static int put_info(const WeightOut *t, uint64_t at, Str *out, Err *e)
{
    int id = gguf_type(t->dtype, e);
    if (id < 0) return err_in(e, t->name);
    if (t->ndim > 4) return err_set(e, "%s: %d dimensions: GGUF has at most 4", t->name, t->ndim);
    put_text(out, t->name);
    if (is_laid(t)) {
        if (count_of(t) % BLOCK_MOST) return err_set(e, "%s: cannot be laid in rows of %d", t->name, BLOCK_MOST);
        put32(out, 2);
        put64(out, BLOCK_MOST);
        put64(out, count_of(t) / BLOCK_MOST);
    } else {
        put32(out, (uint32_t)(t->ndim ? t->ndim : 1));
        if (!t->ndim) put64(out, 1);
        for (int k = t->ndim - 1; k >= 0; k--) put64(out, (uint64_t)t->shape[k]);
    }
    put32(out, (uint32_t)id);
    put64(out, at);
    return 0;
}

static size_t aligned(size_t n) { return (n + GGUF_ALIGN - 1) / GGUF_ALIGN * GGUF_ALIGN; }

static int gguf_head(const WeightsOut *o, Str *out, Err *e)
{
    Str keys = { 0 };
    uint64_t at = 0;
    int failed = 0;
    uint32_t count = put_keys(o, &keys);
    str_add(out, "GGUF");
    put32(out, GGUF_VERSION);
    put64(out, o->count);
    put64(out, count);
    str_addn(out, str_text(&keys), keys.len);
    for (size_t i = 0; i < o->count && !failed; i++) {
        failed = put_info(&o->tensor[i], at, out, e);
        at += aligned(bytes_of(&o->tensor[i]));
    }
    while (out->len % GGUF_ALIGN) str_addn(out, "", 1);
    str_release(&keys);
    return failed;
}

/* ---- data ---- */

typedef struct {
    const WeightsOut *o;
    const Str *head;
    bool gguf;
    int fd;
    uint64_t bytes, all;
    float *numbers;        /* [PIECE] */
    unsigned char *packed; /* [PIECE * 4] */
} Writing;

static int put(Writing *w, const void *data, size_t n, Err *e)
{
    if (file_write_all(w->fd, (Bytes){ data, n })) return err_set(e, "cannot write: %s", strerror(errno));
    w->bytes += n;
    if (!w->o->done || !w->o->done(w->o->ctx, w->bytes, w->all)) return 0;
    err_set(e, "interrupted");
    e->code = ERR_INTERRUPTED;
    return -1;
}

static int put_tensor(Writing *w, size_t i, Err *e)
{
    const WeightOut *t = &w->o->tensor[i];
    size_t count = count_of(t), piece = 0;
    for (size_t at = 0; t->same && at < t->same->bytes; at += piece) {
        piece = t->same->bytes - at < 4 * PIECE ? t->same->bytes - at : 4 * PIECE;
        if (put(w, t->same->data + at, piece, e)) return -1;
    }
    for (size_t at = 0; !t->same && at < count; at += piece) {
        piece = count - at < PIECE ? count - at : PIECE;
        if (w->o->numbers(w->o->ctx, i, at, piece, w->numbers, e)) return -1;
        for (size_t k = 0; t->scale > 0 && k < piece; k++) w->numbers[k] /= t->scale;
        size_t block = dtype_block(t->dtype), share = (piece / block + 63) / 64 * block; /* for the cores */
#pragma omp parallel for schedule(static) if (piece > 4096)
        for (size_t from = 0; from < piece; from += share)
            quantise(t->dtype, w->numbers + from, piece - from < share ? piece - from : share,
                     w->packed + dtype_bytes(t->dtype, from));
        if (put(w, w->packed, dtype_bytes(t->dtype, piece), e)) return -1;
    }
    return 0;
}

static int put_all(Writing *w, bool gguf, Err *e)
{
    static const unsigned char zeros[GGUF_ALIGN];
    for (size_t i = 0; i < w->o->count; i++) {
        size_t bytes = bytes_of(&w->o->tensor[i]);
        if (put_tensor(w, i, e) || (gguf && put(w, zeros, aligned(bytes) - bytes, e)))
            return err_in(e, w->o->tensor[i].name);
    }
    for (size_t i = 0; i < w->o->count && !gguf; i++)
        if (w->o->tensor[i].scale > 0 && put(w, &w->o->tensor[i].scale, sizeof(float), e)) return -1;
    return 0;
}

/* What the format does not have. */
static int check_types(const WeightsOut *o, bool gguf, Err *e)
{
    for (size_t i = 0; i < o->count; i++) {
        const WeightOut *t = &o->tensor[i];
        if (!gguf && dtype_block(t->dtype) > 1)
            return err_set(e, "safetensors has no %s: a name that ends with .gguf", dtype_name(t->dtype));
        if (gguf && t->scale > 0)
            return err_set(e, "GGUF has no 8-bit floats with scales: a name that ends with .safetensors");
    }
    return 0;
}

static int make(void *ctx, int fd, Err *e)
{
    Writing *w = ctx;
    w->fd = fd;
    return put(w, w->head->s, w->head->len, e) || put_all(w, w->gguf, e) ? -1 : 0;
}

int weights_write(const char *path, const WeightsOut *o, Err *e)
{
    Folder f;
    const char *name;
    Str head = { 0 };
    Writing w = { .o = o, .head = &head, .gguf = str_ends(path, ".gguf") };
    if (folder_of(&f, path, &name, e)) return -1;
    int failed = check_types(o, w.gguf, e);
    if (!failed && w.gguf) failed = gguf_head(o, &head, e);
    if (!w.gguf) safetensors_head(o, &head);
    w.all = head.len;
    for (size_t i = 0; i < o->count; i++) w.all += bytes_of(&o->tensor[i]);
    w.numbers = mem_array(PIECE, sizeof(float));
    w.packed = mem_array(PIECE, sizeof(float));
    if (!failed && folder_write_made(&f, name, &(FileMaker){ &w, make }, NULL, e)) failed = err_in(e, path);
    free(w.numbers);
    free(w.packed);
    folder_close(&f);
    str_release(&head);
    return failed ? -1 : 0;
}
