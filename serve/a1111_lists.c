/* a1111_lists.c - A1111's API: what there is (models, samplers, ...), from limn's tables, and the settings that clients read and write. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "pipeline/library.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"
#include "serve/server.h"
#include "base/json.h"

/* A list parted by commas. */
static void add_names(cJSON *to, const char *key, const char *names)
{
    cJSON *list = cJSON_AddArrayToObject(to, key);
    while (names && *names) {
        size_t n = strcspn(names, ",");
        char *one = mem_strndup(names, n);
        cJSON_AddItemToArray(list, cJSON_CreateString(one));
        free(one);
        names += n + (names[n] == ',');
        names += strspn(names, " ");
    }
}

static cJSON *new_row(cJSON *list)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    return o;
}

static void samplers_list(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    (void)r;
    for (const Sampler *s = samplers; s->name; s++) {
        cJSON *o = new_row(list);
        Str names = { 0 };
        cJSON_AddStringToObject(o, "name", s->a1111);
        str_addf(&names, "%s,%s", s->name, s->aliases ? s->aliases : "");
        add_names(o, "aliases", str_text(&names));
        str_release(&names);
        cJSON_AddObjectToObject(o, "options");
    }
    reply_json(out, 200, list);
}

static void schedulers_list(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    (void)r;
    for (const Schedule *s = schedules; s->name; s++) {
        cJSON *o = new_row(list);
        cJSON_AddStringToObject(o, "name", s->name);
        cJSON_AddStringToObject(o, "label", *s->a1111 ? s->a1111 : s->name);
        add_names(o, "aliases", s->aliases);
        cJSON_AddNumberToObject(o, "default_rho", strcmp(s->name, "karras") == 0 ? 7 : -1);
        cJSON_AddFalseToObject(o, "need_inner_model");
    }
    reply_json(out, 200, list);
}

static void models_list(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    Catalogue *c = r->server->models;
    Str name = { 0 }, path = { 0 };
    for (size_t i = 0; catalogue_at(c, i, &name, &path); i++) {
        cJSON *o = new_row(list);
        json_add_text(o, "title", str_text(&name));
        const char *dot = strrchr(str_text(&name), '.');
        char *stem = mem_strndup(str_text(&name), dot ? (size_t)(dot - str_text(&name)) : name.len);
        json_add_text(o, "model_name", stem);
        free(stem);
        cJSON_AddNullToObject(o, "hash");
        cJSON_AddNullToObject(o, "sha256");
        json_add_text(o, "filename", str_text(&name)); /* where it lies is nobody's business */
        cJSON_AddNullToObject(o, "config");
        str_clear(&name);
        str_clear(&path);
    }
    str_release(&name);
    str_release(&path);
    reply_json(out, 200, list);
}

static void loras_list(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    Library l;
    Err e;
    bool read = library_open(&l, r->server->options->lora_dir, "loras", &e) == 0;
    for (size_t i = 0; read && i < l.count; i++) {
        if (!l.file[i].readable) continue;
        cJSON *o = new_row(list);
        json_add_text(o, "name", l.file[i].stem);
        json_add_text(o, "alias", l.file[i].name);
        json_add_text(o, "path", l.file[i].name);
        cJSON_AddObjectToObject(o, "metadata");
    }
    library_close(&l);
    reply_json(out, 200, list);
}

static void embeddings_list(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    (void)r;
    cJSON_AddObjectToObject(o, "loaded");
    cJSON_AddObjectToObject(o, "skipped");
    reply_json(out, 200, o);
}

static void empty_list(Call *r, Reply *out)
{
    (void)r;
    reply_json(out, 200, cJSON_CreateArray());
}

static void latent_modes(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    (void)r;
    cJSON_AddStringToObject(new_row(list), "name", "Latent");
    reply_json(out, 200, list);
}

static void scripts_list(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    (void)r;
    cJSON_AddArrayToObject(o, "txt2img");
    cJSON_AddArrayToObject(o, "img2img");
    reply_json(out, 200, o);
}

static void cmd_flags(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddTrueToObject(o, "api");
    cJSON_AddFalseToObject(o, "share");
    cJSON_AddBoolToObject(o, "listen", strcmp(r->server->guard.host, "127.0.0.1") != 0);
    reply_json(out, 200, o);
}

