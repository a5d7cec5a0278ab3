/* plan.c - see plan.h. */
#include "convert/plan.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "weights/names.h"
#include "weights/quantise.h"

void plan_init(Plan *p, const ConvertJob *j, const Watch *w)
{
    const char *precision = j->precision;
    *p = (Plan){ .dtype = DT_COUNT, .packed = DT_COUNT, .watch = w };
    if (j->type) quantise_type(j->type, &p->packed); /* the table of options has checked it */
    if (precision) p->dtype = *precision == 'b' ? DT_BF16 : precision[1] == '1' ? DT_F16 : DT_F32;
}

void plan_release(Plan *p)
{
    for (size_t i = 0; i < p->count; i++) free(p->tensors[i].name);
    free(p->tensors);
    str_release(&p->metadata);
    *p = (Plan){ 0 };
}

static PlanTensor *new_tensor(Plan *p, const char *name)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 256;
        p->tensors = mem_grow(p->tensors, p->cap * sizeof *p->tensors);
    }
    PlanTensor *t = &p->tensors[p->count++];
    *t = (PlanTensor){ .name = mem_strdup(name) };
    return t;
}

/* What the tensor's numbers are stored as. */
static int dtype_for(const Plan *p, const Weight *t, DType *out, Err *e)
{
    bool kept = t->dtype < DT_SAFETENSORS && !t->scale, number = dtype_computes(t->dtype);
    if (p->packed != DT_COUNT) {
        *out = t->dtype; /* plan_pack() chooses */
        return 0;
    }
    *out = number && p->dtype != DT_COUNT ? p->dtype : t->dtype;
    if (*out != t->dtype || kept) return 0;
    return err_set(e, "it is stored as %s%s, which is kept in no safetensors file of a model: say --precision",
                   dtype_name(t->dtype), t->scale ? " with scales" : "");
}

int plan_add(Plan *p, const char *name, const Weight *t, Err *e)
{
    char buf[SHOWN_MAX];
    DType dtype;
    if (dtype_for(p, t, &dtype, e)) return err_in(e, shown(t->name, buf));
    PlanTensor *out = new_tensor(p, name);
    out->dtype = dtype;
    out->ndim = t->ndim;
    memcpy(out->shape, t->shape, sizeof out->shape);
    out->from[out->count++] = t;
    return 0;
}

void plan_mark(Plan *p, const char *name)
{
    PlanTensor *t = new_tensor(p, name);
    t->dtype = DT_F32;
    t->ndim = 1; /* [0] */
}

/* ---- LDM's names ----------------------------------------------------------------------------------------------------- */

/* Thirds come one after the other, though not necessarily without others between: the tensor of that name, if it is begun. */
static PlanTensor *begun(const Plan *p, const char *name)
{
    for (size_t i = p->count; i-- > 0 && p->count - i < 64;)
        if (strcmp(p->tensors[i].name, name) == 0) return &p->tensors[i];
    return NULL;
}

static int add_third(Plan *p, const char *name, const Weight *t, int third, Err *e)
{
    PlanTensor *out = begun(p, name);
    if (!out) {
        if (plan_add(p, name, t, e)) return -1;
        out = &p->tensors[p->count - 1];
        out->from[0] = NULL;
        out->count = PLAN_JOINED;
        out->shape[0] *= PLAN_JOINED;
    }
    out->from[third] = t;
    return 0;
}

static int add_back(Plan *p, const char *name, const Weight *t, NameBack how, int third, Err *e)
{
    if (how == BACK_THIRD) return add_third(p, name, t, third, e);
    if (plan_add(p, name, t, e)) return -1;
    PlanTensor *out = &p->tensors[p->count - 1];
    if (how == BACK_CONV && out->ndim == 2) out->shape[out->ndim++] = 1, out->shape[out->ndim++] = 1;
    if (how == BACK_TURNED) {
        out->turned = true;
        out->shape[0] = t->shape[1];
        out->shape[1] = t->shape[0];
    }
    return 0;
}

static int check_joined(const Plan *p, Err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const PlanTensor *t = &p->tensors[i];
        for (int k = 0; k < t->count; k++)
            if (!t->from[k]) return err_set(e, "%s: one of query, key and value is missing", t->name);
        for (int k = 1; k < t->count; k++)
            if (p->dtype == DT_COUNT && t->from[k]->dtype != t->from[0]->dtype)
                return err_set(e, "%s: query, key and value are stored in different precisions: say --precision",
                               t->name);
    }
    return 0;
}

int plan_back(Plan *p, const char *prefix, const Weights *w, NameTable table, NameShape shape, Err *e)
{
    char buf[SHOWN_MAX];
    Str name = { 0 }, full = { 0 };
    int failed = 0;
    for (size_t i = 0; i < weights_count(w) && !failed; i++) {
        const Weight *t = weights_at((Weights *)(size_t)w, i);
        NameBack how;
        int third;
        if (t->folded) continue;
        if (!names_back(t->name, table, shape, &name, &how, &third)) {
            failed = err_set(e, "the tensor \"%s\" has no name in a single file", shown(t->name, buf));
            break;
        }
        str_clear(&full);
        str_addf(&full, "%s%s", prefix, name.s);
        failed = add_back(p, full.s, t, how, third, e);
    }
    str_release(&name);
    str_release(&full);
    return failed ? -1 : check_joined(p, e);
}

/* ---- metadata -------------------------------------------------------------------------------------------------------- */

/* The texts of "__metadata__"; NULL: there are none. */
static cJSON *metadata_of(Bytes file)
{
    uint64_t len = 0;
    Err ignored;
    if (file.len < sizeof len) return NULL;
    memcpy(&len, file.data, sizeof len);
    if (len > file.len - sizeof len) return NULL;
    cJSON *root = json_parse((Bytes){ file.data + sizeof len, len }, &ignored);
    cJSON *found = cJSON_DetachItemFromObjectCaseSensitive(root, "__metadata__");
    cJSON_Delete(root);
    return found;
}

void plan_metadata(Plan *p, Bytes file, const char *prediction)
{
    static const char *const stale[] = { "modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash", "format" };
    cJSON *old = metadata_of(file), *all = cJSON_CreateObject(), *item;
    cJSON_AddStringToObject(all, "format", "pt");
    cJSON_ArrayForEach(item, old)
    {
        bool kept = cJSON_IsString(item);
        for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) kept = kept && strcmp(item->string, stale[i]) != 0;
        if (kept) cJSON_AddStringToObject(all, item->string, item->valuestring);
    }
    const char *word = prediction && strcmp(prediction, "v_prediction") == 0 ? "v" : prediction;
    if (word) {
        cJSON_DeleteItemFromObjectCaseSensitive(all, "modelspec.prediction_type");
        cJSON_AddStringToObject(all, "modelspec.prediction_type", word);
    }
    char *text = cJSON_PrintUnformatted(all);
    str_clear(&p->metadata);
    str_add(&p->metadata, text);
    cJSON_free(text);
    cJSON_Delete(all);
    cJSON_Delete(old);
}
