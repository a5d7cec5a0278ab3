/* a1111_lists.c - A1111's API: what there is (models, samplers, ...), from limn's tables. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "pipeline/library.h"
#include "pipeline/ways.h"
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
        json_add_text(o, "filename", str_text(&name)); /* clients need not know its folder */
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
    cJSON *o = cJSON_CreateObject(), *loaded = cJSON_AddObjectToObject(o, "loaded");
    cJSON *skipped = cJSON_AddObjectToObject(o, "skipped");
    Library l;
    Err e;
    bool read = library_open(&l, r->server->options->embedding_dir, "embeddings", &e) == 0;
    for (size_t i = 0; read && i < l.count; i++) {
        cJSON *one = cJSON_AddObjectToObject(l.file[i].readable ? loaded : skipped, l.file[i].name);
        cJSON_AddNullToObject(one, "step");
        cJSON_AddNullToObject(one, "sd_checkpoint");
        cJSON_AddNullToObject(one, "sd_checkpoint_name");
        cJSON_AddNumberToObject(one, "shape", 0); /* they are read when a prompt names them */
        cJSON_AddNumberToObject(one, "vectors", 0);
    }
    library_close(&l);
    reply_json(out, 200, o);
}

static void empty_list(Call *r, Reply *out)
{
    (void)r;
    reply_json(out, 200, cJSON_CreateArray());
}

static void styles_list(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    const Styles *s = &r->server->styles;
    for (size_t i = 0; i < s->count; i++) {
        if (styles_find(s, s->at[i].name) != &s->at[i]) continue;
        cJSON *o = new_row(list);
        json_add_text(o, "name", s->at[i].name);
        json_add_text(o, "prompt", s->at[i].prompt);
        json_add_text(o, "negative_prompt", s->at[i].negative);
    }
    reply_json(out, 200, list);
}

static void latent_modes(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    (void)r;
    for (const Way *w = ways; w->name; w++)
        if (w->latent) cJSON_AddStringToObject(new_row(list), "name", w->a1111);
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
    { "GET", "/sdapi/v1/prompt-styles", styles_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/scripts", scripts_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/script-info", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/extensions", empty_list, 0, API_A1111 },
    { "GET", "/sdapi/v1/cmd-flags", cmd_flags, 0, API_A1111 },
    { "GET", "/sdapi/v1/memory", memory, 0, API_A1111 },
    { .method = NULL },
};
