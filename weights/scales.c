/* scales.c - see scales.h. */
#include "weights/scales.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/str.h"
#include "weights/safetensors.h"

typedef enum { ROLE_SCALE, ROLE_INPUT, ROLE_MARK, ROLE_TOLD, ROLE_FOREIGN } Role;

/* By the end of a tensor's name; a row with a part for it replaces the end. */
static const struct {
    const char *end;
    Role role;
    const char *of; /* what the scaled tensor's name has in its place; of a foreign one: how its numbers are packed */
} signs[] = {
    { ".scale_weight", ROLE_SCALE, ".weight" },
    { ".weight_scale", ROLE_SCALE, ".weight" },
    { ".scale_input", ROLE_INPUT, NULL },
    { ".input_scale", ROLE_INPUT, NULL },
    { "scaled_fp8", ROLE_MARK, NULL },
    { ".comfy_quant", ROLE_TOLD, NULL },
    { ".weight_scale_inv", ROLE_FOREIGN, "8-bit floats with a scale for each block of 128 x 128" },
    { ".weight_scale_2", ROLE_FOREIGN, "NVFP4" },
    { ".quant_state.bitsandbytes__nf4", ROLE_FOREIGN, "NF4 of bitsandbytes" },
    { ".quant_state.bitsandbytes__fp4", ROLE_FOREIGN, "FP4 of bitsandbytes" },
    { ".qweight", ROLE_FOREIGN, "whole numbers of GPTQ, AWQ or SVDQuant" },
};

static const char advice[] = "limn does not read that: get the model as F16, GGUF or plain 8-bit floats";

static int check_scale(const Weight *s, const Weight *t, Err *e)
{
    char shape[SHOWN_MAX];
    size_t count = weight_count(s), rows = t->ndim ? (size_t)t->shape[0] : 1;
    if (s->dtype > DT_BF16) return err_set(e, "a scale stored as %s: expected F32, F16 or BF16", dtype_name(s->dtype));
    if (count != 1 && count != rows)
        return err_set(e, "%zu scales for a tensor of shape %s: expected one, or one for each row", count,
                       weight_shape_text(t, shape, sizeof shape));
    if (t->dtype > DT_BF16 && t->dtype != DT_F8_E4M3 && t->dtype != DT_F8_E5M2)
        return err_set(e, "a scale for a tensor stored as %s: %s", dtype_name(t->dtype), advice);
    for (size_t i = 0; i < count; i++) {
        float v;
        weight_values(s, i, 1, &v);
        if (!(v > 0) || v - v != 0) return err_set(e, "a scale of %g: the file is damaged", (double)v);
    }
    return 0;
}

/* `len` of a scale's name are in front of its sign's end. */
static int fold_scale(Weights *w, Weight *s, size_t len, const char *of, Err *e)
{
    Str name = { 0 };
    str_addn(&name, s->name, len);
    str_add(&name, of);
    Weight *t = weights_find(w, name.s);
    char buf[SHOWN_MAX];
    int failed;
    if (!t) {
        failed = err_set(e, "a scale of \"%s\", which is not there", shown(name.s, buf));
    } else if (t->scale) {
        failed = err_set(e, "a second scale of \"%s\"", shown(name.s, buf));
    } else {
        failed = check_scale(s, t, e);
        t->scale = s->data;
        t->scale_type = s->dtype;
        t->scales = weight_count(s);
    }
    str_release(&name);
    return failed;
}

/* {"format": "float8_e4m3fn", ...}, as a tensor's bytes or in the metadata. */
static int check_format(const cJSON *told, Err *e)
{
    char buf[SHOWN_MAX];
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(told, "format");
    const char *name = cJSON_GetStringValue(format);
    if (!name) return err_set(e, "tells of no \"format\" of its numbers: %s", advice);
    if (strcmp(name, "float8_e4m3fn") != 0 && strcmp(name, "float8_e5m2") != 0)
        return err_set(e, "numbers packed as %s: %s", shown(name, buf), advice);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(told, "convrot")))
        return err_set(e, "rotated numbers (convrot): %s", advice);
    return 0;
}

static int check_told(const Weight *t, Err *e)
{
    if (t->dtype != DT_U8) return err_set(e, "stored as %s: expected U8, a text", dtype_name(t->dtype));
    cJSON *told = json_parse((Bytes){ t->data, t->bytes }, e);
    int failed = told ? check_format(told, e) : -1;
    cJSON_Delete(told);
    return failed;
}

static int check_metadata(Bytes file, Err *e)
{
    char buf[SHOWN_MAX], *text = safetensors_metadata(file, "_quantization_metadata");
    if (!text) return 0;
    cJSON *root = json_parse((Bytes){ (const unsigned char *)text, strlen(text) }, e);
    int failed = root ? 0 : -1;
    const cJSON *layer;
    cJSON_ArrayForEach(layer, cJSON_GetObjectItemCaseSensitive(root, "layers"))
    {
        if (!failed && check_format(layer, e)) failed = err_in(e, shown(layer->string, buf));
    }
    cJSON_Delete(root);
    free(text);
    return failed ? err_in(e, "_quantization_metadata") : 0;
}

static int fold(Weights *w, Weight *t, Err *e)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!str_ends(t->name, signs[i].end)) continue;
        size_t len = strlen(t->name) - strlen(signs[i].end);
        if (signs[i].role == ROLE_FOREIGN) return err_set(e, "numbers packed as %s: %s", signs[i].of, advice);
        if (signs[i].role == ROLE_MARK && len && t->name[len - 1] != '.') continue;
        t->folded = t->used = true;
        if (signs[i].role == ROLE_SCALE) return fold_scale(w, t, len, signs[i].of, e);
        return signs[i].role == ROLE_TOLD ? check_told(t, e) : 0;
    }
    return 0;
}

int scales_fold(Weights *w, Bytes file, Err *e)
{
    char buf[SHOWN_MAX];
    for (size_t i = 0; i < weights_count(w); i++)
        if (!weights_at(w, i)->folded && fold(w, weights_at(w, i), e))
            return err_in(e, shown(weights_at(w, i)->name, buf));
    return check_metadata(file, e);
}
