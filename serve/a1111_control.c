/*
 * a1111_control.c - alwayson_scripts.controlnet as sd-webui-controlnet's clients send it (scripts/external_code.py): units with a model by
 * name, a picture, a module that makes a map of it; and the lists of both. A unit becomes a line of --control.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "image/hint.h"
#include "pipeline/library.h"
#include "serve/a1111.h"
#include "serve/server.h"

static const cJSON *member(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

static const char *text(const cJSON *v) { return cJSON_IsString(v) && *v->valuestring ? v->valuestring : NULL; }

/* "control_v11p_sd15_canny [d14c016b]": the path, appended. */
static int add_model(const Wish *w, const char *name, Str *out, Err *e)
{
    const char *hash = strstr(name, " [");
    char *plain = mem_strndup(name, hash ? (size_t)(hash - name) : strlen(name));
    Library l;
    int failed = library_open(&l, w->server->options->control_dir, "controlnet", e);
    const LibraryFile *f = failed ? NULL : library_find(&l, plain, NULL, e);
    if (f && !f->readable) failed = err_usage(e, "\"%.60s\" is no safetensors file", plain);
    else if (f) str_add(out, f->path);
    library_close(&l);
    free(plain);
    return f && !failed ? 0 : -1;
}

/* The picture, as each version of the extension has it: text, or {"image": text, "mask": ...}. NULL: the one that is started from. */
static const char *picture_of(const cJSON *unit)
{
    static const char *const names[] = { "image", "input_image" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *v = member(unit, names[i]);
        if (text(v)) return text(v);
        if (text(member(v, "image"))) return text(member(v, "image"));
    }
    return NULL;
}

/* "canny", with its numbers where the unit has some: "canny:100:200:". */
static void add_module(const cJSON *unit, Str *line)
{
    const char *module = text(member(unit, "module"));
    size_t len = module ? strcspn(module, " (") : 0;
    if (!len || strncasecmp(module, "none", len) == 0) return;
    str_addf(line, "%.*s:", (int)len, module);
    const cJSON *a = member(unit, "threshold_a"), *b = member(unit, "threshold_b");
    if (cJSON_IsNumber(a) && a->valuedouble > 0) str_addf(line, "%g:", a->valuedouble);
    if (cJSON_IsNumber(a) && a->valuedouble > 0 && cJSON_IsNumber(b) && b->valuedouble > 0)
        str_addf(line, "%g:", b->valuedouble);
}

static void add_number(const cJSON *unit, const char *name, const char *field, Str *line)
{
    char digits[JSON_NUMBER];
    const cJSON *v = member(unit, name);
    if (cJSON_IsNumber(v) && json_number(v->valuedouble, digits)) str_addf(line, ",%s=%s", field, digits);
}

/* Which of prompt and picture counts more: limn takes both alike. */
static bool is_balanced(const cJSON *mode)
{
    if (!mode || cJSON_IsNull(mode)) return true;
    if (cJSON_IsNumber(mode)) return mode->valuedouble == 0;
    return cJSON_IsString(mode) && strcasecmp(mode->valuestring, "Balanced") == 0;
}

static int add_unit(Wish *w, const cJSON *unit, const char *start, Err *e)
{
    const char *model = text(member(unit, "model")), *picture = picture_of(unit);
    Str line = { 0 }, file = { 0 };
    int failed = 0;
    if (!model || strcasecmp(model, "None") == 0) failed = err_usage(e, "model: a ControlNet's name is expected");
    else if (!picture && !start) failed = err_usage(e, "image: a picture is expected");
    else if (!is_balanced(member(unit, "control_mode")))
        failed = err_usage(e, "control_mode: Balanced is what there is");
    str_add(&line, "model=");
    failed = failed || add_model(w, model, &line, e) || wish_file(w, "control", picture ? picture : start, &file, e);
    if (!failed) {
        str_add(&line, ",image=");
        add_module(unit, &line);
        str_add(&line, str_text(&file));
        add_number(unit, "weight", "strength", &line);
        add_number(unit, "guidance_start", "start", &line);
        add_number(unit, "guidance_end", "end", &line);
        failed = job_set(&w->job, option_find("control", 7), str_text(&line), e);
    }
    str_release(&line);
    str_release(&file);
    return failed ? err_in(e, "controlnet") : 0;
}

int a1111_control(Wish *w, const cJSON *script, const char *start, Err *e)
{
    const cJSON *unit;
    cJSON_ArrayForEach(unit, member(script, "args"))
    {
        if (!cJSON_IsObject(unit) || cJSON_IsFalse(member(unit, "enabled"))) continue;
        if (add_unit(w, unit, start, e)) return -1;
    }
    return 0;
}

static void model_list(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "model_list");
    Library l;
    Err e;
    bool read = library_open(&l, r->server->options->control_dir, "controlnet", &e) == 0;
    for (size_t i = 0; read && i < l.count; i++)
        if (l.file[i].readable) cJSON_AddItemToArray(list, cJSON_CreateString(l.file[i].name));
    library_close(&l);
    reply_json(out, 200, o);
}

static void module_list(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "module_list");
    (void)r;
    cJSON_AddItemToArray(list, cJSON_CreateString("none"));
    for (const HintWay *w = hint_ways; w->name; w++) cJSON_AddItemToArray(list, cJSON_CreateString(w->name));
    reply_json(out, 200, o);
}

static void version(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    (void)r;
    cJSON_AddNumberToObject(o, "version", 2);
    reply_json(out, 200, o);
}

const Route a1111_control_routes[] = {
    { "GET", "/controlnet/model_list", model_list, 0, API_A1111 },
    { "GET", "/controlnet/module_list", module_list, 0, API_A1111 },
    { "GET", "/controlnet/version", version, 0, API_A1111 },
    { .method = NULL },
};
