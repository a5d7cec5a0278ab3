/* safetensors.c - see safetensors.h. */
#define _GNU_SOURCE /* memmem */
#include "weights/safetensors.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/magic.h"
#include "base/mem.h"
#include "base/str.h"

/* The reference implementation's limit, which is limn's for any JSON. */
enum { HEADER_MAX = JSON_MAX_BYTES };

/* An error message of a server, a JSON file: a header of so many bytes would begin with other ones. */
static bool is_text(Bytes file)
{
    for (size_t i = 0; i < 8; i++)
        if (!isprint(file.data[i]) && !isspace(file.data[i])) return false;
    return true;
}

static int not_safetensors(Bytes file, Err *e, uint64_t header)
{
    char begin[41] = { 0 }, buf[SHOWN_MAX];
    if (!file.len) return err_set(e, "an empty file: download it again");
    memcpy(begin, file.data, file.len < 40 ? file.len : 40);
    const Magic magic = magic_of(file);
    if (magic.what && magic.kind != MAGIC_SAFETENSORS && magic.kind != MAGIC_TEXT)
        return err_set(e, "%s, not %s%s%s", magic.what, magic.kind == MAGIC_WEIGHTS ? "safetensors" : "weights",
                       magic.advice ? ": " : "", magic.advice ? magic.advice : "");
    if (file.len < 8)
        return err_set(
            e, "%zu bytes: too short for safetensors (8 bytes of length, then a JSON header); download it again",
            file.len);
    if (file.len > 8 && header <= HEADER_MAX && header > file.len - 8 && file.data[8] == '{')
        return err_set(e, "header of %llu bytes in a file of %zu: truncated; download it again",
                       (unsigned long long)header, file.len);
    if (is_text(file)) return err_set(e, "not a safetensors file but a text, which begins \"%s\"", shown(begin, buf));
    if (header > HEADER_MAX)
        return err_set(e, "header of %llu bytes, more than the %d that safetensors allows: not a safetensors file",
                       (unsigned long long)header, HEADER_MAX);
    return err_set(e, "not a safetensors file: its JSON header is missing");
}

/* The header's JSON of a file; what is after it goes to *data. */
static cJSON *read_header(Bytes file, Bytes *data, Err *e)
{
    uint64_t len = 0;
    if (file.len >= 8) memcpy(&len, file.data, 8);
    if (file.len < 10 || len > HEADER_MAX || len > file.len - 8 || len < 2 || file.data[8] != '{') {
        not_safetensors(file, e, len);
        return NULL;
    }
    *data = (Bytes){ file.data + 8 + len, file.len - 8 - (size_t)len };
    cJSON *root = json_parse((Bytes){ file.data + 8, (size_t)len }, e);
    if (!root) err_in(e, "header");
    return root;
}

static int read_dtype(const cJSON *item, DType *out, Err *e)
{
    char buf[SHOWN_MAX];
    Str known = { 0 };
    if (!item) return err_set(e, "no \"dtype\"");
    for (DType t = 0; cJSON_IsString(item) && t < DT_SAFETENSORS; t++) {
        if (strcmp(item->valuestring, dtype_name(t)) != 0) continue;
        *out = t;
        return 0;
    }
    for (DType t = 0; t < DT_SAFETENSORS; t++) str_addf(&known, "%s%s", t ? ", " : "", dtype_name(t));
    err_set(e, "dtype %s: expected one of %s; convert the file to F16", json_shown(item, buf), str_text(&known));
    str_release(&known);
    return -1;
}

/* The shape, and the bytes that it needs. */
static int read_shape(const cJSON *item, Weight *t, Err *e)
{
    char buf[SHOWN_MAX];
    const cJSON *dim;
    uint64_t n, bytes = dtype_size(t->dtype);
    bool empty = false;

    if (!cJSON_IsArray(item))
        return err_set(e, "shape %s: expected a list of numbers", item ? json_shown(item, buf) : "missing");
    cJSON_ArrayForEach(dim, item)
    {
        if (t->ndim == WEIGHT_MAX_DIMS)
            return err_set(e, "shape %s: more than %d dimensions", json_shown(item, buf), WEIGHT_MAX_DIMS);
        if (!json_whole(dim, &n)) return err_set(e, "shape %s: expected whole numbers from 0", json_shown(item, buf));
        t->shape[t->ndim++] = (int64_t)n;
        if (n == 0) empty = true;
        else if (__builtin_mul_overflow(bytes, n, &bytes))
            return err_set(e, "shape %s: more bytes than any machine has", json_shown(item, buf));
    }
    t->bytes = empty ? 0 : bytes;
    return 0;
}

