/* metadata.c - a picture's settings as limn writes them, in JSON, and reads them again; see metadata.h. */
#include "pipeline/metadata.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/version.h"
#include "pipeline/language.h"

#define EXACT_IN_DOUBLE (1ULL << 53)

/* "cfg-scale" -> "cfg_scale" */
static const char *json_key(const Option *o, char buf[64])
{
    snprintf(buf, 64, "%s", o->name);
    for (char *p = buf; *p; p++)
        if (*p == '-') *p = '_';
    return buf;
}

void metadata_seed(uint64_t seed, Str *out)
{
    const char *quote = seed <= EXACT_IN_DOUBLE ? "" : "\"";
    str_addf(out, "%s%llu%s", quote, (unsigned long long)seed, quote);
}

void metadata_json(const Job *j, const Model *m, uint64_t seed, Str *out)
{
    const char *why;
    const Kernels *kernels = kernels_select(&why);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "limn", LIMN_VERSION);
    cJSON_AddStringToObject(root, "kernels", kernels ? kernels->name : "");
    cJSON *model = cJSON_AddObjectToObject(root, "model");
    json_add_text(model, "name", m->name);
    json_add_text(model, "path", j->model ? j->model : m->path);
    cJSON_AddStringToObject(model, "sha256", m->sha256);

    cJSON *options = cJSON_AddObjectToObject(root, "options");
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 };
        char key[64];
        if (!o->picture) continue;
        if (o->type == OPT_SEED) metadata_seed(seed, &value);
        else if (!job_get(j, o, &value)) continue;
        if (o->type == OPT_FLAG) {
            if (strcmp(str_text(&value), "true") == 0) cJSON_AddTrueToObject(options, json_key(o, key));
        } else if (o->type == OPT_INT || o->type == OPT_FLOAT || o->type == OPT_SEED)
            cJSON_AddRawToObject(options, json_key(o, key), str_text(&value));
        else json_add_text(options, json_key(o, key), str_text(&value));
        str_release(&value);
    }
    char *text = cJSON_PrintUnformatted(root);
    str_add(out, text);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* A string member into a buffer; false when it is absent, no string or too long. */
static bool get_string(const cJSON *from, const char *key, char *buf, size_t size)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, key));
    if (!s || strlen(s) >= size) return false;
    memcpy(buf, s, strlen(s) + 1);
    return true;
}

static int set_option(Job *j, const cJSON *item, Err *e)
{
    const Option *o = option_find(item->string, strlen(item->string));
    if (!o || !o->picture) return err_set(e, "option \"%.60s\" is not known here: a newer limn made it", item->string);

    char number[32];
    const char *text = cJSON_GetStringValue(item);
    if (cJSON_IsNumber(item)) {
        snprintf(number, sizeof number, "%.17g", item->valuedouble);
        text = number;
    }
    if (cJSON_IsBool(item)) text = cJSON_IsTrue(item) ? "true" : "false";
    if (!text) return err_set(e, "option \"%.60s\" is neither text, a number nor true or false", item->string);
    if (job_set(j, o, text, e) == 0) return 0;
    e->code = ERR_FAILED; /* the file's fault, not the user's */
    return err_in(e, o->name);
}

static int parse(const cJSON *root, Job *j, Origin *from, Err *e)
{
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(root, "options");
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "path"));
    if (!get_string(root, "limn", from->version, sizeof from->version) ||
        !get_string(root, "kernels", from->kernels, sizeof from->kernels) ||
        !get_string(model, "name", from->model, sizeof from->model) ||
        !get_string(model, "sha256", from->sha256, sizeof from->sha256) || !path || !*path || !cJSON_IsObject(options))
        return err_set(e, "limn's JSON lacks limn, kernels, model or options");

    const cJSON *item;
    cJSON_ArrayForEach(item, options) if (set_option(j, item, e)) return -1;
    if (!j->has_seed) return err_set(e, "limn's JSON has no seed");
    language_before(j);
    j->count = 1;
    free(j->model);
    j->model = mem_strdup(path);
    return 0;
}

int metadata_parse(const char *json, Job *j, Origin *from, Err *e)
{
    *from = (Origin){ 0 };
    job_init(j);
    cJSON *root = json_parse((Bytes){ (const unsigned char *)json, strlen(json) }, e);
    int failed = root ? parse(root, j, from, e) : err_in(e, "limn's text");
    cJSON_Delete(root);
    if (failed) job_release(j);
    return failed;
}
