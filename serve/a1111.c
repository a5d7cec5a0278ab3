/* a1111.c - A1111's API: txt2img and img2img, and what they answer. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/version.h"
#include "scheduler/samplers.h"
#include "serve/a1111.h"
#include "serve/server.h"

/* Of one picture, from its settings as limn writes them. */
static void add_settings(cJSON *info, const Made *m)
{
    static const char *const names[][2] = { { "sampler_name", "sampler" },
                                            { "cfg_scale", "cfg_scale" },
                                            { "steps", "steps" },
                                            { "denoising_strength", "strength" },
                                            { "clip_skip", "clip_skip" } };
    Err e;
    cJSON *all = json_parse((Bytes){ (const unsigned char *)m->settings, strlen(m->settings) }, &e);
    const cJSON *options = a1111_member(all, "options"), *model = a1111_member(all, "model");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *v = a1111_member(options, names[i][1]);
        const Sampler *s = v && i == 0 ? sampler_find(v->valuestring) : NULL;
        cJSON_AddItemToObject(info, names[i][0],
                              s   ? cJSON_CreateString(s->a1111)
                              : v ? cJSON_Duplicate(v, true)
                                  : cJSON_CreateNull());
    }
    const char *sha = a1111_text(model, "sha256");
    char hash[11];
    snprintf(hash, sizeof hash, "%.10s", sha ? sha : "");
    json_add_text(info, "sd_model_name", a1111_text(model, "name") ? a1111_text(model, "name") : "");
    cJSON_AddStringToObject(info, "sd_model_hash", hash);
    cJSON_Delete(all);
}

static void add_repeated(cJSON *to, const char *name, const char *value, size_t count)
{
    cJSON *list = cJSON_AddArrayToObject(to, name);
    for (size_t i = 0; i < count; i++) cJSON_AddItemToArray(list, cJSON_CreateString(value));
}

static cJSON *info_of(const Order *t, const Wish *w, const cJSON *request)
{
    cJSON *info = cJSON_CreateObject();
    const Job *j = &t->jobs[0];
    const char *prompt = j->prompt ? j->prompt : "", *negative = j->negative_prompt ? j->negative_prompt : "";
    char stamp[16];
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", localtime_r(&now, &tm));
    json_add_text(info, "prompt", prompt);
    add_repeated(info, "all_prompts", prompt, t->made_count);
    json_add_text(info, "negative_prompt", negative);
    add_repeated(info, "all_negative_prompts", negative, t->made_count);
    cJSON_AddNumberToObject(info, "seed", (double)j->seed);
    cJSON *seeds = cJSON_AddArrayToObject(info, "all_seeds"), *sub = cJSON_AddArrayToObject(info, "all_subseeds");
    bool varied = j->variation_strength > 0;
    for (size_t i = 0; i < t->made_count; i++) {
        cJSON_AddItemToArray(seeds, cJSON_CreateNumber((double)t->made[i].seed));
        cJSON_AddItemToArray(sub, cJSON_CreateNumber(varied ? j->variation_seed + (double)i : -1));
    }
    cJSON_AddNumberToObject(info, "subseed", varied ? j->variation_seed : -1);
    cJSON_AddNumberToObject(info, "subseed_strength", varied ? j->variation_strength : 0);
    if (t->made_count) {
        cJSON_AddNumberToObject(info, "width", t->made[0].w);
        cJSON_AddNumberToObject(info, "height", t->made[0].h);
        add_settings(info, &t->made[0]);
    }
    cJSON_AddNumberToObject(info, "batch_size", a1111_number(request, "batch_size", 1));
    cJSON_AddFalseToObject(info, "restore_faces");
    cJSON_AddNullToObject(info, "face_restoration_model");
    cJSON_AddNullToObject(info, "sd_vae_name");
    cJSON_AddNullToObject(info, "sd_vae_hash");
    cJSON_AddNumberToObject(info, "seed_resize_from_w", -1);
    cJSON_AddNumberToObject(info, "seed_resize_from_h", -1);
    cJSON_AddObjectToObject(info, "extra_generation_params");
    cJSON_AddNumberToObject(info, "index_of_first_image", 0);
    cJSON *texts = cJSON_AddArrayToObject(info, "infotexts");
    for (size_t i = 0; i < t->made_count; i++) cJSON_AddItemToArray(texts, cJSON_CreateString(t->made[i].infotext));
    const cJSON *styles = a1111_styles(request);
    cJSON_AddItemToObject(info, "styles", styles ? cJSON_Duplicate(styles, true) : cJSON_CreateArray());
    cJSON_AddStringToObject(info, "job_timestamp", stamp);
    cJSON_AddFalseToObject(info, "is_using_inpainting_conditioning");
    cJSON_AddStringToObject(info, "version", "limn " LIMN_VERSION);
    json_add_lines(info, "passed_over", str_text(&w->passed));
    json_add_lines(info, "comments", str_text(&t->words));
    return info;
}

