/* a1111_types.c - values of A1111's fields as pydantic takes them there: "2" for a number, 1 for true. See a1111.h. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "serve/a1111.h"

/* true, 1, "1", "yes": 1; their opposites: 0; else -1. */
static int truth_of(const cJSON *v)
{
    static const char *const words[][2] = { { "false", "true" }, { "0", "1" }, { "no", "yes" }, { "off", "on" } };
    if (cJSON_IsBool(v)) return cJSON_IsTrue(v);
    if (cJSON_IsNumber(v) && (v->valuedouble == 0 || v->valuedouble == 1)) return v->valuedouble == 1;
    for (size_t i = 0; cJSON_IsString(v) && i < sizeof words / sizeof *words; i++)
        for (int k = 0; k < 2; k++)
            if (strcasecmp(v->valuestring, words[i][k]) == 0) return k;
    return -1;
}

static bool read_number(const cJSON *v, double *out)
{
    char *end;
    if (cJSON_IsNumber(v)) *out = v->valuedouble;
    else if (cJSON_IsBool(v)) *out = cJSON_IsTrue(v);
    else {
        if (!cJSON_IsString(v) || !*v->valuestring || v->valuestring[strspn(v->valuestring, "0123456789.+-eE")])
            return false;
        *out = strtod(v->valuestring, &end);
        if (*end) return false;
    }
    return true;
}

/* A value in the type's own form; NULL: it has none. */
static cJSON *as_type(const cJSON *v, FieldType type)
{
    char digits[JSON_NUMBER];
    double x;
    switch (type) {
    case TYPE_ANY: break;
    case TYPE_TEXT:
        if (cJSON_IsNumber(v) && json_number(v->valuedouble, digits)) return cJSON_CreateString(digits);
        break;
    case TYPE_NUMBER: return read_number(v, &x) ? cJSON_CreateNumber(x) : NULL;
    case TYPE_FLAG: return truth_of(v) < 0 ? NULL : cJSON_CreateBool(truth_of(v));
    case TYPE_LIST: break;
    case TYPE_OBJECT: return cJSON_IsArray(v) && !v->child ? cJSON_CreateObject() : NULL;
    }
    return NULL;
}

static bool has_type(const cJSON *v, FieldType type)
{
    switch (type) {
    case TYPE_ANY: return true;
    case TYPE_TEXT: return cJSON_IsString(v);
    case TYPE_NUMBER: return cJSON_IsNumber(v);
    case TYPE_FLAG: return cJSON_IsBool(v);
    case TYPE_LIST: return cJSON_IsArray(v);
    case TYPE_OBJECT: return cJSON_IsObject(v);
    }
    return false;
}

int a1111_fit(Wish *w, cJSON *o, const char *name, FieldType type, Err *e)
{
    static const char *const wanted[] = {
        [TYPE_ANY] = "",        [TYPE_TEXT] = "a text",     [TYPE_NUMBER] = "a number", [TYPE_FLAG] = "true or false",
        [TYPE_LIST] = "a list", [TYPE_OBJECT] = "an object"
    };
    const cJSON *v = a1111_member(o, name);
    if (!v || cJSON_IsNull(v) || has_type(v, type)) return 0;
    cJSON *fit = as_type(v, type);
    if (!fit) {
        snprintf(w->field, sizeof w->field, "%s", name);
        return err_usage(e, "%s: %s is expected", name, wanted[type]);
    }
    cJSON_ReplaceItemInObjectCaseSensitive(o, name, fit);
    return 0;
}
