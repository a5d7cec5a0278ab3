/* queue.c - see queue.h. */
#include "serve/queue.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/png.h"

enum {
    REMEMBERED = 256,    /* kept orders that have ended */
    WORDS_MAX = 1 << 16, /* bytes of a order's warnings and notes */
};

struct Queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Order *first; /* in the order of their numbers */
    uint64_t last_id;
    int limit;
    bool stopping;
    struct Client {
        char *name;
        uint64_t turn; /* of the last picture that was handed out to it */
        struct Client *next;
    } * clients;
    uint64_t turn;
    Order *at_hand; /* whose picture is drawn */
    QueueWatch watch;
};

static bool ended(const Order *t) { return t->state >= ORDER_DONE; }

/* ---- the list ---- */

Queue *queue_new(int limit)
{
    Queue *q = mem_alloc(sizeof *q);
    pthread_condattr_t attr;
    q->limit = limit;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

void queue_free(Queue *q)
{
    if (!q) return;
    for (Order *t = q->first, *next; t; t = next) {
        next = t->next;
        order_free(t);
    }
    for (struct Client *c = q->clients, *next; c; c = next) {
        next = c->next;
        free(c->name);
        free(c);
    }
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void lock(Queue *q) { pthread_mutex_lock(&q->lock); }
static void unlock(Queue *q) { pthread_mutex_unlock(&q->lock); }

/* Something happened to the order. */
static void news(Queue *q, Order *t)
{
    t->version++;
    pthread_cond_broadcast(&q->changed);
}

static void unlink_order(Queue *q, Order *t)
{
    Order **at = &q->first;
    while (*at != t) at = &(*at)->next;
    *at = t->next;
}

/* Tasks that nobody holds and nobody will ask for. */
static void forget(Queue *q)
{
    int kept = 0;
    for (const Order *t = q->first; t; t = t->next) kept += t->keep && ended(t);
    for (Order *t = q->first, *next; t; t = next) {
        next = t->next;
        if (t->held || !ended(t) || (t->keep && kept <= REMEMBERED)) continue;
        kept -= t->keep;
        unlink_order(q, t);
        order_free(t);
    }
}

static int waiting(const Queue *q)
{
    int n = 0;
    for (const Order *t = q->first; t; t = t->next) n += t->state == ORDER_QUEUED;
    return n;
}

int queue_add(Queue *q, Order *t, Err *e)
{
    int failed = 0;
    lock(q);
    if (q->stopping) failed = err_set(e, "the server is stopping");
    else if (!t->again && waiting(q) >= q->limit)
        failed = err_set(e, "the queue is full: %d requests wait (--queue)", q->limit);
    else {
        Order **at = &q->first;
        if (!t->id) t->id = ++q->last_id;
        while (*at) at = &(*at)->next;
        *at = t;
        t->held = 1;
        t->added = clock_now();
        t->version = 1;
        if (t->keep && q->watch.added) q->watch.added(q->watch.ctx, t);
        pthread_cond_broadcast(&q->changed);
    }
    unlock(q);
    return failed;
}

void queue_drop(Queue *q, Order *t)
{
    lock(q);
    t->held--;
    forget(q);
    unlock(q);
}

Order *queue_find(Queue *q, uint64_t id)
{
    lock(q);
    Order *t = q->first;
    while (t && !(t->id == id && t->keep)) t = t->next;
    if (t) t->held++;
    unlock(q);
    return t;
}

static struct timespec in_seconds(double seconds)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    long long ns = at.tv_nsec + (long long)(seconds * 1e9);
    at.tv_sec += (time_t)(ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

uint64_t queue_wait(Queue *q, const Order *t, uint64_t seen, double seconds)
{
    struct timespec until = in_seconds(seconds);
    lock(q);
    while (t->version == seen && !q->stopping && pthread_cond_timedwait(&q->changed, &q->lock, &until) == 0) {
    }
    uint64_t version = t->version;
    unlock(q);
    return version;
}

bool order_ended(Queue *q, const Order *t)
{
    lock(q);
    bool is = ended(t);
    unlock(q);
    return is;
}

static void end_order(Queue *q, Order *t, OrderState state, const Err *e)
{
    if (q->at_hand == t) q->at_hand = NULL;
    t->state = state;
    t->ended = clock_now();
    if (e) t->error = *e;
    if (t->keep && q->watch.ended) q->watch.ended(q->watch.ctx, t);
    news(q, t);
}

bool queue_cancel(Queue *q, Order *t)
{
    lock(q);
    bool there = !ended(t);
    if (there) {
        atomic_store(&t->cancel, true);
        if (t->state == ORDER_QUEUED) end_order(q, t, ORDER_CANCELLED, NULL);
    }
    unlock(q);
    return there;
}

void queue_interrupt(Queue *q, Api api, bool skip)
{
    lock(q);
    Order *t = q->at_hand;
    if (t && t->api == api) atomic_store(skip ? &t->skip : &t->cancel, true);
    unlock(q);
}

void queue_stop(Queue *q)
{
    lock(q);
    q->stopping = true;
    pthread_cond_broadcast(&q->changed);
    unlock(q);
}

bool queue_stopping(Queue *q)
{
    lock(q);
    bool is = q->stopping;
    unlock(q);
    return is;
}

void queue_watch(Queue *q, const QueueWatch *w) { q->watch = *w; }

void queue_number(Queue *q, uint64_t last)
{
    lock(q);
    if (last > q->last_id) q->last_id = last;
    unlock(q);
}

/* ---- the thread that draws ---- */

static struct Client *client_of(Queue *q, const char *name)
{
    for (struct Client *c = q->clients; c; c = c->next)
        if (strcmp(c->name, name) == 0) return c;
    struct Client *c = mem_alloc(sizeof *c);
    *c = (struct Client){ mem_strdup(name), 0, q->clients };
    q->clients = c;
    return c;
}

/* Clients without a order begin anew. */
static void forget_clients(Queue *q)
{
    for (struct Client **at = &q->clients; *at;) {
        struct Client *c = *at;
        const Order *t = q->first;
        while (t && (ended(t) || strcmp(t->client, c->name) != 0)) t = t->next;
        if (t) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        free(c->name);
        free(c);
    }
}

static Order *choose(Queue *q)
{
    Order *best = NULL;
    uint64_t turn = 0;
    forget_clients(q);
    for (Order *t = q->first; t; t = t->next) {
        if (ended(t)) continue;
        uint64_t last = client_of(q, t->client)->turn;
        if (best && last >= turn) continue;
        best = t;
        turn = last;
    }
    if (best) client_of(q, best->client)->turn = ++q->turn;
    return best;
}

Order *queue_take(Queue *q, double seconds)
{
    struct timespec until = in_seconds(seconds);
    lock(q);
    Order *t;
    while (!(t = choose(q)) && !q->stopping && pthread_cond_timedwait(&q->changed, &q->lock, &until) == 0) {
    }
    if (t && t->state == ORDER_QUEUED) {
        t->state = ORDER_DRAWING;
        t->started = clock_now();
        news(q, t);
    }
    q->at_hand = t;
    unlock(q);
    return t;
}

void queue_step(Queue *q, Order *t, int step, int steps)
{
    lock(q);
    t->step = step;
    t->steps = steps;
    news(q, t);
    unlock(q);
}

void queue_preview(Queue *q, Order *t, const Image *im, int step)
{
    lock(q);
    image_release(&t->preview);
    image_copy(&t->preview, im);
    t->preview_step = step;
    news(q, t);
    unlock(q);
}

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

void queue_word(Queue *q, Order *t, const char *line)
{
    lock(q);
    if (t->words.len < WORDS_MAX) str_addf(&t->words, "%s\n", line);
    unlock(q);
}

void queue_made(Queue *q, Order *t, Made *m)
{
    lock(q);
    if (m) {
        t->made = mem_grow(t->made, (t->made_count + 1) * sizeof *t->made);
        t->made[t->made_count++] = *m;
        *m = (Made){ 0 };
        if (t->keep && q->watch.made) q->watch.made(q->watch.ctx, t, &t->made[t->made_count - 1]);
    }
    t->tried++;
    t->step = 0;
    image_release(&t->preview);
    t->preview = (Image){ 0 };
    if (++t->picture >= t->jobs[t->job].count) {
        t->job++;
        t->picture = 0;
    }
    if (t->tried >= t->pictures) end_order(q, t, ORDER_DONE, NULL);
    else news(q, t);
    unlock(q);
}

void queue_end(Queue *q, Order *t, OrderState state, const Err *e)
{
    lock(q);
    if (!ended(t)) end_order(q, t, state, e);
    forget(q);
    unlock(q);
}

void queue_close(Queue *q)
{
    lock(q);
    q->watch = (QueueWatch){ 0 };
    for (Order *t = q->first; t; t = t->next)
        if (!ended(t)) end_order(q, t, ORDER_CANCELLED, NULL);
    unlock(q);
}

/* ---- telling ---- */

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

static cJSON *describe(const Queue *q, const Order *t)
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
    cJSON *made = cJSON_AddArrayToObject(o, "made");
    for (size_t i = 0; i < t->made_count; i++) cJSON_AddItemToArray(made, describe_made(&t->made[i]));
    json_add_lines(o, "words", str_text(&t->words));
    return o;
}

cJSON *queue_describe(Queue *q, const Order *t)
{
    lock(q);
    cJSON *o = describe(q, t);
    unlock(q);
    return o;
}

cJSON *queue_list(Queue *q)
{
    cJSON *list = cJSON_CreateArray();
    lock(q);
    for (const Order *t = q->first; t; t = t->next)
        if (t->keep) cJSON_AddItemToArray(list, describe(q, t));
    unlock(q);
    return list;
}
