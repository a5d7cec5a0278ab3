/*
 * a1111_extras.c - A1111's "extras": a picture made larger by a network of limn upscale's kind or by Lanczos, and the
 * words in a PNG.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/load.h"
#include "image/png.h"
#include "pipeline/library.h"
#include "pipeline/metadata.h"
#include "serve/a1111.h"
#include "serve/server.h"

static const cJSON *member(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

static int set_number(Job *j, const char *option, double value, Err *e)
{
    char digits[JSON_NUMBER];
    if (!json_number(value, digits)) return err_usage(e, "%s: a number that is finite is expected", option);
    return job_set(j, option_find(option, strlen(option)), digits, e) ? err_in(e, option) : 0;
}

static bool is_none(const char *name) { return !name || !*name || strcasecmp(name, "None") == 0; }

/* "None" and "Lanczos" need no network. */
static int set_network(Wish *w, const char *name, Err *e)
{
    free(w->job.with);
    w->job.with = NULL;
    if (is_none(name) || strcasecmp(name, "Lanczos") == 0) return 0;
    Str path = { 0 };
    int failed = wish_upscaler(w, name, &path, e);
    w->job.with = path.s;
    return failed ? err_in(e, "upscaler_1") : 0;
}

static int fit_types(Wish *w, cJSON *o, Err *e)
{
    static const struct {
        const char *name;
        FieldType type;
    } fields[] = { { "image", TYPE_TEXT },
                   { "upscaler_1", TYPE_TEXT },
                   { "resize_mode", TYPE_NUMBER },
                   { "upscaling_resize", TYPE_NUMBER },
                   { "upscaling_resize_w", TYPE_NUMBER },
                   { "upscaling_resize_h", TYPE_NUMBER },
                   { "upscaling_crop", TYPE_FLAG },
                   { "extras_upscaler_2_visibility", TYPE_NUMBER },
                   { "gfpgan_visibility", TYPE_NUMBER },
                   { "codeformer_visibility", TYPE_NUMBER } };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (a1111_fit(w, o, fields[i].name, fields[i].type, e)) return -1;
    return 0;
}

/* A size, and what is beyond it cut off; without upscaling_crop all stays, of the picture's own shape. */
static int set_size(Wish *w, const cJSON *o, Err *e)
{
    double to_w = a1111_number(o, "upscaling_resize_w", 512), to_h = a1111_number(o, "upscaling_resize_h", 512);
    Bytes file;
    int width, height;
    if (!cJSON_IsFalse(a1111_member(o, "upscaling_crop")))
        return set_number(&w->job, "width", to_w, e) || set_number(&w->job, "height", to_h, e) ? -1 : 0;
    if (file_map(&file, w->job.init_image, e)) return -1;
    int failed = image_decode_size(file, &width, &height, e);
    file_unmap(&file);
    if (failed) return -1;
    double x = to_w / width, y = to_h / height;
    return set_number(&w->job, "factor", x > y ? x : y, e);
}

static int read_fields(Wish *w, cJSON *o, Err *e)
{
    static const char *const off[] = { "extras_upscaler_2_visibility", "gfpgan_visibility", "codeformer_visibility" };
    if (fit_types(w, o, e)) return -1;
    const char *image = a1111_text(o, "image"), *name = a1111_text(o, "upscaler_1");
    double mode = a1111_number(o, "resize_mode", 0);
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (a1111_number(o, off[i], 0) > 0) return err_usage(e, "%s: limn serve cannot do that", off[i]);
    if (!image) return err_usage(e, "image: a picture as base64 is expected");
    if (mode != 0 && mode != 1) return err_usage(e, "resize_mode: 0 or 1 is expected");
    job_reset_all(&w->job, (const char *const[]){ "width", "height", "factor", NULL });
    w->job.width = w->job.height = 1; /* of any size: it is not drawn at */
    if (wish_picture(w, "init-image", image, e)) return -1;
    w->job.width = w->job.height = 0;
    if (set_network(w, name, e)) return -1;
    if (is_none(name)) return set_number(&w->job, "factor", 1, e); /* it stays as it is, as there */
    if (mode == 1) return set_size(w, o, e);
    return set_number(&w->job, "factor", a1111_number(o, "upscaling_resize", 2), e);
}

