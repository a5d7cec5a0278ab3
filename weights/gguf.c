/* gguf.c - see gguf.h. Nothing is trusted: every number is held against what is left of the file before it counts. */
#include "weights/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { KEY_LEAST = 13, INFO_LEAST = 24, DIMS_MAX = 4, ALIGNMENT = 32, ALIGNMENT_MOST = 1 << 20 };

/* Types of values. */
typedef enum {
    VALUE_U32 = 4,
    VALUE_I32 = 5,
    VALUE_BOOL = 7,
    VALUE_STRING = 8,
    VALUE_ARRAY = 9,
    VALUE_TYPES = 13
} ValueType;
static const size_t value_sizes[VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 }; /* 0: of its own length */

/* ggml's types of tensors that limn knows, and the names of those that it does not. */
static const struct {
    uint32_t id;
    DType type;
} types[] = {
    { 0, DT_F32 },   { 1, DT_F16 },   { 2, DT_Q4_0 },    { 3, DT_Q4_1 },    { 6, DT_Q5_0 },
    { 7, DT_Q5_1 },  { 8, DT_Q8_0 },  { 10, DT_Q2_K },   { 11, DT_Q3_K },   { 12, DT_Q4_K },
    { 13, DT_Q5_K }, { 14, DT_Q6_K }, { 20, DT_IQ4_NL }, { 23, DT_IQ4_XS }, { 24, DT_I8 },
    { 25, DT_I16 },  { 26, DT_I32 },  { 27, DT_I64 },    { 28, DT_F64 },    { 30, DT_BF16 },
};
static const struct {
    uint32_t id;
    const char *name;
} foreign[] = {
    { 9, "Q8_1" },   { 15, "Q8_K" },  { 16, "IQ2_XXS" }, { 17, "IQ2_XS" }, { 18, "IQ3_XXS" },
    { 19, "IQ1_S" }, { 21, "IQ3_S" }, { 22, "IQ2_S" },   { 29, "IQ1_M" },  { 34, "TQ1_0" },
    { 35, "TQ2_0" }, { 39, "MXFP4" }, { 40, "NVFP4" },   { 41, "Q1_0" },
};

typedef struct {
    const unsigned char *at, *end;
} Reader;

static size_t left(const Reader *r) { return (size_t)(r->end - r->at); }

static bool take(Reader *r, void *to, size_t n)
{
    if (left(r) < n) return false;
    memcpy(to, r->at, n);
    r->at += n;
    return true;
}

static bool skip(Reader *r, uint64_t n)
{
    if (left(r) < n) return false;
    r->at += n;
    return true;
}

static int cut(Err *e)
{
    return err_set(e, "the file ends before its list of tensors does: truncated; download it again");
}

/* A length and as many bytes, which stay where they are. */
typedef struct {
    const char *s;
    size_t len;
} Text;

static bool take_text(Reader *r, Text *t)
{
    uint64_t len;
    if (!take(r, &len, sizeof len) || len > left(r)) return false;
    *t = (Text){ (const char *)r->at, (size_t)len };
    r->at += len;
    return true;
}

/* A name of a tensor or key, on the heap; NULL with e set. */
static char *take_name(Reader *r, const char *what, Err *e)
{
    Text t;
    if (!take_text(r, &t)) {
        err_set(e, "a %s's name is longer than what is left of the file: damaged, or made to deceive", what);
        return NULL;
    }
    if (!t.len || t.len > GGUF_MAX_NAME || memchr(t.s, 0, t.len)) {
        err_set(e, "a %s's name of %zu bytes%s: expected 1 to %d, without NUL", what, t.len,
                t.len && memchr(t.s, 0, t.len) ? " with NUL in it" : "", GGUF_MAX_NAME);
        return NULL;
    }
    return mem_strndup(t.s, t.len);
}

/* ---- keys and values ---- */

typedef struct {
    char *key;
    uint32_t type;
    Reader value;
} Value;

typedef struct {
    uint64_t tensors;
    Value *values; /* by key, once all are read */
    size_t count;
    Reader r; /* behind the keys */
    Bytes file;
} Gguf;