static void memory(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject(), *ram = cJSON_AddObjectToObject(o, "ram");
    double free_bytes = (double)mem_free(), total = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    (void)r;
    cJSON_AddNumberToObject(ram, "free", free_bytes);
    cJSON_AddNumberToObject(ram, "used", total - free_bytes);
    cJSON_AddNumberToObject(ram, "total", total);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "cuda"), "error", "limn draws on the CPU");
    reply_json(out, 200, o);
}

/* ---- settings ---- */

/* The name of the model that is current. */
static void add_model(Server *s, cJSON *o)
{
    Str name = { 0 }, path = { 0 };
    pthread_mutex_lock(&s->lock);
    char *current = s->model ? mem_strdup(s->model) : NULL;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; catalogue_at(s->models, i, &name, &path); i++) {
        if (!current || strcmp(current, str_text(&path)) == 0) break;
        str_clear(&name);
        str_clear(&path);
    }
    json_add_text(o, "sd_model_checkpoint", str_text(&name));
    str_release(&name);
    str_release(&path);
    free(current);
}

static void get_options(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    add_model(r->server, o);
    cJSON_AddNullToObject(o, "sd_checkpoint_hash");
    cJSON_AddStringToObject(o, "sd_vae", "Automatic");
    cJSON_AddStringToObject(o, "samples_format", "png");
    cJSON_AddNumberToObject(o, "CLIP_stop_at_last_layers", r->server->options->clip_skip);
    cJSON_AddNumberToObject(o, "eta_noise_seed_delta", r->server->options->ensd);
    reply_json(out, 200, o);
}

static void set_model(Server *s, const char *path)
{
    pthread_mutex_lock(&s->lock);
    free(s->model);
    s->model = path ? mem_strdup(path) : NULL;
    pthread_mutex_unlock(&s->lock);
}

/* Opens the model, so that the answer tells whether it can be; from then on jobs get it that name none. */
static int switch_model(Call *r, const char *name, Err *e)
{
    Server *s = r->server;
    Wish w;
    wish_init(&w, s);
    int failed = wish_model(&w, name, e);
    Order *t = failed ? NULL : wish_order(&w, r, false);
    if (t) t->load = true;
    failed = failed || order_run(s, r, t, e);
    if (!failed && t) {
        if (t->state == ORDER_FAILED) failed = err_set(e, "%s", t->error.text);
        else if (t->state != ORDER_DONE) failed = err_set(e, "it was not opened");
        if (!failed) set_model(s, w.job.model);
        queue_drop(s->queue, t);
    }
    wish_release(&w);
    return failed;
}

static void set_options(Call *r, Reply *out)
{
    Err e;
    cJSON *o = call_json(r, &e);
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(o, "sd_model_checkpoint");
    if (!o) reply_error(r, out, 422, NULL, e.text);
    else if (cJSON_IsString(model) && switch_model(r, model->valuestring, &e))
        reply_error(r, out, 404, "sd_model_checkpoint", e.text);
    else reply_json(out, 200, cJSON_CreateNull()); /* the other settings are of A1111's own page */
    cJSON_Delete(o);
}

static void refresh(Call *r, Reply *out)
{
    Err e;
    if (catalogue_refresh(r->server->models, &e)) reply_error(r, out, 500, NULL, e.text);
    else reply_json(out, 200, cJSON_CreateNull());
}

static void nothing(Call *r, Reply *out)
{
    (void)r;
    reply_json(out, 200, cJSON_CreateNull());
}

const Route a1111_lists[] = {
    { "GET", "/sdapi/v1/samplers", samplers_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/schedulers", schedulers_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/sd-models", models_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/sd-vae", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/sd-modules", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/latent-upscale-modes", latent_modes, 0, API_A1111 },
    { "GET", "/sdapi/v1/loras", loras_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/embeddings", embeddings_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/hypernetworks", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/face-restorers", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/realesrgan-models", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/prompt-styles", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/scripts", scripts_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/cmd-flags", cmd_flags, 0, API_A1111 },
    { "GET", "/sdapi/v1/memory", memory, 0, API_A1111 },
    { "GET", "/sdapi/v1/options", get_options, 0, API_A1111 },
    { "POST", "/sdapi/v1/options", set_options, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/refresh-checkpoints", refresh, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/refresh-loras", nothing, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/unload-checkpoint", nothing, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/reload-checkpoint", nothing, ROUTE_JSON, API_A1111 },
    { .method = NULL },
};
