/*
 * a1111_settings.c - A1111's settings: GET and POST options, override_settings of a request, and the model that is open. What is set stays
 * until the server ends. Names are those of its modules/shared_options.py.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/a1111.h"
#include "serve/server.h"

static const char *text_of(const cJSON *v) { return cJSON_IsString(v) ? v->valuestring : NULL; }

/* ---- what a setting is to limn ---- */

static int set_model(Wish *w, const char *option, const cJSON *v, Err *e)
{
    (void)option;
    if (!text_of(v)) return err_usage(e, "sd_model_checkpoint: a model's name is expected");
    return *v->valuestring ? wish_model(w, v->valuestring, e) : 0;
}

static int set_rng(Wish *w, const char *option, const cJSON *v, Err *e)
{
    const char *name = text_of(v);
    bool cpu = name && strcmp(name, "CPU") == 0;
    if (!cpu && !(name && (strcmp(name, "GPU") == 0 || strcmp(name, "NV") == 0)))
        return err_usage(e, "randn_source: CPU, GPU or NV is expected");
    return wish_set(w, option, cpu ? "torch" : "philox", e);
}

static int set_format(Wish *w, const char *option, const cJSON *v, Err *e)
{
    (void)w;
    (void)option;
    return text_of(v) && strcasecmp(v->valuestring, "png") == 0 ? 0
                                                                : err_usage(e, "samples_format: png is what there is");
}

static int set_vae(Wish *w, const char *option, const cJSON *v, Err *e)
{
    const char *name = text_of(v);
    (void)w;
    (void)option;
    if (!name || !*name || strcasecmp(name, "Automatic") == 0 || strcasecmp(name, "None") == 0) return 0;
    return err_usage(e, "sd_vae: \"%.60s\": this server draws with the model's own, or with that of --vae", name);
}

/* -1 and 0: no previews. */
static int set_preview(Wish *w, const char *option, const cJSON *v, Err *e)
{
    if (!cJSON_IsNumber(v) || v->valuedouble > 0) return wish_json(w, option, v, e);
    w->job.preview = 0;
    return 0;
}

/* Off, where nothing has turned it on: as if it were not there. */
static int set_option(Wish *w, const char *option, const cJSON *v, Err *e)
{
    Str value = { 0 };
    bool on = job_get(&w->job, option_find(option, strlen(option)), &value);
    str_release(&value);
    return !on && a1111_says_nothing(v) ? 0 : wish_json(w, option, v, e);
}

typedef struct {
    const char *name, *option;
    int (*set)(Wish *w, const char *option, const cJSON *v, Err *e);
    const char *usual; /* what GET says where nothing was set, as JSON; NULL: what the command line's option says */
} Setting;

static const Setting settings[] = {
    { "sd_model_checkpoint", NULL, set_model, "null" },
    { "sd_vae", NULL, set_vae, "\"Automatic\"" },
    { "samples_format", NULL, set_format, "\"png\"" },
    { "CLIP_stop_at_last_layers", "clip-skip", set_option, NULL },
    { "eta_noise_seed_delta", "ensd", set_option, NULL },
    { "token_merging_ratio", "tome", set_option, NULL },
    { "s_min_uncond", "ngms", set_option, NULL },
    { "s_min_uncond_all", "ngms-all", set_option, NULL },
    { "skip_early_cond", "skip-early", set_option, NULL },
    { "randn_source", "rng", set_rng, NULL },
    { "show_progress_every_n_steps", "preview", set_preview, NULL },
    { .name = NULL },
};

static const Setting *find(const char *name)
{
    for (const Setting *s = settings; s->name; s++)
        if (strcmp(s->name, name) == 0) return s;
    return NULL;
}

int a1111_settings(Wish *w, const cJSON *o, const char *before, Err *e)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, o)
    {
        const Setting *s = find(v->string);
        if (cJSON_IsNull(v)) continue;
        if (!s) {
            Str full = { 0 };
            str_addf(&full, "%s%s", before, v->string);
            if (!a1111_says_nothing(v)) wish_pass(w, str_text(&full));
            str_release(&full);
        } else if (s->set(w, s->option, v, e)) {
            return s->option ? err_in(e, v->string) : -1;
        }
    }
    return 0;
}

/* ---- what was set ---- */

int a1111_stored_settings(Wish *w, Err *e)
{
    Server *s = w->server;
    pthread_mutex_lock(&s->lock);
    cJSON *o = cJSON_Duplicate(s->settings, true);
    pthread_mutex_unlock(&s->lock);
    int failed = a1111_settings(w, o, "", e);
    cJSON_Delete(o);
    return failed;
}

void a1111_store_settings(Server *s, const cJSON *o)
{
    const cJSON *v;
    pthread_mutex_lock(&s->lock);
    if (!s->settings) s->settings = cJSON_CreateObject();
    cJSON_ArrayForEach(v, o)
    {
        if (!find(v->string) || find(v->string)->set == set_model || cJSON_IsNull(v)) continue;
        cJSON_DeleteItemFromObjectCaseSensitive(s->settings, v->string);
        cJSON_AddItemToObject(s->settings, v->string, cJSON_Duplicate(v, true));
    }
    pthread_mutex_unlock(&s->lock);
}