static void answer(Reply *out, const Order *t, const Wish *w, cJSON *request)
{
    cJSON *o = cJSON_CreateObject(), *images = cJSON_AddArrayToObject(o, "images"), *info = info_of(t, w, request);
    for (size_t i = 0; i < t->made_count && !cJSON_IsFalse(a1111_member(request, "send_images")); i++) {
        Str text = { 0 };
        base64_add(&text, t->made[i].png);
        cJSON_AddItemToArray(images, cJSON_CreateString(str_text(&text)));
        str_release(&text);
    }
    bool echo = cJSON_IsTrue(a1111_member(request, "include_init_images"));
    if (!echo && cJSON_HasObjectItem(request, "init_images"))
        cJSON_ReplaceItemInObject(request, "init_images", cJSON_CreateNull());
    if (!echo && cJSON_HasObjectItem(request, "mask")) cJSON_ReplaceItemInObject(request, "mask", cJSON_CreateNull());
    cJSON_AddItemToObject(o, "parameters", request);
    char *printed = cJSON_PrintUnformatted(info);
    cJSON_AddStringToObject(o, "info", printed ? printed : "{}");
    cJSON_free(printed);
    cJSON_Delete(info);
    reply_json(out, 200, o);
}

static void draw(Call *r, Reply *out, bool from_picture)
{
    Server *s = r->server;
    Wish w;
    Err e;
    cJSON *o = call_json(r, &e);
    if (!o) {
        reply_error(r, out, 422, NULL, e.text);
        return;
    }
    wish_init(&w, s);
    w.keep = cJSON_IsTrue(a1111_member(o, "save_images"));
    if (a1111_read(&w, o, from_picture, &e)) {
        bool missing = strcmp(w.field, "sampler") == 0 || strcmp(e.text, "Init image not found") == 0;
        reply_error(r, out, missing ? 404 : 422, w.field, e.text);
        cJSON_Delete(o);
        wish_release(&w);
        return;
    }
    if (cJSON_IsFalse(a1111_member(o, "override_settings_restore_afterwards")))
        a1111_store_settings(s, a1111_member(o, "override_settings"));
    Order *t = wish_order(&w, r);
    if (order_run(s, r, t, &e)) {
        reply_err(r, out, &e);
        cJSON_Delete(o);
    } else if (t->state == ORDER_FAILED || (order_lost(s, t) && queue_stopping(s->queue))) {
        reply_err(r, out, &t->error);
        cJSON_Delete(o);
        queue_drop(s->queue, t);
    } else {
        answer(out, t, &w, o);
        queue_drop(s->queue, t);
    }
    wish_release(&w);
}

static void txt2img(Call *r, Reply *out) { draw(r, out, false); }
static void img2img(Call *r, Reply *out) { draw(r, out, true); }

const Route a1111_routes[] = {
    { "POST", "/sdapi/v1/txt2img", txt2img, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/img2img", img2img, ROUTE_JSON, API_A1111 },
    { .method = NULL },
};
