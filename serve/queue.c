/* queue.c - see queue.h. */
#include "serve/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/queue_inside.h"

enum {
    REMEMBERED = 256,           /* kept orders that have ended */
    REMEMBERED_PICTURES = 4096, /* of them */
    WORDS_MAX = 1 << 16,        /* bytes of a order's warnings and notes */
};

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
    size_t kept = 0, pictures = 0;
    for (const Order *t = q->first; t; t = t->next) {
        kept += t->keep && ended(t);
        pictures += t->keep && ended(t) ? t->made_count : 0;
    }
    for (Order *t = q->first, *next; t; t = next) {
        next = t->next;
        if (t->held || !ended(t) || (t->keep && kept <= REMEMBERED && pictures <= REMEMBERED_PICTURES)) continue;
        kept -= t->keep;
        pictures -= t->keep ? t->made_count : 0;
        unlink_order(q, t);
        order_free(t);
    }
}

/* client NULL: of all. */
static int waiting(const Queue *q, const char *client)
{
    int n = 0;
    for (const Order *t = q->first; t; t = t->next)
        n += t->state == ORDER_QUEUED && (!client || strcmp(t->client, client) == 0);
    return n;
}

/* Who has nothing that waits gets a place even where others have filled the queue, until there are twice as many. */
static bool is_full(const Queue *q, const char *client)
{
    int n = waiting(q, NULL);
    return n >= q->limit && (n >= 2 * q->limit || waiting(q, client));
}

int queue_add(Queue *q, Order *t, Err *e)
{
    int failed = 0;
    lock(q);
    if (q->stopping) failed = err_set(e, "the server is stopping");
    else if (!t->again && is_full(q, t->client))
        failed = err_set(e, "the queue is full: %d requests wait (--queue)", waiting(q, NULL));
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
    while (t->version == seen && pthread_cond_timedwait(&q->changed, &q->lock, &until) == 0) {
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

/*
 * The first job tells what it was; the others go, and the place that they had whole: a hole with a rest in it fits no
 * other order.
 */
static void keep_first(Order *t)
{
    if (t->job_count < 2) return;
    Job *first = mem_array(1, sizeof *first);
    *first = t->jobs[0];
    while (t->job_count > 1) job_release(&t->jobs[--t->job_count]);
    free(t->jobs);
    t->jobs = first;
}

static void end_order(Queue *q, Order *t, OrderState state, const Err *e)
{
    if (q->at_hand == t) q->at_hand = NULL;
    t->state = state;
    t->ended = clock_now();
    if (e) t->error = *e;
    if (t->keep && q->watch.ended) q->watch.ended(q->watch.ctx, t);
    keep_first(t);
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
    for (Order *t = q->first; t; t = t->next) {
        if (ended(t)) continue;
        str_addf(&t->words, "the server stopped when %zu of %llu pictures were drawn\n", t->made_count,
                 (unsigned long long)t->pictures);
        end_order(q, t, ORDER_CANCELLED, NULL);
    }
    unlock(q);
}