static int read_offsets(const cJSON *item, Weight *t, Bytes data, Err *e)
{
    char buf[SHOWN_MAX], shape[SHOWN_MAX];
    uint64_t begin, end;
    const cJSON *first = cJSON_IsArray(item) ? item->child : NULL;

    if (!first || !first->next || first->next->next || !json_whole(first, &begin) || !json_whole(first->next, &end))
        return err_set(e, "data_offsets %s: expected [begin, end]", item ? json_shown(item, buf) : "missing");
    if (begin > end) return err_set(e, "data_offsets %s: the end is before the beginning", json_shown(item, buf));
    if (end > data.len)
        return err_set(
            e, "data_offsets %s, but only %zu bytes of data are there: the file is truncated; download it again",
            json_shown(item, buf), data.len);
    if (end - begin != t->bytes)
        return err_set(e, "data_offsets %s are %llu bytes, but %s of shape %s needs %zu", json_shown(item, buf),
                       (unsigned long long)(end - begin), dtype_name(t->dtype),
                       weight_shape_text(t, shape, sizeof shape), t->bytes);
    t->data = data.data + begin;
    return 0;
}

static int read_tensor(const cJSON *item, Weight *t, Bytes data, Err *e)
{
    char buf[SHOWN_MAX];
    *t = (Weight){ 0 };
    if (!item->string[0]) return err_set(e, "a tensor without a name");
    if (!cJSON_IsObject(item)) {
        err_set(e, "%s: expected {\"dtype\", \"shape\", \"data_offsets\"}", json_shown(item, buf));
    } else if (!read_dtype(cJSON_GetObjectItemCaseSensitive(item, "dtype"), &t->dtype, e) &&
               !read_shape(cJSON_GetObjectItemCaseSensitive(item, "shape"), t, e) &&
               !read_offsets(cJSON_GetObjectItemCaseSensitive(item, "data_offsets"), t, data, e)) {
        return 0;
    }
    return err_in(e, shown(item->string, buf));
}

static int check_metadata(const cJSON *meta, Err *e)
{
    char buf[SHOWN_MAX];
    const cJSON *item;
    if (!cJSON_IsObject(meta)) return err_set(e, "__metadata__: expected an object of strings");
    cJSON_ArrayForEach(item, meta) if (!cJSON_IsString(item)) return err_set(e, "__metadata__: \"%s\" is not a string",
                                                                             shown(item->string, buf));
    return 0;
}

/* Where a tensor's data lie; the name is for messages. */
typedef struct {
    const unsigned char *begin, *end;
    const char *name;
} Extent;

static int by_place(const void *a, const void *b)
{
    const Extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end == y->end ? 0 : x->end < y->end ? -1 : 1;
}

/* The format wants every byte of the data to belong to exactly one tensor. */
static int check_extents(Extent *x, size_t count, Bytes data, Err *e)
{
    char buf[SHOWN_MAX], other[SHOWN_MAX];
    const unsigned char *at = data.data, *end = data.data + data.len;

    qsort(x, count, sizeof *x, by_place);
    for (size_t i = 0; i < count; at = x[i++].end) {
        if (x[i].begin < at)
            return err_set(e, "the tensors \"%s\" and \"%s\" overlap: the file is damaged or made to deceive",
                           shown(x[i - 1].name, buf), shown(x[i].name, other));
        if (x[i].begin > at)
            return err_set(e, "%zu bytes before the tensor \"%s\" belong to none: the file is damaged",
                           (size_t)(x[i].begin - at), shown(x[i].name, buf));
    }
    if (at < end)
        return err_set(e, "%zu bytes after the last tensor: the file is damaged, or two files were joined",
                       (size_t)(end - at));
    return 0;
}

int safetensors_read(Weights *w, Bytes file, Err *e)
{
    Bytes data;
    const cJSON *item;
    size_t count = 0;
    int failed = -1;
    cJSON *root = read_header(file, &data, e);
    if (!root) return -1;

    Extent *extents = mem_array((size_t)cJSON_GetArraySize(root), sizeof *extents);
    cJSON_ArrayForEach(item, root)
    {
        Weight t;
        if (strcmp(item->string, "__metadata__") == 0) {
            if (check_metadata(item, e)) goto done;
            continue;
        }
        if (read_tensor(item, &t, data, e) || weights_add(w, item->string, &t, e)) goto done;
        extents[count++] = (Extent){ t.data, t.data + t.bytes, item->string };
    }
    failed = check_extents(extents, count, data, e);

done:
    free(extents);
    cJSON_Delete(root);
    return failed;
}

