/* openai.c - OpenAI's image API: generations, edits, variations, and the list of models. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/base64.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "image/load.h"
#include "image/png.h"
#include "serve/server.h"
#include "base/json.h"

/* Settings of a request other than its job. */
typedef struct {
    bool url, stream;
    int partial; /* previews that a stream shows of each picture */
    char size[32];
    const char *event; /* "image_generation", "image_edit" */
} Manner;

/* Fields that change nothing here. */
static const char *const ignored[] = { "quality",           "style",          "moderation",         "user",
                                       "safety_identifier", "input_fidelity", "output_compression", NULL };

static bool in_list(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0) return true;
    return false;
}

static void name_field(Wish *w, const char *name) { snprintf(w->field, sizeof w->field, "%s", name); }

static int set_size(Wish *w, Manner *m, const char *size, Err *e)
{
    int width, height;
    char digits[16];
    snprintf(m->size, sizeof m->size, "%.31s", size);
    if (strcmp(size, "auto") == 0) return 0;
    name_field(w, "size");
    if (!job_pair(size, 'x', &width, &height))
        return err_usage(e, "size: \"%.60s\" is neither auto nor such as 512x512", size);
    snprintf(digits, sizeof digits, "%d", width);
    int failed = wish_set(w, "width", digits, e);
    snprintf(digits, sizeof digits, "%d", height);
    failed = failed || wish_set(w, "height", digits, e);
    name_field(w, "size");
    return failed ? -1 : 0;
}

static int set_format(Wish *w, Manner *m, const char *format, Err *e)
{
    name_field(w, "response_format");
    m->url = strcmp(format, "url") == 0;
    return m->url || strcmp(format, "b64_json") == 0 ? 0 : err_usage(e, "response_format: url or b64_json is expected");
}

static int set_partial(Wish *w, Manner *m, const char *value, Err *e)
{
    name_field(w, "partial_images");
    if (strlen(value) != 1 || *value < '0' || *value > '3')
        return err_usage(e, "partial_images: \"%.60s\" is not a number from 0 to 3", value);
    m->partial = *value - '0';
    return 0;
}

static int set_stream(Wish *w, Manner *m, const char *value, Err *e)
{
    m->stream = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
    name_field(w, "stream");
    if (m->stream || strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0) return 0;
    return err_usage(e, "stream: true or false is expected");
}

static int set_background(Wish *w, const char *value, Err *e)
{
    name_field(w, "background");
    if (strcmp(value, "auto") == 0) return 0;
    bool clear = strcmp(value, "transparent") == 0;
    if (!clear && strcmp(value, "opaque") != 0)
        return err_usage(e, "background: transparent, opaque or auto is expected");
    return wish_set(w, "transparent", clear ? "true" : "false", e);
}

/* A field as text, whichever kind of body it came in. */
static int set_field(Wish *w, Manner *m, const char *name, const char *value, Err *e)
{
    if (in_list(ignored, name) || !*value) return 0;
    if (strcmp(name, "size") == 0) return set_size(w, m, value, e);
    if (strcmp(name, "response_format") == 0) return set_format(w, m, value, e);
    if (strcmp(name, "n") == 0) {
        int failed = wish_set(w, "count", value, e);
        name_field(w, "n");
        return failed;
    }
    if (strcmp(name, "stream") == 0) return set_stream(w, m, value, e);
    if (strcmp(name, "partial_images") == 0) return set_partial(w, m, value, e);
    if (strcmp(name, "model") == 0) return wish_model(w, value, e);
    name_field(w, name);
    if (strcmp(name, "output_format") == 0)
        return strcasecmp(value, "png") == 0 ? 0 : err_usage(e, "output_format: png is what there is");
    if (strcmp(name, "background") == 0) return set_background(w, value, e);
    const Option *o = option_find(name, strlen(name));
    if (!o) wish_pass(w, name);
    return o ? wish_set(w, name, value, e) : 0;
}

static int set_json(Wish *w, Manner *m, const cJSON *v, Err *e)
{
    char number[JSON_NUMBER];
    if (cJSON_IsNull(v)) return 0;
    if (cJSON_IsString(v)) return set_field(w, m, v->string, v->valuestring, e);
    if (cJSON_IsBool(v)) return set_field(w, m, v->string, cJSON_IsTrue(v) ? "true" : "false", e);
    if (cJSON_IsNumber(v) && json_number(v->valuedouble, number)) return set_field(w, m, v->string, number, e);
    name_field(w, v->string);
    if (!option_find(v->string, strlen(v->string))) {
        wish_pass(w, v->string);
        return 0;
    }
    return wish_json(w, v->string, v, e); /* which refuses it */
}