static void gguf_release(Gguf *g)
{
    for (size_t i = 0; i < g->count; i++) free(g->values[i].key);
    free(g->values);
}

static int skip_value(Reader *r, uint32_t type, int nesting, Err *e)
{
    Text t;
    uint32_t item;
    uint64_t count;
    if (type >= VALUE_TYPES) return err_set(e, "a value of type %u, which GGUF does not have", type);
    if (type == VALUE_STRING) return take_text(r, &t) ? 0 : cut(e);
    if (type != VALUE_ARRAY) {
        if (type == VALUE_BOOL && left(r) && r->at[0] > 1) return err_set(e, "a truth value of %u", r->at[0]);
        return skip(r, value_sizes[type]) ? 0 : cut(e);
    }
    if (nesting == GGUF_MAX_NESTING) return err_set(e, "lists nested more than %d deep", GGUF_MAX_NESTING);
    if (!take(r, &item, sizeof item) || !take(r, &count, sizeof count)) return cut(e);
    if (item >= VALUE_TYPES) return err_set(e, "a list of values of type %u, which GGUF does not have", item);
    if (count > left(r)) return err_set(e, "a list of %llu values in %zu bytes", (unsigned long long)count, left(r));
    if (value_sizes[item]) return skip(r, count * value_sizes[item]) ? 0 : cut(e);
    for (uint64_t i = 0; i < count; i++)
        if (skip_value(r, item, nesting + 1, e)) return -1;
    return 0;
}

static int by_key(const void *a, const void *b) { return strcmp(((const Value *)a)->key, ((const Value *)b)->key); }

static int read_values(Gguf *g, uint64_t count, Err *e)
{
    char buf[SHOWN_MAX];
    if (count > GGUF_MAX_KEYS || count > left(&g->r) / KEY_LEAST)
        return err_set(e, "%llu keys in a file of %zu bytes; limn reads at most %d: damaged, or made to deceive",
                       (unsigned long long)count, g->file.len, GGUF_MAX_KEYS);
    g->values = mem_array((size_t)count + 1, sizeof *g->values);
    for (; g->count < count; g->count++) {
        Value *v = &g->values[g->count];
        v->key = take_name(&g->r, "key", e);
        if (!v->key) return -1;
        v->value = g->r;
        if (!take(&g->r, &v->type, sizeof v->type)) cut(e);
        else {
            v->value = g->r;
            if (!skip_value(&g->r, v->type, 0, e)) continue;
        }
        err_in(e, shown(v->key, buf));
        free(v->key);
        return -1;
    }
    qsort(g->values, g->count, sizeof *g->values, by_key);
    for (size_t i = 1; i < g->count; i++)
        if (strcmp(g->values[i - 1].key, g->values[i].key) == 0)
            return err_set(e, "the key \"%s\" is there twice", shown(g->values[i].key, buf));
    return 0;
}

static const Value *find_value(const Gguf *g, const char *key)
{
    const Value want = { .key = (char *)(size_t)key }; /* only read */
    return g->count ? bsearch(&want, g->values, g->count, sizeof want, by_key) : NULL;
}

bool gguf_is(Bytes file) { return file.len >= 4 && memcmp(file.data, "GGUF", 4) == 0; }

/* gguf_release() also on failure. */
static int gguf_open(Gguf *g, Bytes file, Err *e)
{
    uint32_t version;
    uint64_t keys;
    *g = (Gguf){ .r = { file.data + 4, file.data + file.len }, .file = file };
    if (!take(&g->r, &version, sizeof version)) return cut(e);
    if (version && !(version & 0xffff)) return err_set(e, "a GGUF file for big-endian machines: get the usual one");
    if (version < 2 || version > 3)
        return err_set(e, "GGUF of version %u; limn reads 2 and 3: get the file anew, or convert it again", version);
    if (!take(&g->r, &g->tensors, 8) || !take(&g->r, &keys, 8)) return cut(e);
    if (g->tensors > GGUF_MAX_TENSORS || g->tensors > left(&g->r) / INFO_LEAST)
        return err_set(e, "%llu tensors in a file of %zu bytes; limn reads at most %d: damaged, or made to deceive",
                       (unsigned long long)g->tensors, file.len, GGUF_MAX_TENSORS);
    return read_values(g, keys, e);
}