/* Whether the header may name the key: a large one is not parsed for nothing. A backslash may hide it ("\\u0061"). */
static bool may_name(Bytes file, const char *key)
{
    uint64_t len = 0;
    if (file.len < 8) return false;
    memcpy(&len, file.data, 8);
    if (len > file.len - 8) return false;
    return memmem(file.data + 8, (size_t)len, key, strlen(key)) || memchr(file.data + 8, '\\', (size_t)len);
}

char *safetensors_metadata(Bytes file, const char *key)
{
    Err ignored;
    Bytes data;
    if (!may_name(file, key)) return NULL;
    cJSON *root = read_header(file, &data, &ignored);
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(root, "__metadata__");
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, key));
    char *copy = value ? mem_strdup(value) : NULL;
    cJSON_Delete(root);
    return copy;
}

char **safetensors_texts(Bytes file)
{
    Err ignored;
    Bytes data;
    size_t count = 0;
    cJSON *root = read_header(file, &data, &ignored);
    const cJSON *item, *meta = cJSON_GetObjectItemCaseSensitive(root, "__metadata__");
    char **texts = mem_array(2 * (size_t)cJSON_GetArraySize(meta) + 1, sizeof *texts);
    cJSON_ArrayForEach(item, meta)
    {
        if (!cJSON_IsString(item)) continue;
        texts[count++] = mem_strdup(item->string);
        texts[count++] = mem_strdup(item->valuestring);
    }
    cJSON_Delete(root);
    return texts;
}

static cJSON *describe_tensor(const TensorOut *t, size_t begin, size_t *end)
{
    cJSON *item = cJSON_CreateObject(), *shape = cJSON_AddArrayToObject(item, "shape");
    size_t bytes = dtype_size(t->dtype);
    for (int i = 0; i < t->ndim; i++) {
        cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape[i]));
        bytes *= (size_t)t->shape[i];
    }
    *end = begin + bytes;
    const double offsets[2] = { (double)begin, (double)*end };
    cJSON_AddStringToObject(item, "dtype", dtype_name(t->dtype));
    cJSON_AddItemToObject(item, "data_offsets", cJSON_CreateDoubleArray(offsets, 2));
    return item;
}

int safetensors_encode(const TensorOut *t, size_t count, const char *const *metadata, Bytes *out, Err *e)
{
    size_t at = 0, end;
    cJSON *root = cJSON_CreateObject();
    if (metadata) {
        cJSON *meta = cJSON_AddObjectToObject(root, "__metadata__");
        for (; metadata[0]; metadata += 2) cJSON_AddStringToObject(meta, metadata[0], metadata[1]);
    }
    for (size_t i = 0; i < count; i++, at = end)
        cJSON_AddItemToObject(root, t[i].name, describe_tensor(&t[i], at, &end));
    char *json = cJSON_PrintUnformatted(root);
    Str header = { 0 };
    cJSON_Delete(root);
    str_add(&header, json);
    cJSON_free(json);
    while (header.len % 8) str_add(&header, " "); /* so that the data are aligned */

    unsigned char *file = mem_try(8 + header.len + at);
    if (!file) {
        str_release(&header);
        return err_set(e, "no memory for a file of %zu bytes", at);
    }
    uint64_t len = header.len;
    memcpy(file, &len, 8);
    memcpy(file + 8, header.s, header.len);
    at = 8 + header.len;
    str_release(&header);
    for (size_t i = 0; i < count; i++) {
        Weight shape = { .ndim = t[i].ndim };
        memcpy(shape.shape, t[i].shape, sizeof shape.shape);
        size_t bytes = weight_count(&shape) * dtype_size(t[i].dtype);
        if (bytes) memcpy(file + at, t[i].data, bytes);
        at += bytes;
    }
    *out = (Bytes){ file, at };
    return 0;
}

int safetensors_write(const char *path, const TensorOut *t, size_t count, const char *const *metadata, Err *e)
{
    Bytes file = { 0 };
    if (safetensors_encode(t, count, metadata, &file, e)) return err_in(e, path);
    int failed = file_write(path, file, e);
    free((void *)(size_t)file.data);
    return failed;
}
