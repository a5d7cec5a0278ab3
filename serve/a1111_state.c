/* a1111_state.c - A1111's interface: what is drawn now, and ending it. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/base64.h"
#include "serve/server.h"

static void progress(Call *r, Reply *out)
{
    QueueNow n = queue_now(r->server->queue, API_A1111);
    cJSON *o = cJSON_CreateObject();
    char stamp[16];
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", localtime_r(&now, &tm));
    bool busy = n.drawing > 0 || n.waiting > 0;
    double share = !busy ? 0 : 0.01 + n.share < 1 ? 0.01 + n.share : 1;
    cJSON_AddNumberToObject(o, "progress", share);
    cJSON_AddNumberToObject(o, "eta_relative", n.share > 0 ? n.running / n.share - n.running : 0);
    cJSON *state = cJSON_AddObjectToObject(o, "state");
    cJSON_AddFalseToObject(state, "skipped");
    cJSON_AddFalseToObject(state, "interrupted");
    cJSON_AddBoolToObject(state, "stopping_generation", queue_stopping(r->server->queue));
    cJSON_AddStringToObject(state, "job", busy ? "scripts_txt2img" : "");
    cJSON_AddNumberToObject(state, "job_count", busy ? (double)(n.pictures ? n.pictures : 1) : 0);
    cJSON_AddStringToObject(state, "job_timestamp", stamp);
    cJSON_AddNumberToObject(state, "job_no", (double)n.tried);
    cJSON_AddNumberToObject(state, "sampling_step", n.step);
    cJSON_AddNumberToObject(state, "sampling_steps", n.steps);
    Bytes png;
    const char *without = call_query(r, "skip_current_image");
    if (!(without && strcasecmp(without, "true") == 0) && queue_preview_png(r->server->queue, NULL, &png)) {
        Str text = { 0 };
        base64_add(&text, png);
        cJSON_AddStringToObject(o, "current_image", str_text(&text));
        str_release(&text);
        free((void *)(size_t)png.data);
    } else {
        cJSON_AddNullToObject(o, "current_image");
    }
    cJSON_AddNullToObject(o, "textinfo");
    reply_json(out, 200, o);
}

static void interrupt(Call *r, Reply *out)
{
    queue_interrupt(r->server->queue, API_A1111, false);
    reply_json(out, 200, cJSON_CreateObject());
}

static void skip(Call *r, Reply *out)
{
    queue_interrupt(r->server->queue, API_A1111, true);
    reply_json(out, 200, cJSON_CreateObject());
}

const Route a1111_state[] = {
    { "GET", "/sdapi/v1/progress", progress, 0, API_A1111 },
    { "POST", "/sdapi/v1/interrupt", interrupt, ROUTE_JSON, API_A1111 },
    { "POST", "/sdapi/v1/skip", skip, ROUTE_JSON, API_A1111 },
    { .method = NULL },
};