char *gguf_metadata(Bytes file, const char *key)
{
    Gguf g = { 0 };
    Err ignored;
    Text t;
    char *copy = NULL;
    if (!gguf_is(file)) return NULL;
    if (!gguf_open(&g, file, &ignored)) {
        const Value *v = find_value(&g, key);
        Reader r = v ? v->value : (Reader){ 0 };
        if (v && v->type == VALUE_STRING && take_text(&r, &t)) copy = mem_strndup(t.s, t.len);
    }
    gguf_release(&g);
    return copy;
}

char **gguf_texts(Bytes file)
{
    Gguf g = { 0 };
    Err ignored;
    size_t count = 0;
    int failed = gguf_open(&g, file, &ignored);
    char **texts = mem_array(2 * g.count + 1, sizeof *texts);
    for (size_t i = 0; !failed && i < g.count; i++) {
        Text t;
        Reader r = g.values[i].value;
        if (g.values[i].type != VALUE_STRING || !take_text(&r, &t)) continue;
        texts[count++] = mem_strdup(g.values[i].key);
        texts[count++] = mem_strndup(t.s, t.len);
    }
    gguf_release(&g);
    return texts;
}

/* ---- tensors ---- */

bool gguf_dtype(uint32_t id, DType *out)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].id != id) continue;
        *out = types[i].type;
        return true;
    }
    return false;
}

static int read_type(uint32_t id, DType *out, Err *e)
{
    const char *name = NULL;
    if (gguf_dtype(id, out)) return 0;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (foreign[i].id == id) name = foreign[i].name;
    return err_set(
        e,
        "type %u%s%s%s: limn reads F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL and IQ4_XS; "
        "get another file of the model, Q8_0 or Q4_K",
        id, name ? " (" : "", name ? name : "", name ? ")" : "");
}

/* GGUF counts dimensions from the innermost. */
static int read_dims(Reader *r, uint64_t ne[DIMS_MAX], Weight *t, Err *e)
{
    uint32_t dims;
    uint64_t count = 1;
    if (!take(r, &dims, sizeof dims)) return cut(e);
    if (dims > DIMS_MAX) return err_set(e, "%u dimensions: GGUF has at most %d", dims, DIMS_MAX);
    if (!take(r, ne, dims * sizeof *ne)) return cut(e);
    t->ndim = (int)dims;
    for (uint32_t i = 0; i < dims; i++) {
        if (__builtin_mul_overflow(count, ne[i], &count) || count > INT64_MAX)
            return err_set(e, "a dimension of %llu: more numbers than any machine has", (unsigned long long)ne[i]);
        t->shape[dims - 1 - i] = (int64_t)ne[i];
    }
    return 0;
}

/* The alignment of the data; 0 with e set. */
static size_t alignment_of(const Gguf *g, Err *e)
{
    uint32_t n = ALIGNMENT;
    const Value *v = find_value(g, "general.alignment");
    Reader r = v ? v->value : (Reader){ 0 };
    if (v && (v->type != VALUE_U32 || !take(&r, &n, sizeof n))) n = 0;
    if (n && n <= ALIGNMENT_MOST && !(n & (n - 1))) return n;
    err_set(e, "general.alignment is not a power of two: damaged, or made to deceive");
    return 0;
}

/* The shape that a tensor had before it was laid in rows of blocks, where the file tells one. */
static int restore_shape(const Gguf *g, const char *name, Weight *t, Err *e)
{
    char key[GGUF_MAX_NAME + 32];
    uint32_t item;
    uint64_t count, all = 1;
    snprintf(key, sizeof key, "comfy.gguf.orig_shape.%s", name);
    const Value *v = find_value(g, key);
    if (!v) return 0;
    Reader r = v->value;
    size_t before = weight_count(t);
    bool valid = v->type == VALUE_ARRAY && take(&r, &item, sizeof item) && take(&r, &count, sizeof count) &&
                 (item == VALUE_I32 || item == VALUE_U32) && count >= 1 && count <= WEIGHT_MAX_DIMS;
    t->ndim = valid ? (int)count : 0;
    for (int i = 0; valid && i < t->ndim; i++) {
        int32_t side = 0;
        valid = take(&r, &side, sizeof side) && side > 0 && !__builtin_mul_overflow(all, (uint64_t)side, &all);
        t->shape[i] = side;
    }
    return valid && all == before ? 0 : err_set(e, "its orig_shape does not have as many numbers as the tensor");
}

