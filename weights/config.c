/* config.c - see config.h. */
#include "weights/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

struct Config {
    char *name;
    cJSON *root;
    bool *used; /* one a key, in the file's order */
    bool failed;
    Err first;        /* what was wrong, when failed */
    bool lenient;     /* config_pass_over() */
    Str *passed_over; /* own's, or the outer config's */
    Str own;
};

Config *config_parse(Bytes json, const char *name, Err *e)
{
    cJSON *root = json_parse(json, e);
    if (!root) {
        err_in(e, name);
        return NULL;
    }
    Config *c = mem_alloc(sizeof *c);
    c->name = mem_strdup(name);
    c->root = root;
    c->used = mem_array((size_t)cJSON_GetArraySize(root), sizeof *c->used);
    c->passed_over = &c->own;
    return c;
}

void config_free(Config *c)
{
    if (!c) return;
    cJSON_Delete(c->root);
    free(c->used);
    free(c->name);
    str_release(&c->own);
    free(c);
}

/* The value of a key; null counts as absent. */
static const cJSON *look(const Config *c, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(c->root, key);
    return cJSON_IsNull(item) ? NULL : item;
}

/* The same, and the key is understood from now on. */
static const cJSON *take(Config *c, const char *key)
{
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, c->root)
    {
        if (strcmp(item->string, key) == 0) {
            c->used[i] = true;
            return cJSON_IsNull(item) ? NULL : item;
        }
        i++;
    }
    return NULL;
}

/* Remembers the first value that is not as it must be. */
__attribute__((format(printf, 4, 5))) static void wrong(Config *c, const char *key, const cJSON *found,
                                                        const char *expected, ...)
{
    char text[256], buf[SHOWN_MAX];
    va_list ap;
    if (c->failed) return;
    va_start(ap, expected);
    vsnprintf(text, sizeof text, expected, ap);
    va_end(ap);
    c->failed = true;
    err_set(&c->first, "%s: \"%s\" is %s: expected %s", c->name, key, found ? json_shown(found, buf) : "missing", text);
}

bool config_has(const Config *c, const char *key) { return look(c, key) != NULL; }

bool config_is_null(const Config *c, const char *key)
{
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(c->root, key));
}

bool config_is_false(const Config *c, const char *key)
{
    return cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(c->root, key));
}

static int as_int(Config *c, const char *key, const cJSON *item, int dflt, int min, int max)
{
    double v = cJSON_IsNumber(item) ? item->valuedouble : 0.5;
    if (v >= min && v <= max && v == (int)v) return (int)v;
    wrong(c, key, item, "a whole number from %d to %d", min, max);
    return dflt;
}

int config_int(Config *c, const char *key, int dflt, int min, int max)
{
    const cJSON *item = take(c, key);
    return item ? as_int(c, key, item, dflt, min, max) : dflt;
}

double config_num(Config *c, const char *key, double dflt, double min, double max)
{
    const cJSON *item = take(c, key);
    if (!item) return dflt;
    if (cJSON_IsNumber(item) && item->valuedouble >= min && item->valuedouble <= max) return item->valuedouble;
    wrong(c, key, item, "a number from %g to %g", min, max);
    return dflt;
}

bool config_bool(Config *c, const char *key, bool dflt)
{
    const cJSON *item = take(c, key);
    if (!item) return dflt;
    if (!cJSON_IsBool(item)) wrong(c, key, item, "true or false");
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : dflt;
}

const char *config_str(Config *c, const char *key, const char *dflt)
{
    const cJSON *item = take(c, key);
    if (!item) return dflt;
    if (!cJSON_IsString(item)) wrong(c, key, item, "a text");
    return cJSON_IsString(item) ? item->valuestring : dflt;
}

/* The first of `count` values: a list's first, or the one that stands for all. NULL after a remembered error. */
static const cJSON *first_of(Config *c, const char *key, const cJSON *item, int count)
{
    if (!cJSON_IsArray(item)) return item;
    if (cJSON_GetArraySize(item) == count) return item->child;
    wrong(c, key, item, "a list of %d, or one value for all", count);
    return NULL;
}

void config_ints(Config *c, const char *key, int dflt, int *out, int count, int min, int max)
{
    const cJSON *list = take(c, key), *item = first_of(c, key, list, count);
    for (int i = 0; i < count; i++) {
        out[i] = item ? as_int(c, key, item, dflt, min, max) : dflt;
        if (item && item != list) item = item->next;
    }
}

void config_int_rows(Config *c, const char *key, int dflt, int *out, const ConfigRows *r)
{
    const cJSON *list = take(c, key), *item = first_of(c, key, list, r->rows);
    for (int i = 0; i < r->rows; i++) {
        bool several = item && cJSON_IsArray(item);
        const cJSON *row = several ? item->child : item;
        if (several && cJSON_GetArraySize(item) < r->counts[i]) {
            wrong(c, key, item, "a list of %d there, or one number for all", r->counts[i]);
            row = NULL;
        }
        for (int k = 0; k < r->counts[i]; k++) {
            out[i * r->stride + k] = row ? as_int(c, key, row, dflt, 1, r->max) : dflt;
            if (row && several) row = row->next;
        }
        if (item && item != list) item = item->next;
    }
}