static int read_json(Wish *w, Manner *m, const Call *r, Err *e)
{
    cJSON *o = call_json(r, e);
    const cJSON *item;
    int failed = !o;
    cJSON_ArrayForEach(item, o) failed = failed || set_json(w, m, item, e);
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(o, "prompt");
    if (!failed && !cJSON_IsString(prompt)) {
        name_field(w, "prompt");
        failed = err_usage(e, "prompt: a text is expected");
    }
    cJSON_Delete(o);
    return failed ? -1 : 0;
}

/* ---- the answer ---- */

static char *picture_url(const Call *r, const Made *m)
{
    const char *host = call_header(r, "Host"), *by = call_header(r, "X-Forwarded-Proto"); /* of a proxy that does TLS */
    Str url = { 0 };
    str_addf(&url, "%s://%s/pictures/%s", by && strcasecmp(by, "https") == 0 ? "https" : "http",
             host ? host : "localhost", m->file ? m->file : "");
    return url.s;
}

static void answer(const Call *r, Reply *out, const Order *t, const Manner *m, const Wish *w)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "created", (double)time(NULL));
    cJSON *data = cJSON_AddArrayToObject(o, "data");
    for (size_t i = 0; i < t->made_count; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddItemToArray(data, one);
        if (m->url) {
            char *url = picture_url(r, &t->made[i]);
            json_add_text(one, "url", url);
            free(url);
        } else {
            Str text = { 0 };
            base64_add(&text, t->made[i].png);
            cJSON_AddStringToObject(one, "b64_json", str_text(&text));
            str_release(&text);
        }
        cJSON_AddRawToObject(one, "limn", t->made[i].settings);
    }
    cJSON_AddStringToObject(o, "output_format", "png");
    if (t->made_count) {
        char size[32];
        snprintf(size, sizeof size, "%dx%d", t->made[0].w, t->made[0].h);
        cJSON_AddStringToObject(o, "size", size);
    }
    json_add_lines(o, "passed_over", str_text(&w->passed));
    json_add_lines(o, "words", str_text(&t->words));
    reply_json(out, 200, o);
}

/* What the field is called here. */
static void rename_field(Wish *w)
{
    if (strcmp(w->field, "count") == 0) name_field(w, "n");
    if (strcmp(w->field, "width") == 0 || strcmp(w->field, "height") == 0) name_field(w, "size");
}

static void refuse(Call *r, Reply *out, const Wish *w, const Err *e)
{
    if (strcmp(w->field, "model") == 0) reply_error(r, out, 404, "model", e->text);
    else if (e->code == ERR_USAGE) reply_error(r, out, 400, w->field, e->text);
    else reply_error(r, out, e->code == ERR_FAILED && !*w->field ? 400 : 500, w->field, e->text);
}

/* The wish is complete. */
static void draw(Call *r, Reply *out, Wish *w, const Manner *m)
{
    Server *s = r->server;
    Err e;
    if (m->stream && m->partial && !w->job.preview) { /* somewhat more often than is shown */
        int apart = w->job.steps / (4 * (m->partial + 1));
        w->job.preview = apart ? apart : 1;
    }
    if (wish_finish(w, &e)) {
        rename_field(w);
        refuse(r, out, w, &e);
        return;
    }
    w->keep = m->url;
    Order *t = wish_order(w, r);
    if (m->stream) {
        if (openai_stream(r, out, t, m->event, m->partial, &e)) reply_err(r, out, &e);
        return;
    }
    if (order_run(s, r, t, &e)) {
        reply_err(r, out, &e);
        return;
    }
    if (order_lost(s, t)) reply_err(r, out, &t->error);
    else answer(r, out, t, m, w);
    queue_drop(s->queue, t);
}

static void generations(Call *r, Reply *out)
{
    Manner m = { .event = "image_generation" };
    Wish w;
    Err e = { .code = ERR_FAILED };
    wish_init(&w, r->server);
    if (read_json(&w, &m, r, &e)) refuse(r, out, &w, &e);
    else draw(r, out, &w, &m);
    wish_release(&w);
}

/* ---- edits and variations ---- */