/* The data of a tensor that has all else. */
static int place(Weight *t, const uint64_t ne[DIMS_MAX], uint64_t offset, Bytes data, Err *e)
{
    size_t count = weight_count(t), block = dtype_block(t->dtype), bytes;
    if (block > 1 && (!t->ndim || ne[0] % block))
        return err_set(e, "%s in rows of %llu numbers, which are not whole blocks of %zu", dtype_name(t->dtype),
                       (unsigned long long)(t->ndim ? ne[0] : 1), block);
    if (__builtin_mul_overflow(count / block, dtype_size(t->dtype), &bytes) || offset > data.len ||
        bytes > data.len - offset)
        return err_set(e, "its data end beyond the file's: truncated; download it again");
    t->data = data.data + offset;
    t->bytes = bytes;
    return 0;
}

/* One tensor of the list; its offset is looked at when it is known where the data begin. */
typedef struct {
    char *name;
    Weight t;
    uint64_t ne[DIMS_MAX], offset;
} Info;

static int read_info(Gguf *g, Info *info, Err *e)
{
    char buf[SHOWN_MAX];
    uint32_t type;
    info->name = take_name(&g->r, "tensor", e);
    if (!info->name) return -1;
    if (read_dims(&g->r, info->ne, &info->t, e)) return err_in(e, shown(info->name, buf));
    if (!take(&g->r, &type, sizeof type) || !take(&g->r, &info->offset, sizeof info->offset)) return cut(e);
    return read_type(type, &info->t.dtype, e) ? err_in(e, shown(info->name, buf)) : 0;
}

static int by_offset(const void *a, const void *b)
{
    const Info *x = a, *y = b;
    return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : 0;
}

static int add_all(Weights *w, const Gguf *g, Info *infos, size_t count, Err *e)
{
    char buf[SHOWN_MAX], other[SHOWN_MAX];
    size_t align = alignment_of(g, e), begin = (size_t)(g->r.at - g->file.data);
    if (!align) return -1;
    begin = (begin + align - 1) / align * align;
    if (begin > g->file.len) begin = g->file.len;
    Bytes data = { g->file.data + begin, g->file.len - begin };
    for (size_t i = 0; i < count; i++) {
        Info *info = &infos[i];
        if (info->offset % align) err_set(e, "its data are not aligned to %zu bytes", align);
        else if (!place(&info->t, info->ne, info->offset, data, e) && !restore_shape(g, info->name, &info->t, e) &&
                 !weights_add(w, info->name, &info->t, e))
            continue;
        return err_in(e, shown(info->name, buf));
    }
    qsort(infos, count, sizeof *infos, by_offset);
    for (size_t i = 1; i < count; i++)
        if (infos[i - 1].t.bytes > infos[i].offset - infos[i - 1].offset)
            return err_set(e, "the tensors \"%s\" and \"%s\" overlap: the file is damaged or made to deceive",
                           shown(infos[i - 1].name, buf), shown(infos[i].name, other));
    return 0;
}

int gguf_read(Weights *w, Bytes file, Err *e)
{
    Gguf g = { 0 };
    Info *infos = NULL;
    size_t count = 0;
    int failed = gguf_open(&g, file, e);
    if (!failed && !g.tensors) failed = err_set(e, "a GGUF file without tensors");
    if (!failed) infos = mem_array((size_t)g.tensors + 1, sizeof *infos);
    for (; !failed && count < g.tensors; count++) failed = read_info(&g, &infos[count], e);
    if (!failed) failed = add_all(w, &g, infos, count, e);
    for (size_t i = 0; i < count; i++) free(infos[i].name);
    free(infos);
    gguf_release(&g);
    return failed;
}
