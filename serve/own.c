/* own.c - limn's own interface: its page, stored pictures, health, metrics for Prometheus. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/version.h"
#include "image/png.h"
#include "pipeline/metadata.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"
#include "serve/server.h"
#include "web/page.h"

enum { MOST_PICTURES = 100000 };

static void health(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    bool stopping = queue_stopping(r->server->queue);
    cJSON_AddStringToObject(o, "status", stopping ? "stopping" : "ok");
    reply_json(out, stopping ? 503 : 200, o);
}

/* ---- figures ---- */

static void add_figure(Str *out, const char *name, const char *kind, const char *help, double value)
{
    str_addf(out, "# HELP limn_%s %s\n# TYPE limn_%s %s\nlimn_%s %.15g\n", name, help, name, kind, name, value);
}

static double resident_bytes(void)
{
    double pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %lf", &pages) != 1) pages = 0; // NOLINT: digits of the kernel's
    if (f) fclose(f);
    return pages * 4096;
}

static void metrics(Call *r, Reply *out)
{
    Metrics *m = &r->server->metrics;
    QueueNow n = queue_now(r->server->queue, API_OWN);
    Str *o = &out->body;
    str_add(o,
            "# HELP limn_requests_total requests by the class of their status\n# TYPE limn_requests_total counter\n");
    for (int i = 1; i < 6; i++)
        str_addf(o, "limn_requests_total{code=\"%dxx\"} %llu\n", i, (unsigned long long)atomic_load(&m->requests[i]));
    add_figure(o, "pictures_total", "counter", "pictures drawn", (double)atomic_load(&m->pictures));
    add_figure(o, "failed_total", "counter", "jobs that failed", (double)atomic_load(&m->failed));
    add_figure(o, "cancelled_total", "counter", "jobs that were cancelled while they were drawn",
               (double)atomic_load(&m->cancelled));
    str_add(o, "# HELP limn_picture_seconds what pictures took\n# TYPE limn_picture_seconds summary\n");
    str_addf(o, "limn_picture_seconds_sum %.3f\nlimn_picture_seconds_count %llu\n",
             (double)atomic_load(&m->milliseconds) / 1000, (unsigned long long)atomic_load(&m->pictures));
    str_add(o, "# HELP limn_step_seconds what steps took\n# TYPE limn_step_seconds summary\n");
    str_addf(o, "limn_step_seconds_sum %.3f\nlimn_step_seconds_count %llu\n",
             (double)atomic_load(&m->step_milliseconds) / 1000, (unsigned long long)atomic_load(&m->steps));
    add_figure(o, "queue_length", "gauge", "jobs that wait", n.waiting);
    add_figure(o, "drawing", "gauge", "jobs that are drawn", n.drawing);
    add_figure(o, "model_loaded", "gauge", "whether a model is open", atomic_load(&m->loaded));
    add_figure(o, "resident_bytes", "gauge", "memory of the process", resident_bytes());
    add_figure(o, "uptime_seconds", "gauge", "since the start", clock_now() - r->server->began);
    out->status = 200;
    out->type = "text/plain; version=0.0.4";
}

/* ---- pictures ---- */

/* "limn-00017.png", as limn names pictures: other files in the folder are not shown. */
static bool picture_name(const char *name)
{
    if (!str_starts(name, "limn-")) return false;
    size_t digits = strspn(name + 5, "0123456789");
    return digits && digits < 20 && strcmp(name + 5 + digits, ".png") == 0;
}

static void picture(Call *r, Reply *out)
{
    Bytes png;
    Err e;
    if (!picture_name(r->tail) || folder_map(&r->server->at, r->tail, &png, &e)) {
        reply_error(r, out, 404, NULL, "there is no such picture");
        return;
    }
    out->status = 200;
    out->type = "image/png";
    str_addn(&out->body, (const char *)png.data, png.len);
    out->header[0][0] = "Cache-Control";
    out->header[0][1] = "private, max-age=3600";
    file_unmap(&png);
}

static void delete_picture(Call *r, Reply *out)
{
    Bytes png;
    Err e;
    bool there = picture_name(r->tail) && folder_map(&r->server->at, r->tail, &png, &e) == 0;
    if (there) file_unmap(&png);
    if (!there || !folder_remove(&r->server->at, r->tail)) reply_error(r, out, 404, NULL, "there is no such picture");
    else reply_json(out, 200, cJSON_CreateObject());
}

/* Names of pictures in the folder, the newest first. */
typedef struct {
    char *name;
    unsigned long number;
} Found;