/* An option of the command line as JSON. */
static void add_option(const Server *s, cJSON *o, const Setting *setting)
{
    const Option *option = option_find(setting->option, strlen(setting->option));
    Str value = { 0 };
    char *end = NULL;
    bool set = job_get(s->options, option, &value);
    double number = set ? strtod(str_text(&value), &end) : 0;
    if (set && (strcmp(str_text(&value), "true") == 0 || strcmp(str_text(&value), "false") == 0))
        cJSON_AddBoolToObject(o, setting->name, *value.s == 't');
    else if (setting->set == set_rng) /* a job of this interface draws A1111's way */
        cJSON_AddStringToObject(o, setting->name, set && strcmp(value.s, "torch") == 0 ? "CPU" : "NV");
    else cJSON_AddNumberToObject(o, setting->name, end && !*end ? number : 0);
    str_release(&value);
}

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
    Server *s = r->server;
    cJSON *o = cJSON_CreateObject();
    add_model(s, o);
    cJSON_AddNullToObject(o, "sd_checkpoint_hash");
    pthread_mutex_lock(&s->lock);
    for (const Setting *x = settings + 1; x->name; x++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(s->settings, x->name);
        if (v) cJSON_AddItemToObject(o, x->name, cJSON_Duplicate(v, true));
        else if (x->usual) cJSON_AddRawToObject(o, x->name, x->usual);
        else add_option(s, o, x);
    }
    pthread_mutex_unlock(&s->lock);
    reply_json(out, 200, o);
}

/* ---- the model ---- */

static void make_current(Server *s, const char *path)
{
    pthread_mutex_lock(&s->lock);
    free(s->model);
    s->model = path ? mem_strdup(path) : NULL;
    pthread_mutex_unlock(&s->lock);
}

/* Runs an order without pictures, of the wish's model. */
static int run(Call *r, Wish *w, OrderKind kind, Err *e)
{
    Server *s = r->server;
    Order *t = wish_order(w, r);
    t->kind = kind;
    if (order_run(s, r, t, e)) return -1;
    int failed = order_lost(s, t) ? err_set(e, "%s", t->error.text) : 0;
    queue_drop(s->queue, t);
    return failed;
}

/*
 * Opens the model, so that the answer tells whether it can be; from then on jobs get it that name none. name NULL: the
 * one that is current.
 */
static int switch_model(Call *r, const char *name, Err *e)
{
    Wish w;
    wish_init(&w, r->server);
    int failed = (name && wish_model(&w, name, e)) || run(r, &w, ORDER_LOAD, e);
    if (!failed && name) make_current(r->server, w.job.model);
    wish_release(&w);
    return failed ? -1 : 0;
}

/* Whether each setting can be kept; *passed: those that limn does not know, parted by ", ". */
static int check(Server *s, const cJSON *o, Str *passed, Err *e)
{
    Wish w;
    wish_init(&w, s);
    cJSON *copy = cJSON_Duplicate(o, true);
    if (text_of(cJSON_GetObjectItemCaseSensitive(copy, "sd_model_checkpoint")))
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "sd_model_checkpoint");
    int failed = a1111_settings(&w, copy, "", e);
    for (const char *c = str_text(&w.passed); *c; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || *c == '_';
        if (*c == '\n' && !c[1]) break;
        str_add(passed, *c == '\n' ? ", " : plain ? (const char[]){ *c, 0 } : "?");
    }
    cJSON_Delete(copy);
    wish_release(&w);
    return failed;
}

static void set_options(Call *r, Reply *out)
{
    Err e;
    Str passed = { 0 };
    cJSON *o = call_json(r, &e);
    const char *model = text_of(cJSON_GetObjectItemCaseSensitive(o, "sd_model_checkpoint"));
    if (!o || check(r->server, o, &passed, &e)) reply_error(r, out, 422, NULL, e.text);
    else if (model && switch_model(r, model, &e)) reply_error(r, out, 404, "sd_model_checkpoint", e.text);
    else {
        a1111_store_settings(r->server, o);
        reply_json(out, 200, cJSON_CreateNull()); /* as there; the settings that are none here are in a header */
        if (passed.len) out->header[0][0] = "X-Limn-Passed-Over";
        if (passed.len) snprintf(out->value, sizeof out->value, "%s", passed.s);
        out->header[0][1] = out->value;
    }
    str_release(&passed);
    cJSON_Delete(o);
}

static void answer_null(Call *r, Reply *out, int failed, const Err *e)
{
    if (failed) reply_err(r, out, e);
    else reply_json(out, 200, cJSON_CreateNull());
}

static void unload(Call *r, Reply *out)
{
    Err e;
    Wish w;
    wish_init(&w, r->server);
    answer_null(r, out, run(r, &w, ORDER_UNLOAD, &e), &e);
    wish_release(&w);
}

static void reload(Call *r, Reply *out)
{
    Err e;
    answer_null(r, out, switch_model(r, NULL, &e), &e);
}

static void refresh(Call *r, Reply *out)
{
    Err e;
    answer_null(r, out, catalogue_refresh(r->server->models, &e), &e);
}

/* LoRAs are looked for whenever they are asked for. */
static void refresh_loras(Call *r, Reply *out) { answer_null(r, out, 0, NULL); }

const Route a1111_options[] = {
    { "GET", "/sdapi/v1/options", get_options, 0, API_A1111 },
    { "POST", "/sdapi/v1/options", set_options, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/refresh-checkpoints", refresh, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/refresh-loras", refresh_loras, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/unload-checkpoint", unload, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/reload-checkpoint", reload, ROUTE_JSON, API_A1111 },
    { .method = NULL },
};
