/* write.c - a plan written as a safetensors file, piece by piece: no tensor is held whole but those that are turned. See plan.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <nettle/sha2.h>

#include "base/json.h"
#include "base/mem.h"
#include "convert/plan.h"

enum { PIECE = 1 << 18 /* numbers */, HEADER_ALIGN = 8 };

typedef struct {
    const Plan *plan;
    int fd;
    const char *where;
    struct sha256_ctx sha;
    size_t bytes;
    float *values;  /* [PIECE] */
    uint16_t *half; /* [PIECE] */
} Writer;

static int put(Writer *w, const void *data, size_t len, Err *e)
{
    sha256_update(&w->sha, len, data);
    w->bytes += len;
    if (file_write_all(w->fd, (Bytes){ data, len }) == 0) return 0;
    return err_set(e, "%s: cannot write: %s", w->where, strerror(errno));
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

/* IEEE 754's binary16, to nearest, half to even; infinity where it is too large. */
static uint16_t to_f16(float v)
{
    uint32_t x;
    memcpy(&x, &v, sizeof x);
    const uint32_t sign = x >> 16 & 0x8000;
    x &= 0x7fffffff;
    if (x >= 0x47800000) return (uint16_t)(sign | 0x7c00);
    if (x < 0x38800000) return (uint16_t)(sign | (uint32_t)rintf(fabsf(v) * 0x1p24F));
    x += 0xfff + (x >> 13 & 1);
    return (uint16_t)(sign | (x - 0x38000000) >> 13);
}

static uint16_t to_bf16(float v)
{
    uint32_t x;
    memcpy(&x, &v, sizeof x);
    return (uint16_t)((x + 0x7fff + (x >> 16 & 1)) >> 16);
}

static int put_values(Writer *w, const PlanTensor *t, const float *v, size_t n, Err *e)
{
    const bool f16 = t->dtype == DT_F16;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i])) return err_set(e, "%s holds NaN or infinity: the file is damaged", t->name);
    if (t->dtype == DT_F32) return put(w, v, n * sizeof *v, e);
    for (size_t i = 0; i < n; i++) {
        w->half[i] = f16 ? to_f16(v[i]) : to_bf16(v[i]);
        if (f16 && (w->half[i] & 0x7fff) == 0x7c00)
            return err_set(e, "%s holds %g, and f16 ends at 65504: take --precision bf16", t->name, (double)v[i]);
    }
    return put(w, w->half, n * sizeof *w->half, e);
}

/* ---- tensors --------------------------------------------------------------------------------------------------------- */

static int put_turned(Writer *w, const PlanTensor *t, Err *e)
{
    const Weight *from = t->from[0];
    size_t rows = (size_t)t->shape[0], columns = (size_t)t->shape[1], n = rows * columns;
    float *all = mem_try((n + 1) * sizeof *all), *out = mem_try((n + 1) * sizeof *out);
    int failed = -1;
    if (!all || !out) {
        err_set(e, "out of memory for %s", t->name);
        goto done;
    }
    weight_values(from, 0, n, all);
    for (size_t i = 0; i < n; i++) out[i] = all[i % columns * rows + i / columns];
    failed = 0;
    for (size_t at = 0, some; !failed && at < n; at += some) {
        some = n - at < PIECE ? n - at : PIECE;
        failed = put_values(w, t, out + at, some, e);
    }
done:
    free(all);
    free(out);
    return failed;
}

static int put_weight(Writer *w, const PlanTensor *t, const Weight *from, Err *e)
{
    const bool same = from->dtype == t->dtype && !from->scale;
    size_t n = weight_count(from), piece = PIECE / 256 * 256; /* whole blocks */
    for (size_t at = 0, some; at < n; at += some) {
        some = n - at < piece ? n - at : piece;
        if (watch_check(w->plan->watch, e)) return -1;
        if (same) {
            size_t size = dtype_size(t->dtype);
            if (put(w, from->data + at * size, some * size, e)) return -1;
            file_evict((Bytes){ from->data + at * size, from->own ? 0 : some * size });
            continue;
        }
        weight_values(from, at, some, w->values);
        if (put_values(w, t, w->values, some, e)) return -1;
    }
    return 0;
}

static size_t bytes_of(const PlanTensor *t)
{
    size_t n = dtype_size(t->dtype);
    for (int i = 0; i < t->ndim; i++) n *= (size_t)t->shape[i];
    return n;
}

static int put_header(Writer *w, Err *e)
{
    Str s = { 0 };
    size_t at = 0;
    str_addf(&s, "{\"__metadata__\":%s", str_text(&w->plan->metadata));
    for (size_t i = 0; i < w->plan->count; i++) {
        const PlanTensor *t = &w->plan->tensors[i];
        cJSON *name = cJSON_CreateString(t->name);
        char *quoted = cJSON_PrintUnformatted(name);
        str_addf(&s, ",%s:{\"dtype\":\"%s\",\"shape\":[", quoted, dtype_name(t->dtype));
        for (int k = 0; k < t->ndim; k++) str_addf(&s, "%s%lld", k ? "," : "", (long long)t->shape[k]);
        str_addf(&s, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes_of(t));
        at += bytes_of(t);
        cJSON_free(quoted);
        cJSON_Delete(name);
    }
    str_add(&s, "}");
    while (s.len % HEADER_ALIGN) str_add(&s, " ");
    uint64_t len = s.len;
    int failed = put(w, &len, sizeof len, e) || put(w, s.s, s.len, e);
    str_release(&s);
    return failed;
}

static int make(void *ctx, int fd, Err *e)
{
    Writer *w = ctx;
    w->fd = fd;
    if (put_header(w, e)) return -1;
    for (size_t i = 0; i < w->plan->count; i++) {
        const PlanTensor *t = &w->plan->tensors[i];
        if (t->turned && put_turned(w, t, e)) return -1;
        for (int k = 0; !t->turned && k < t->count; k++)
            if (put_weight(w, t, t->from[k], e)) return -1;
    }
    return 0;
}

int plan_write(const Plan *p, const Folder *f, const char *name, Converted *made, Err *e)
{
    unsigned char digest[SHA256_DIGEST_SIZE];
    bool exists;
    Writer w = {
        .plan = p, .where = name, .values = mem_array(PIECE, sizeof *w.values), .half = mem_array(PIECE, sizeof *w.half)
    };
    sha256_init(&w.sha);
    int failed = folder_write_made(f, name, &(FileMaker){ &w, make }, &exists, e);
    sha256_digest(&w.sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) snprintf(made->sha256 + 2 * i, 3, "%02x", digest[i]);
    made->bytes += w.bytes;
    made->tensors += p->count;
    free(w.values);
    free(w.half);
    return failed;
}
