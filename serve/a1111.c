/*
 * a1111.c - A1111's API: txt2img and img2img. Names and defaults of its fields are facts of its own
 * (modules/api/models.py); a field that is left out is the model's default here, where there it is 50 steps of 512x512.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/version.h"
#include "scheduler/samplers.h"
#include "serve/a1111.h"
#include "serve/server.h"
#include "base/json.h"

/* What a field is to limn. */
typedef enum {
    FIELD_OPTION,   /* an option of limn's, `to` */
    FIELD_POSITIVE, /* the same where it is more than 0 */
    FIELD_NEUTRAL,  /* of no effect at the values that clients send; else told */
    FIELD_ONE,      /* the same of 1, and true */
    FIELD_QUIET,    /* of no effect on a picture */
    FIELD_OWN,      /* looked at below */
} FieldKind;

static const struct {
    const char *name;
    FieldKind kind;
    const char *to;
} fields[] = {
    { "prompt", FIELD_OPTION, "prompt" },
    { "negative_prompt", FIELD_OPTION, "negative-prompt" },
    { "steps", FIELD_OPTION, "steps" },
    { "cfg_scale", FIELD_OPTION, "cfg-scale" },
    { "width", FIELD_OPTION, "width" },
    { "height", FIELD_OPTION, "height" },
    { "seed", FIELD_OWN, NULL },
    { "sampler_name", FIELD_OWN, NULL },
    { "sampler_index", FIELD_OWN, NULL },
    { "scheduler", FIELD_OWN, NULL },
    { "batch_size", FIELD_OWN, NULL },
    { "n_iter", FIELD_OWN, NULL },
    { "eta", FIELD_OPTION, "eta" },
    { "s_churn", FIELD_POSITIVE, "s-churn" },
    { "s_tmin", FIELD_POSITIVE, "s-tmin" },
    { "s_tmax", FIELD_POSITIVE, "s-tmax" },
    { "s_noise", FIELD_OPTION, "s-noise" },
    { "tiling", FIELD_OWN, NULL },
    { "enable_hr", FIELD_OWN, NULL },
    { "denoising_strength", FIELD_OWN, NULL },
    { "refiner_checkpoint", FIELD_OWN, NULL },
    { "refiner_switch_at", FIELD_OWN, NULL },
    { "override_settings", FIELD_OWN, NULL },
    { "alwayson_scripts", FIELD_OWN, NULL },
    { "init_images", FIELD_OWN, NULL },
    { "mask", FIELD_OWN, NULL },
    { "resize_mode", FIELD_OWN, NULL },
    { "mask_blur", FIELD_OPTION, "mask-blur" },
    { "mask_blur_x", FIELD_OWN, NULL },
    { "inpainting_fill", FIELD_OWN, NULL },
    { "inpaint_full_res", FIELD_OWN, NULL },
    { "inpaint_full_res_padding", FIELD_OWN, NULL },
    { "inpainting_mask_invert", FIELD_OWN, NULL },
    { "save_images", FIELD_OWN, NULL },
    { "send_images", FIELD_OWN, NULL },
    { "subseed", FIELD_QUIET, NULL }, /* counts with subseed_strength */
    { "subseed_strength", FIELD_OWN, NULL },
    { "seed_resize_from_h", FIELD_NEUTRAL, NULL },
    { "seed_resize_from_w", FIELD_NEUTRAL, NULL },
    { "styles", FIELD_NEUTRAL, NULL },
    { "restore_faces", FIELD_NEUTRAL, NULL },
    { "s_min_uncond", FIELD_POSITIVE, "ngms" },
    { "script_name", FIELD_NEUTRAL, NULL },
    { "script_args", FIELD_QUIET, NULL },
    { "initial_noise_multiplier", FIELD_ONE, NULL },
    { "latent_mask", FIELD_NEUTRAL, NULL },
    { "firstphase_width", FIELD_NEUTRAL, NULL },
    { "firstphase_height", FIELD_NEUTRAL, NULL },
    { "image_cfg_scale", FIELD_OWN, NULL },
    { "mask_blur_y", FIELD_OWN, NULL },
    { "mask_round", FIELD_ONE, NULL },
    { "include_init_images", FIELD_OWN, NULL },
    { "hr_scale", FIELD_OWN, NULL },
    { "hr_upscaler", FIELD_OWN, NULL },
    { "hr_second_pass_steps", FIELD_OWN, NULL },
    { "hr_resize_x", FIELD_OWN, NULL },
    { "hr_resize_y", FIELD_OWN, NULL },
    { "hr_checkpoint_name", FIELD_NEUTRAL, NULL },
    { "hr_sampler_name", FIELD_OWN, NULL },
    { "hr_scheduler", FIELD_NEUTRAL, NULL },
    { "hr_prompt", FIELD_NEUTRAL, NULL },
    { "hr_negative_prompt", FIELD_NEUTRAL, NULL },
    { "hr_cfg", FIELD_OWN, NULL }, /* Forge's */
    { "hr_distilled_cfg", FIELD_QUIET, NULL },
    { "hr_additional_modules", FIELD_NEUTRAL, NULL },
    { "distilled_cfg_scale", FIELD_QUIET, NULL }, /* of Flux only */
    { "force_task_id", FIELD_QUIET, NULL },
    { "do_not_save_samples", FIELD_QUIET, NULL },
    { "do_not_save_grid", FIELD_QUIET, NULL },
    { "override_settings_restore_afterwards", FIELD_OWN, NULL },
    { "comments", FIELD_QUIET, NULL },
    { "infotext", FIELD_NEUTRAL, NULL },
    { "disable_extra_networks", FIELD_NEUTRAL, NULL },
};

