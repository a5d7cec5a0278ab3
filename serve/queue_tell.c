/* queue_tell.c - reports on the queue's orders: as JSON, as metrics, as previews. See queue.h. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "image/png.h"
#include "serve/queue_inside.h"

bool queue_preview_png(Queue *q, const Order *t, Bytes *png)
{
    Image im = { 0 };
    Err e;
    lock(q);
    if (!t) t = q->at_hand;
    if (t && t->preview.w) image_copy(&im, &t->preview);
    unlock(q);
    bool there = im.w && png_encode(&im, NULL, 0, png, &e) == 0;
    image_release(&im);
    return there;
}

bool queue_preview_now(Queue *q, const Order *t, PreviewNow *out)
{
    lock(q);
    *out = (PreviewNow){
        .picture = (size_t)t->tried, .step = t->preview_step, .steps = t->steps, .w = t->preview.w, .h = t->preview.h
    };
    unlock(q);
    return out->w && queue_preview_png(q, t, &out->png);
}

static double share_of(const Order *t)
{
    if (t->state == ORDER_DONE) return 1;
    double part = t->steps ? (double)t->step / t->steps : 0;
    return t->pictures ? ((double)t->tried + part) / (double)t->pictures : 0;
}

QueueNow queue_now(Queue *q, Api api)
{
    QueueNow n = { 0 };
    lock(q);
    for (const Order *t = q->first; t; t = t->next) {
        n.waiting += t->state == ORDER_QUEUED;
        n.drawing += t->state == ORDER_DRAWING;
        if (t != q->at_hand) continue;
        n.ours = t->api == api;
        n.pictures = t->pictures;
        n.tried = t->tried;
        n.step = t->step;
        n.steps = t->steps;
        n.running = clock_now() - t->started;
        n.share = share_of(t);
    }
    unlock(q);
    return n;
}

#define NO_PICTURES ((size_t)-1)

static cJSON *describe_made(const Made *m)
{
    cJSON *o = cJSON_CreateObject();
    json_add_text(o, "file", m->file ? m->file : "");
    Str url = { 0 };
    str_addf(&url, "/pictures/%s", m->file ? m->file : "");
    json_add_text(o, "url", str_text(&url));
    str_release(&url);
    cJSON_AddNumberToObject(o, "width", m->w);
    cJSON_AddNumberToObject(o, "height", m->h);
    cJSON_AddNumberToObject(o, "seconds", (double)(long long)(m->seconds * 1000 + .5) / 1000);
    cJSON_AddRawToObject(o, "settings", m->settings ? m->settings : "null");
    return o;
}

/* from: the first picture that is listed; NO_PICTURES: none is. */
static cJSON *describe(const Queue *q, const Order *t, size_t from)
{
    static const char *const states[] = { "queued", "drawing", "done", "failed", "cancelled" };
    cJSON *o = cJSON_CreateObject();
    int ahead = 0;
    for (const Order *other = q->first; other && other != t; other = other->next) ahead += !ended(other);
    cJSON_AddNumberToObject(o, "id", (double)t->id);
    cJSON_AddStringToObject(o, "state", states[t->state]);
    if (t->state == ORDER_QUEUED) cJSON_AddNumberToObject(o, "ahead", ahead);
    cJSON_AddNumberToObject(o, "pictures", (double)t->pictures);
    cJSON_AddNumberToObject(o, "finished", (double)t->tried);
    cJSON_AddNumberToObject(o, "step", t->step);
    cJSON_AddNumberToObject(o, "steps", t->steps);
    cJSON_AddBoolToObject(o, "preview", t->preview.w > 0);
    cJSON_AddNumberToObject(o, "progress", (double)(long)(share_of(t) * 10000) / 10000);
    if (t->job_count) json_add_text(o, "prompt", t->jobs[0].prompt ? t->jobs[0].prompt : "");
    if (t->state == ORDER_FAILED) json_add_text(o, "error", t->error.text);
    cJSON *made = from == NO_PICTURES ? NULL : cJSON_AddArrayToObject(o, "made");
    for (size_t i = from; made && i < t->made_count; i++) cJSON_AddItemToArray(made, describe_made(&t->made[i]));
    json_add_lines(o, "words", str_text(&t->words));
    return o;
}

cJSON *queue_describe(Queue *q, const Order *t, size_t from)
{
    lock(q);
    cJSON *o = describe(q, t, from);
    unlock(q);
    return o;
}

cJSON *queue_list(Queue *q)
{
    cJSON *list = cJSON_CreateArray();
    lock(q);
    for (const Order *t = q->first; t; t = t->next)
        if (t->keep) cJSON_AddItemToArray(list, describe(q, t, NO_PICTURES));
    unlock(q);
    return list;
}