bool config_nested(const Config *c, const char *key)
{
    const cJSON *item, *list = look(c, key);
    if (!cJSON_IsArray(list)) return false;
    cJSON_ArrayForEach(item, list) if (cJSON_IsArray(item)) return true;
    return false;
}

void config_bools(Config *c, const char *key, bool dflt, bool *out, int count)
{
    const cJSON *list = take(c, key), *item = first_of(c, key, list, count);
    for (int i = 0; i < count; i++) {
        out[i] = cJSON_IsBool(item) ? cJSON_IsTrue(item) : dflt;
        if (!item) continue;
        if (!cJSON_IsBool(item)) wrong(c, key, item, "true or false");
        if (item != list) item = item->next;
    }
}

int config_list_len(const Config *c, const char *key)
{
    const cJSON *item = look(c, key);
    if (!item) return 0;
    return cJSON_IsArray(item) ? cJSON_GetArraySize(item) : -1;
}

bool config_is_str_at(const Config *c, const char *key, int i)
{
    return cJSON_IsString(cJSON_GetArrayItem(look(c, key), i));
}

const char *config_key(const Config *c, int i)
{
    const cJSON *item = cJSON_GetArrayItem(c->root, i);
    return item ? item->string : NULL;
}

static const cJSON *entry(Config *c, const char *key, int i)
{
    const cJSON *list = take(c, key);
    return cJSON_IsArray(list) ? cJSON_GetArrayItem(list, i) : NULL;
}

const char *config_str_at(Config *c, const char *key, int i)
{
    const cJSON *item = entry(c, key, i);
    if (!cJSON_IsString(item)) wrong(c, key, look(c, key), "a list with a text at place %d", i);
    return cJSON_GetStringValue(item);
}

double config_num_at(Config *c, const char *key, int i)
{
    const cJSON *item = entry(c, key, i);
    if (cJSON_IsNumber(item)) return item->valuedouble;
    wrong(c, key, look(c, key), "a list with a number at place %d", i);
    return 0;
}

Config *config_object(Config *c, const char *key)
{
    const cJSON *item = take(c, key);
    if (item && !cJSON_IsObject(item)) wrong(c, key, item, "an object");
    if (!cJSON_IsObject(item)) return NULL;

    Config *child = mem_alloc(sizeof *child);
    Str name = { 0 };
    str_addf(&name, "%s: %s", c->name, key);
    child->name = mem_strdup(name.s);
    child->root = cJSON_Duplicate(item, true);
    child->used = mem_array((size_t)cJSON_GetArraySize(child->root), sizeof *child->used);
    child->lenient = c->lenient;
    child->passed_over = c->passed_over;
    str_release(&name);
    return child;
}

void config_ignore(Config *c, const char *const *keys)
{
    while (*keys) take(c, *keys++);
}

void config_only_str(Config *c, const char *key, const char *value)
{
    const cJSON *item = take(c, key);
    if (item && !(cJSON_IsString(item) && strcmp(item->valuestring, value) == 0))
        wrong(c, key, item, "\"%s\", the only one that limn knows", value);
}

void config_only_num(Config *c, const char *key, double value)
{
    const cJSON *item = take(c, key);
    if (item && !(cJSON_IsNumber(item) && item->valuedouble == value))
        wrong(c, key, item, "%g, the only one that limn knows", value);
}

void config_only_bool(Config *c, const char *key, bool value)
{
    const cJSON *item = take(c, key);
    if (item && !(cJSON_IsBool(item) && cJSON_IsTrue(item) == value))
        wrong(c, key, item, "%s, the only one that limn knows", value ? "true" : "false");
}

void config_only_null(Config *c, const char *key)
{
    const cJSON *item = take(c, key);
    if (item) wrong(c, key, item, "null: limn does not know this option");
}

void config_pass_over(Config *c) { c->lenient = true; }

const char *config_passed_over(const Config *c) { return c->passed_over->s; }

int config_check_class(Config *c, const char *name, Err *e)
{
    const char *class = config_str(c, "_class_name", NULL);
    if (!class || strcmp(class, name) == 0) return 0;
    return err_set(e, "%s: its _class_name is %.60s: expected %s", c->name, class, name);
}

int config_blame(const Config *c, Err *e) { return str_starts(e->text, c->name) ? -1 : err_in(e, c->name); }

int config_finish(Config *c, Err *e)
{
    char key[SHOWN_MAX], value[SHOWN_MAX];
    const cJSON *item;
    size_t i = 0;

    if (c->failed) {
        *e = c->first;
        return -1;
    }
    cJSON_ArrayForEach(item, c->root)
    {
        if (c->used[i++] || cJSON_IsNull(item) || cJSON_IsFalse(item) || item->string[0] == '_') continue;
        if (c->lenient) str_addf(c->passed_over, "%s\"%s\"", c->passed_over->len ? ", " : "", shown(item->string, key));
        else
            return err_set(e, "%s: limn does not know the option \"%s\": %s, which might change the picture", c->name,
                           shown(item->string, key), json_shown(item, value));
    }
    return 0;
}