/* There a mask is transparent where the picture is drawn anew; limn's is white. */
static int set_mask(Wish *w, Bytes file, Err *e)
{
    enum { SIDE = 4096 };
    Image im = { 0 };
    Bytes png = { 0 };
    const char *note;
    int width, height;
    name_field(w, "mask");
    bool read = image_decode_size(file, &width, &height, e) == 0;
    if (read && width <= SIDE && height <= SIDE) read = image_decode(file, &im, &note, e) == 0;
    if (!read) {
        e->code = ERR_USAGE;
        return err_in(e, "mask");
    }
    if (width > SIDE || height > SIDE)
        return err_usage(e, "mask: %dx%d, at most %dx%d is expected", width, height, SIDE, SIDE);
    int failed = 0;
    if (!im.alpha) failed = err_usage(e, "mask: it has no transparency; what is transparent in it is drawn anew");
    else
        for (size_t i = 0; i < (size_t)im.w * (size_t)im.h; i++) memset(im.rgb + 3 * i, 255 - im.alpha[i], 3);
    free(im.alpha);
    im.alpha = NULL;
    failed = failed || png_encode(&im, NULL, 0, &png, e) || wish_bytes(w, "mask", png, e);
    image_release(&im);
    free((void *)(size_t)png.data);
    return failed ? -1 : 0;
}

/* Whether the part's name was there before. */
static bool is_twice(const Form *f, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(f->parts[k].name, f->parts[i].name) == 0) return true;
    return false;
}

static int read_form(Wish *w, Manner *m, const Form *f, bool prompt, Err *e)
{
    bool image = false, told = !prompt;
    for (size_t i = 0; i < f->count; i++)
        w->keep = w->keep ||
                  (strcmp(f->parts[i].name, "response_format") == 0 && strcmp(str_text(&f->parts[i].data), "url") == 0);
    for (size_t i = 0; i < f->count; i++) {
        const FormPart *p = &f->parts[i];
        Bytes data = { (const unsigned char *)str_text(&p->data), p->data.len };
        int failed;
        if (strcmp(p->name, "image") == 0 || strcmp(p->name, "image[]") == 0) {
            name_field(w, "image");
            failed = image ? err_usage(e, "image: one picture is expected") : wish_bytes(w, "init-image", data, e);
            name_field(w, "image");
            image = true;
        } else if (strcmp(p->name, "mask") == 0) {
            failed = w->job.mask && is_twice(f, i) ? err_usage(e, "mask: one is expected") : set_mask(w, data, e);
        } else {
            name_field(w, p->name);
            bool text = strlen(str_text(&p->data)) == p->data.len && utf8_valid(str_text(&p->data), p->data.len);
            failed = !text            ? err_usage(e, "%.60s: a text in UTF-8 is expected", p->name)
                     : is_twice(f, i) ? err_usage(e, "%.60s: it is there twice", p->name)
                                      : set_field(w, m, p->name, str_text(&p->data), e);
        }
        told = told || strcmp(p->name, "prompt") == 0;
        if (failed) return -1;
    }
    name_field(w, image ? "prompt" : "image");
    if (!image) return err_usage(e, "image: a picture is expected");
    return told ? 0 : err_usage(e, "prompt: a text is expected");
}

static void from_form(Call *r, Reply *out, bool prompt)
{
    Manner m = { .event = "image_edit" };
    Wish w;
    Form f;
    Err e = { .code = ERR_FAILED };
    wish_init(&w, r->server);
    if (call_form(r, &f, &e) || read_form(&w, &m, &f, prompt, &e)) refuse(r, out, &w, &e);
    else draw(r, out, &w, &m);
    form_release(&f);
    wish_release(&w);
}

static void edits(Call *r, Reply *out) { from_form(r, out, true); }
static void variations(Call *r, Reply *out) { from_form(r, out, false); }

static cJSON *model_json(const char *name)
{
    cJSON *o = cJSON_CreateObject();
    json_add_text(o, "id", name);
    cJSON_AddStringToObject(o, "object", "model");
    cJSON_AddNumberToObject(o, "created", 0);
    cJSON_AddStringToObject(o, "owned_by", "limn");
    return o;
}

static void one_model(Call *r, Reply *out)
{
    Str path = { 0 };
    Err e;
    if (catalogue_find(r->server->models, r->tail, &path, &e)) reply_error(r, out, 404, "model", e.text);
    else reply_json(out, 200, model_json(r->tail));
    str_release(&path);
}

static void models(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "object", "list");
    cJSON *data = cJSON_AddArrayToObject(o, "data");
    Str name = { 0 };
    for (size_t i = 0; catalogue_at(r->server->models, i, &name, NULL); i++) {
        cJSON_AddItemToArray(data, model_json(str_text(&name)));
        str_clear(&name);
    }
    str_release(&name);
    reply_json(out, 200, o);
}

const Route openai_routes[] = {
    { "POST", "/v1/images/generations", generations, ROUTE_JSON, API_OPENAI },
    { "POST", "/v1/images/edits", edits, ROUTE_FORM, API_OPENAI },
    { "POST", "/v1/images/variations", variations, ROUTE_FORM, API_OPENAI },
    { "GET", "/v1/models", models, 0, API_OPENAI },
    { "GET", "/v1/models/*", one_model, 0, API_OPENAI },
    { .method = NULL },
};