static int by_number(const void *a, const void *b)
{
    const Found *x = a, *y = b;
    return x->number < y->number ? 1 : x->number > y->number ? -1 : strcmp(x->name, y->name);
}

static Found *find_pictures(const Server *s, size_t *count)
{
    Found *at = NULL;
    DIR *d = opendir(s->folder);
    *count = 0;
    for (struct dirent *f; d && (f = readdir(d)) && *count < MOST_PICTURES;) {
        if (!picture_name(f->d_name)) continue;
        if (!(*count & (*count - 1))) at = mem_grow(at, (2 * *count + 1) * sizeof *at);
        at[(*count)++] = (Found){ mem_strdup(f->d_name), strtoul(f->d_name + 5, NULL, 10) };
    }
    if (d) closedir(d);
    if (*count) qsort(at, *count, sizeof *at, by_number);
    return at;
}

/* With what limn wrote into it. */
static void add_picture(const Server *s, cJSON *list, const char *name)
{
    Bytes png;
    Err e;
    PngTexts texts = { 0 };
    int w, h;
    if (folder_map(&s->at, name, &png, &e)) return;
    if (png_read_texts(png, &texts, &w, &h, &e) == 0) {
        cJSON *o = cJSON_CreateObject();
        const char *settings = png_text(&texts, METADATA_KEY);
        cJSON *parsed = settings ? json_parse((Bytes){ (const unsigned char *)settings, strlen(settings) }, &e) : NULL;
        json_add_text(o, "file", name);
        cJSON_AddNumberToObject(o, "width", w);
        cJSON_AddNumberToObject(o, "height", h);
        cJSON_AddItemToObject(o, "settings", parsed ? parsed : cJSON_CreateNull());
        cJSON_AddItemToArray(list, o);
    }
    png_texts_release(&texts);
    file_unmap(&png);
}

/* ?before=FILE&limit=N: those behind that one. */
static void list_pictures(Call *r, Reply *out)
{
    enum { USUAL = 48, MOST = 200 };
    const char *before = call_query(r, "before"), *wanted = call_query(r, "limit");
    long limit = wanted ? strtol(wanted, NULL, 10) : USUAL;
    if (limit < 1 || limit > MOST) limit = MOST;
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "pictures");
    size_t count, first = 0;
    Found *found = find_pictures(r->server, &count);
    for (size_t i = 0; before && i < count; i++)
        if (strcmp(found[i].name, before) == 0) first = i + 1;
    size_t i = first;
    for (; i < count && (long)(i - first) < limit; i++) add_picture(r->server, list, found[i].name);
    cJSON_AddBoolToObject(o, "more", i < count);
    for (i = 0; i < count; i++) free(found[i].name);
    free(found);
    reply_json(out, 200, o);
}

/* ---- what there is, for a page ---- */

static void about(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject(), *models = cJSON_AddArrayToObject(o, "models");
    cJSON_AddStringToObject(o, "version", LIMN_VERSION);
    Str name = { 0 };
    for (size_t i = 0; catalogue_at(r->server->models, i, &name, NULL); i++) {
        cJSON_AddItemToArray(models, cJSON_CreateString(str_text(&name)));
        str_clear(&name);
    }
    str_release(&name);
    cJSON *list = cJSON_AddArrayToObject(o, "samplers");
    for (const Sampler *s = samplers; s->name; s++) cJSON_AddItemToArray(list, cJSON_CreateString(s->name));
    list = cJSON_AddArrayToObject(o, "schedules");
    for (const Schedule *s = schedules; s->name; s++) cJSON_AddItemToArray(list, cJSON_CreateString(s->name));
    reply_json(out, 200, o);
}

/* ---- the page ---- */

static void page(Call *r, Reply *out)
{
    (void)r;
    page_make("draw", "{}", &out->body);
    out->status = 200;
    out->type = "text/html; charset=utf-8";
    out->header[0][0] = "Content-Security-Policy";
    out->header[0][1] =
        "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

const Route own_routes[] = {
    { "GET", "/", page, ROUTE_PUBLIC | ROUTE_PAGE, API_OWN },
    { "GET", "/about", about, 0, API_OWN },
    { "GET", "/pictures", list_pictures, 0, API_OWN },
    { "DELETE", "/pictures/*", delete_picture, 0, API_OWN },
    { "GET", "/health", health, ROUTE_PUBLIC, API_OWN },
    { "GET", "/metrics", metrics, 0, API_OWN },
    { "GET", "/pictures/*", picture, 0, API_OWN },
    { .method = NULL },
};