static void single_image(Call *r, Reply *out)
{
    Server *s = r->server;
    Wish w;
    Err e;
    cJSON *o = call_json(r, &e);
    wish_init(&w, s);
    if (!o || read_fields(&w, o, &e)) {
        reply_error(r, out, 422, w.field, e.text);
    } else {
        w.job.count = 1;
        Order *t = wish_order(&w, r);
        t->kind = ORDER_ENLARGE;
        if (order_run(s, r, t, &e)) reply_err(r, out, &e);
        else {
            if (!order_lost(s, t)) {
                cJSON *a = cJSON_CreateObject();
                Str text = { 0 };
                base64_add(&text, t->made[0].png);
                cJSON_AddStringToObject(a, "html_info", "");
                cJSON_AddStringToObject(a, "image", str_text(&text));
                str_release(&text);
                reply_json(out, 200, a);
            } else {
                reply_err(r, out, &t->error);
            }
            queue_drop(s->queue, t);
        }
    }
    cJSON_Delete(o);
    wish_release(&w);
}

static cJSON *upscaler_row(cJSON *list, const char *name, bool network)
{
    cJSON *o = cJSON_CreateObject();
    json_add_text(o, "name", name);
    if (network) json_add_text(o, "model_name", name);
    else cJSON_AddNullToObject(o, "model_name");
    cJSON_AddNullToObject(o, "model_path");
    cJSON_AddNullToObject(o, "model_url");
    cJSON_AddNumberToObject(o, "scale", 4);
    cJSON_AddItemToArray(list, o);
    return o;
}

static void upscalers_list(Call *r, Reply *out)
{
    cJSON *list = cJSON_CreateArray();
    Library l;
    Err e;
    upscaler_row(list, "None", false);
    upscaler_row(list, "Lanczos", false);
    bool read = library_open(&l, r->server->options->upscaler_dir, "upscalers", &e) == 0;
    for (size_t i = 0; read && i < l.count; i++)
        if (l.file[i].readable) upscaler_row(list, l.file[i].name, true);
    library_close(&l);
    reply_json(out, 200, list);
}

/* ---- a picture's own words ---- */

static const char *text(const cJSON *o)
{
    const cJSON *v = member(o, "image");
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

static void png_info(Call *r, Reply *out)
{
    Err e;
    PngTexts texts = { 0 };
    Str file = { 0 };
    cJSON *o = call_json(r, &e);
    const char *image = text(o), *comma = image && str_starts(image, "data:") ? strchr(image, ',') : NULL;
    if (comma) image = comma + 1;
    int failed = !o || !image || base64_read(image, strlen(image), &file, &e) ||
                 png_read_texts((Bytes){ (const unsigned char *)file.s, file.len }, &texts, NULL, NULL, &e);
    if (o && !image) err_set(&e, "image: a PNG as base64 is expected");
    if (failed) {
        reply_error(r, out, 422, "image", e.text);
    } else {
        cJSON *a = cJSON_CreateObject(), *items = cJSON_CreateObject();
        const char *parameters = png_text(&texts, METADATA_A1111_KEY);
        json_add_text(a, "info", parameters ? parameters : "");
        cJSON_AddItemToObject(a, "items", items);
        for (size_t i = 0; i < texts.count; i++)
            if (!cJSON_HasObjectItem(items, texts.items[i].key))
                json_add_text(items, texts.items[i].key, texts.items[i].text);
        cJSON_AddObjectToObject(a, "parameters");
        reply_json(out, 200, a);
    }
    png_texts_release(&texts);
    str_release(&file);
    cJSON_Delete(o);
}

const Route a1111_extras[] = {
    { "POST", "/sdapi/v1/extra-single-image", single_image, ROUTE_JSON, API_A1111 },
    { "GET", "/sdapi/v1/upscalers", upscalers_list, 0, API_A1111 },
    { "POST", "/sdapi/v1/png-info", png_info, ROUTE_JSON, API_A1111 },
    { .method = NULL },
};