static const cJSON *member(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

/* A number of a field; dflt: it is left out, or null. */
static double number(const cJSON *o, const char *name, double dflt)
{
    const cJSON *v = member(o, name);
    return cJSON_IsNumber(v) ? v->valuedouble : dflt;
}

static const char *text(const cJSON *o, const char *name)
{
    const cJSON *v = member(o, name);
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

bool a1111_says_nothing(const cJSON *v)
{
    if (cJSON_IsNull(v) || cJSON_IsFalse(v)) return true;
    if (cJSON_IsNumber(v)) return v->valuedouble == 0 || v->valuedouble == -1;
    if (cJSON_IsString(v))
        return !*v->valuestring || strcasecmp(v->valuestring, "None") == 0 || str_starts(v->valuestring, "Use same");
    return (cJSON_IsArray(v) || cJSON_IsObject(v)) && !v->child;
}

static int set_number(Wish *w, const char *option, double value, Err *e)
{
    char digits[JSON_NUMBER];
    if (!json_number(value, digits)) return err_usage(e, "%s: a number that is finite is expected", option);
    return wish_set(w, option, digits, e);
}

/* ---- fields that take more than a row ---- */

/* sampler_name may hold the schedule; sampler_index is its older name, which counts where the other says nothing. */
static int set_sampler(Wish *w, const cJSON *o, Err *e)
{
    const char *name = text(o, "sampler_name"), *index = text(o, "sampler_index"), *schedule = text(o, "scheduler");
    if (!name || !*name) name = index;
    if (name && *name && wish_set(w, "sampler", name, e)) return -1;
    bool automatic = !schedule || !*schedule || strcasecmp(schedule, "Automatic") == 0;
    return automatic ? 0 : wish_set(w, "schedule", schedule, e);
}

static int set_count(Wish *w, const cJSON *o, Err *e)
{
    double n = number(o, "batch_size", 1) * number(o, "n_iter", 1);
    return n == 1 ? 0 : set_number(w, "count", n, e);
}

static int set_seed(Wish *w, const cJSON *o, Err *e)
{
    const cJSON *v = member(o, "seed");
    if (!v || (cJSON_IsNumber(v) && v->valuedouble < 0)) return wish_set(w, "seed", "random", e);
    return wish_json(w, "seed", v, e);
}

/* One of a list of values by its place. */
static int set_choice(Wish *w, const cJSON *o, const char *field, const char *option, const char *const *values, Err *e)
{
    const cJSON *v = member(o, field);
    if (!v || cJSON_IsNull(v)) return 0;
    int n = 0;
    while (values[n]) n++;
    if (!cJSON_IsNumber(v) || v->valuedouble < 0 || v->valuedouble >= n || v->valuedouble != (int)v->valuedouble)
        return err_usage(e, "%s: a number from 0 to %d is expected", field, n - 1);
    return wish_set(w, option, values[v->valueint], e);
}

static int set_scripts(Wish *w, const cJSON *o, Err *e)
{
    const cJSON *item, *images = member(o, "init_images");
    const char *start = cJSON_IsArray(images) && cJSON_IsString(images->child) ? images->child->valuestring : NULL;
    cJSON_ArrayForEach(item, member(o, "alwayson_scripts"))
    {
        const cJSON *args = member(item, "args");
        if (strcasecmp(item->string, "controlnet") == 0) {
            if (a1111_control(w, item, start, e)) return -1;
        } else if (args && args->child) wish_pass(w, item->string);
    }
    return 0;
}

/* A picture to start from, and its mask. */
static int set_start(Wish *w, const cJSON *o, Err *e)
{
    static const char *const modes[] = { "stretch", "crop", "fit", NULL };
    static const char *const fills[] = { "fill", "original", "noise", "nothing", NULL };
    const cJSON *images = member(o, "init_images"), *first = cJSON_IsArray(images) ? images->child : NULL;
    const char *mask = text(o, "mask");
    if (!first || !cJSON_IsString(first)) return err_usage(e, "Init image not found");
    if (first->next)
        return err_usage(e, "init_images: one picture is expected, %d were sent", cJSON_GetArraySize(images));
    if (wish_picture(w, "init-image", first->valuestring, e) ||
        set_number(w, "strength", number(o, "denoising_strength", 0.75), e) ||
        set_choice(w, o, "resize_mode", "resize-mode", modes, e))
        return -1;
    if (!mask || !*mask) return 0;
    if (wish_picture(w, "mask", mask, e) || set_choice(w, o, "inpainting_fill", "fill", fills, e)) return -1;
    if (!cJSON_IsNumber(member(o, "mask_blur")) && set_number(w, "mask-blur", number(o, "mask_blur_x", 4), e))
        return -1;
    if (number(o, "inpainting_mask_invert", 0) != 0 && wish_set(w, "mask-invert", "true", e)) return -1;
    if (cJSON_IsFalse(member(o, "inpaint_full_res")) || number(o, "inpaint_full_res", 1) == 0) return 0;
    return set_number(w, "only-masked", number(o, "inpaint_full_res_padding", 0), e);
}

/* hr_scale, or the size that the second pass ends with; limn does not cut off what another shape has too much. */
static int set_hires_size(Wish *w, const cJSON *o, Err *e)
{
    double x = number(o, "hr_resize_x", 0), y = number(o, "hr_resize_y", 0), scale = number(o, "hr_scale", 2);
    if (x <= 0 && y <= 0) return set_number(w, "hires", scale, e);
    double width = number(o, "width", w->job.width), height = number(o, "height", w->job.height);
    if (width <= 0 || height <= 0)
        return err_usage(e, "hr_resize_x, hr_resize_y: width and height are expected beside them");
    if (x > 0 && y > 0 && x * height != y * width)
        return err_usage(e, "hr_resize_x, hr_resize_y: %gx%g has another shape than %gx%g", x, y, width, height);
    return set_number(w, "hires", x > 0 ? x / width : y / height, e);
}

/* enable_hr: what is drawn a second time. */
static int set_hires(Wish *w, const cJSON *o, Err *e)
{
    const char *with = text(o, "hr_upscaler"), *sampler = text(o, "hr_sampler_name");
    if (!cJSON_IsTrue(member(o, "enable_hr"))) return 0;
    if (set_hires_size(w, o, e) || set_number(w, "hires-strength", number(o, "denoising_strength", 0.75), e)) return -1;
    if (number(o, "hr_second_pass_steps", 0) > 0 &&
        set_number(w, "hires-steps", number(o, "hr_second_pass_steps", 0), e))
        return -1;
    if (cJSON_IsNumber(member(o, "hr_cfg")) && set_number(w, "hires-cfg-scale", number(o, "hr_cfg", 0), e)) return -1;
    if (with && *with && wish_set(w, "hires-with", strcmp(with, "None") == 0 ? "lanczos" : with, e))
        return err_in(e, "hr_upscaler");
    bool same = !sampler || !*sampler || strcmp(sampler, "Use same sampler") == 0;
    return same ? 0 : wish_set(w, "hires-sampler", sampler, e);
}

/* Values that say what is so here anyway; others are listed. */
static void pass_values(Wish *w, const cJSON *o)
{
    double image = number(o, "image_cfg_scale", 0), x = number(o, "mask_blur_x", 4), y = number(o, "mask_blur_y", 4);
    bool one_blur = cJSON_IsNumber(member(o, "mask_blur"));
    if (image > 0 && image != 1.5) wish_pass(w, "image_cfg_scale");
    if (!one_blur && x != y) wish_pass(w, "mask_blur_y");
}

static int set_variation(Wish *w, const cJSON *o, Err *e)
{
    if (number(o, "subseed_strength", 0) <= 0) return 0;
    if (set_number(w, "variation-strength", number(o, "subseed_strength", 0), e)) return -1;
    return number(o, "subseed", -1) < 0 ? 0 : set_number(w, "variation-seed", number(o, "subseed", 0), e);
}

/* ---- all fields ---- */

static int set_field(Wish *w, const cJSON *v, Err *e)
{
    size_t i = 0, n = sizeof fields / sizeof *fields;
    while (i < n && strcmp(fields[i].name, v->string) != 0) i++;
    if (i == n) {
        wish_pass(w, v->string);
        return 0;
    }
    if (fields[i].kind == FIELD_NEUTRAL && !a1111_says_nothing(v)) wish_pass(w, v->string);
    if (fields[i].kind == FIELD_ONE && !cJSON_IsNull(v) && !(cJSON_IsNumber(v) && v->valuedouble == 1) &&
        !cJSON_IsTrue(v))
        wish_pass(w, v->string);
    if (fields[i].kind == FIELD_POSITIVE && a1111_says_nothing(v)) return 0;
    return fields[i].kind == FIELD_OPTION || fields[i].kind == FIELD_POSITIVE ? wish_json(w, fields[i].to, v, e) : 0;
}

static int read_fields(Wish *w, const cJSON *o, bool from_picture, Err *e)
{
    const cJSON *item;
    const cJSON *settings = member(o, "override_settings");
    if (!w->job.compat && wish_set(w, "compat", "a1111", e)) return -1;
    if (a1111_stored_settings(w, e) || a1111_settings(w, settings, "override_settings.", e)) return -1;
    cJSON_ArrayForEach(item, o) if (set_field(w, item, e)) return -1;
    if (set_seed(w, o, e) || set_sampler(w, o, e) || set_count(w, o, e)) return -1;
    if (cJSON_IsTrue(member(o, "tiling")) && wish_set(w, "tile", "both", e)) return -1;
    if ((!from_picture && set_hires(w, o, e)) || set_variation(w, o, e)) return -1;
    const char *refiner = text(o, "refiner_checkpoint");
    if (refiner && *refiner && strcmp(refiner, "None") != 0 &&
        (wish_set(w, "refiner", refiner, e) || set_number(w, "refiner-at", number(o, "refiner_switch_at", 0.8), e)))
        return -1;
    if (set_scripts(w, o, e)) return -1;
    if (from_picture) pass_values(w, o);
    return (from_picture && set_start(w, o, e)) || wish_finish(w, e) ? -1 : 0;
}

/* ---- the answer ---- */

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
    const cJSON *options = member(all, "options"), *model = member(all, "model");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *v = member(options, names[i][1]);
        const Sampler *s = v && i == 0 ? sampler_find(v->valuestring) : NULL;
        cJSON_AddItemToObject(info, names[i][0],
                              s   ? cJSON_CreateString(s->a1111)
                              : v ? cJSON_Duplicate(v, true)
                                  : cJSON_CreateNull());
    }
    const char *sha = text(model, "sha256");
    char hash[11];
    snprintf(hash, sizeof hash, "%.10s", sha ? sha : "");
    json_add_text(info, "sd_model_name", text(model, "name") ? text(model, "name") : "");
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
    cJSON_AddNumberToObject(info, "batch_size", number(request, "batch_size", 1));
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
    cJSON_AddArrayToObject(info, "styles");
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
    for (size_t i = 0; i < t->made_count && !cJSON_IsFalse(member(request, "send_images")); i++) {
        Str text = { 0 };
        base64_add(&text, t->made[i].png);
        cJSON_AddItemToArray(images, cJSON_CreateString(str_text(&text)));
        str_release(&text);
    }
    bool echo = cJSON_IsTrue(member(request, "include_init_images"));
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
    w.keep = cJSON_IsTrue(member(o, "save_images"));
    if (read_fields(&w, o, from_picture, &e)) {
        bool missing = strstr(e.text, "sampler") || strcmp(e.text, "Init image not found") == 0;
        reply_error(r, out, missing ? 404 : 422, w.field, e.text);
        cJSON_Delete(o);
        wish_release(&w);
        return;
    }
    if (cJSON_IsFalse(member(o, "override_settings_restore_afterwards")))
        a1111_store_settings(s, member(o, "override_settings"));
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
