/* own.c - limn's own interface: pictures that are kept, health, figures for Prometheus. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/version.h"
#include "serve/server.h"

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

/* A name of the folder itself, of letters, digits and ._- : nothing that leads elsewhere. */
static bool plain_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len > 4 && len < 200 && *name != '.' && strspn(name, letters) == len && strcmp(name + len - 4, ".png") == 0;
}

static void picture(Call *r, Reply *out)
{
    Bytes png;
    Err e;
    if (!plain_name(r->tail) || folder_map(&r->server->at, r->tail, &png, &e)) {
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

const Route own_routes[] = {
    { "GET", "/health", health, ROUTE_PUBLIC, API_OWN },
    { "GET", "/metrics", metrics, 0, API_OWN },
    { "GET", "/pictures/*", picture, 0, API_OWN },
    { .method = NULL },
};
