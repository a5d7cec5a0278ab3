/* packed.c - a plan written with packed types (weights/quantise.h), into GGUF or safetensors. See plan.h. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/sha.h"
#include "convert/plan.h"
#include "weights/quantise.h"
#include "weights/write.h"

typedef struct {
    const Plan *plan;
    WeightOut *out; /* [count] */
    float *turned;  /* all of tensor `at`, which is turned */
    size_t at;
} Packing;

/* The numbers of a tensor whose rows become columns, kept until another one is. */
static int turn(Packing *p, size_t i, Err *e)
{
    const PlanTensor *t = &p->plan->tensors[i];
    size_t rows = (size_t)t->shape[0], columns = (size_t)t->shape[1], n = rows * columns;
    float *all = mem_try((n + 1) * sizeof *all);
    free(p->turned);
    p->turned = mem_try((n + 1) * sizeof *p->turned);
    p->at = i;
    if (!all || !p->turned) {
        free(all);
        return err_set(e, "out of memory for %s", t->name);
    }
    weight_values(t->from[0], 0, n, all);
    for (size_t k = 0; k < n; k++) p->turned[k] = all[k % columns * rows + k / columns];
    free(all);
    return 0;
}

/* Of parts that stand one after the other. */
static int numbers(void *ctx, size_t i, size_t from, size_t n, float *out, Err *e)
{
    Packing *p = ctx;
    const PlanTensor *t = &p->plan->tensors[i];
    if (t->turned && (!p->turned || p->at != i) && turn(p, i, e)) return -1;
    if (t->turned) memcpy(out, p->turned + from, n * sizeof *out);
    for (size_t k = 0, begin = 0; !t->turned && k < (size_t)t->count; k++) {
        size_t count = weight_count(t->from[k]), a = from > begin ? from : begin;
        size_t b = from + n < begin + count ? from + n : begin + count;
        if (a < b) weight_values(t->from[k], a - begin, b - a, out + (a - from));
        begin += count;
    }
    for (size_t k = 0; k < n; k++)
        if (out[k] - out[k] != 0) return err_set(e, "NaN or infinity (element %zu): the file is damaged", from + k);
    return 0;
}

static bool stopped(void *ctx, uint64_t bytes, uint64_t all)
{
    const Packing *p = ctx;
    const Watch *w = p->plan->watch;
    (void)bytes;
    (void)all;
    return w->cancelled && w->cancelled(w->ctx);
}

static size_t describe(Packing *p)
{
    size_t bytes = 0;
    for (size_t i = 0; i < p->plan->count; i++) {
        const PlanTensor *t = &p->plan->tensors[i];
        Weight like = { .name = t->name, .dtype = t->dtype, .ndim = t->ndim };
        memcpy(like.shape, t->shape, sizeof like.shape);
        WeightOut *o = &p->out[i];
        *o = (WeightOut){ .name = t->name, .dtype = quantise_choice(&like, p->plan->packed), .ndim = t->ndim };
        memcpy(o->shape, t->shape, sizeof o->shape);
        if (!dtype_computes(t->dtype) && t->count) o->same = t->from[0];
        bytes += dtype_bytes(o->dtype, weight_count(&like));
    }
    return bytes;
}

/* 8-bit floats use all of their range. */
static int find_scales(Packing *p, Err *e)
{
    enum { SOME = 1 << 16 };
    float *x = mem_array(SOME, sizeof *x);
    int failed = 0;
    for (size_t i = 0; i < p->plan->count && !failed; i++) {
        WeightOut *o = &p->out[i];
        Weight like = { .ndim = o->ndim };
        memcpy(like.shape, o->shape, sizeof like.shape);
        size_t n = weight_count(&like);
        float largest = 0;
        for (size_t from = 0; weights_out_scale(o->dtype, 1) > 0 && from < n && !failed; from += SOME) {
            size_t some = n - from < SOME ? n - from : SOME;
            failed = numbers(p, i, from, some, x, e) ? err_in(e, o->name) : 0;
            for (size_t k = 0; k < some && !failed; k++)
                if (x[k] > largest || -x[k] > largest) largest = x[k] > 0 ? x[k] : -x[k];
        }
        o->scale = weights_out_scale(o->dtype, largest);
    }
    free(x);
    return failed;
}

static const char **texts_of(const cJSON *metadata)
{
    size_t count = 0;
    const cJSON *item;
    const char **texts = mem_array(2 * (size_t)cJSON_GetArraySize(metadata) + 1, sizeof *texts);
    cJSON_ArrayForEach(item, metadata)
    {
        if (!cJSON_IsString(item)) continue;
        texts[count++] = item->string;
        texts[count++] = item->valuestring;
    }
    return texts;
}

int plan_pack(const Plan *plan, const char *path, Converted *made, Err *e)
{
    Packing p = { .plan = plan, .out = mem_array(plan->count + 1, sizeof *p.out) };
    Err ignored;
    Bytes file;
    cJSON *metadata =
        json_parse((Bytes){ (const unsigned char *)str_text(&plan->metadata), plan->metadata.len }, &ignored);
    const char **texts = texts_of(metadata);
    const WeightsOut o = {
        .tensor = p.out, .count = plan->count, .metadata = texts, .numbers = numbers, .done = stopped, .ctx = &p
    };
    made->bytes += describe(&p);
    made->tensors += plan->count;
    int failed = find_scales(&p, e) || weights_write(path, &o, e) || file_map(&file, path, e);
    if (!failed) {
        sha_hex(file, made->sha256);
        file_unmap(&file);
    }
    free(p.turned);
    free(p.out);
    free(texts);
    cJSON_Delete(metadata);
    return failed ? -1 : 0;
}
