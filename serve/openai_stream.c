/*
 * openai_stream.c - OpenAI's answer as events: pictures on their way (partial_images), finished ones, an error; and a comment every few
 * seconds, since clients give up after a time without a byte. See server.h.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "serve/server.h"

typedef struct {
    Server *server;
    Order *order;
    size_t sent; /* pictures */
    size_t of;   /* the picture that previews were sent of last */
    int shown;   /* of it */
    int partial; /* to be shown of each */
    uint64_t seen;
    double last; /* when something was sent */
    char event[32];
} Streaming;

static void add_event(Str *out, const char *name, cJSON *data)
{
    char *text = cJSON_PrintUnformatted(data);
    str_addf(out, "event: %s\ndata: %s\n\n", name, text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(data);
}

/* What both kinds of pictures have. kind: "completed", "partial_image". */
static cJSON *picture_event(const Streaming *s, const char *kind, Bytes png, int w, int h, char name[64])
{
    char size[32];
    Str text = { 0 };
    cJSON *o = cJSON_CreateObject();
    snprintf(name, 64, "%s.%s", s->event, kind);
    snprintf(size, sizeof size, "%dx%d", w, h);
    base64_add(&text, png);
    cJSON_AddStringToObject(o, "type", name);
    cJSON_AddStringToObject(o, "b64_json", str_text(&text));
    cJSON_AddNumberToObject(o, "created_at", (double)time(NULL));
    cJSON_AddStringToObject(o, "size", size);
    cJSON_AddStringToObject(o, "quality", "auto");
    cJSON_AddStringToObject(o, "background", "auto");
    cJSON_AddStringToObject(o, "output_format", "png");
    str_release(&text);
    return o;
}

static void add_completed(Str *out, const Streaming *s, const Made *m)
{
    char name[64];
    cJSON *o = picture_event(s, "completed", m->png, m->w, m->h, name);
    cJSON *usage = cJSON_AddObjectToObject(o, "usage");
    cJSON_AddNumberToObject(usage, "total_tokens", 0);
    cJSON_AddNumberToObject(usage, "input_tokens", 0);
    cJSON_AddNumberToObject(usage, "output_tokens", 0);
    cJSON *details = cJSON_AddObjectToObject(usage, "input_tokens_details");
    cJSON_AddNumberToObject(details, "text_tokens", 0);
    cJSON_AddNumberToObject(details, "image_tokens", 0);
    add_event(out, name, o);
}

/* Previews are spread over the steps: with 3 they come after a quarter, a half, three quarters. */
static void add_partial(Str *out, Streaming *s)
{
    char name[64];
    PreviewNow now;
    if (!s->partial || !queue_preview_now(s->server->queue, s->order, &now)) return;
    if (now.picture != s->of) s->shown = 0;
    s->of = now.picture;
    int due = now.steps ? now.step * (s->partial + 1) / now.steps : 0;
    if (s->shown < s->partial && due > s->shown) {
        cJSON *o = picture_event(s, "partial_image", now.png, now.w, now.h, name);
        cJSON_AddNumberToObject(o, "partial_image_index", s->shown++);
        add_event(out, name, o);
    }
    free((void *)(size_t)now.png.data);
}

static bool stream_next(void *ctx, Str *out)
{
    Streaming *s = ctx;
    Queue *q = s->server->queue;
    if (!s->seen) str_add(out, ": drawing\n\n");
    s->seen = queue_wait(q, s->order, s->seen, 1);
    bool over = order_ended(q, s->order);
    if (!over) add_partial(out, s);
    else
        while (s->sent < s->order->made_count) add_completed(out, s, &s->order->made[s->sent++]);
    if (over && order_lost(s->server, s->order)) {
        cJSON *o = cJSON_CreateObject(), *in = cJSON_AddObjectToObject(o, "error");
        json_add_text(in, "message", s->order->error.text);
        cJSON_AddStringToObject(in, "type", "server_error");
        add_event(out, "error", o);
    }
    if (!out->len && clock_now() - s->last > 5) str_add(out, ": wait\n\n");
    if (out->len) s->last = clock_now();
    return !over;
}

static void stream_end(void *ctx)
{
    Streaming *s = ctx;
    queue_cancel(s->server->queue, s->order); /* its reader has gone */
    queue_drop(s->server->queue, s->order);
    free(s);
}

int openai_stream(Call *r, Reply *out, Order *t, const char *event, int partial, Err *e)
{
    if (queue_add(r->server->queue, t, e)) {
        order_free(t);
        return -1;
    }
    Streaming *s = mem_alloc(sizeof *s);
    *s = (Streaming){ .server = r->server, .order = t, .partial = partial, .last = clock_now() };
    snprintf(s->event, sizeof s->event, "%s", event);
    out->status = 200;
    out->type = "text/event-stream";
    out->stream = stream_next;
    out->end = stream_end;
    out->ctx = s;
    return 0;
}
