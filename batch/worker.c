/* worker.c - see worker.h: two queues and a lock. */
#include "batch/worker.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct Link {
    struct Link *next;
    void *task;
} Link;

typedef struct {
    Link *first, **end;
    int count;
} Queue;

struct Worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void (*work)(void *ctx, void *task);
    void *ctx;
    Queue waiting, done;
    int most;
    bool busy, ending;
};

static void queue_init(Queue *q) { *q = (Queue){ .end = &q->first }; }

static void queue_put(Queue *q, void *task)
{
    Link *l = mem_alloc(sizeof *l);
    l->task = task;
    *q->end = l;
    q->end = &l->next;
    q->count++;
}

static void *queue_take(Queue *q)
{
    Link *l = q->first;
    if (!l) return NULL;
    void *task = l->task;
    q->first = l->next;
    if (!q->first) q->end = &q->first;
    q->count--;
    free(l);
    return task;
}

static void *run(void *ctx)
{
    Worker *w = ctx;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        void *task = queue_take(&w->waiting);
        if (!task && w->ending) break;
        if (!task) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        w->busy = true;
        pthread_mutex_unlock(&w->lock);
        w->work(w->ctx, task);
        pthread_mutex_lock(&w->lock);
        w->busy = false;
        queue_put(&w->done, task);
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

Worker *worker_new(void (*work)(void *ctx, void *task), void *ctx, int most, Err *e)
{
    Worker *w = mem_alloc(sizeof *w);
    w->work = work;
    w->ctx = ctx;
    w->most = most;
    queue_init(&w->waiting);
    queue_init(&w->done);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    int why = pthread_create(&w->thread, NULL, run, w);
    if (!why) return w;
    err_set(e, "cannot start a thread: %s (a batch takes one in addition to those that draw: ulimit -u, pids.max)",
            strerror(why));
    free(w);
    return NULL;
}

void worker_put(Worker *w, void *task)
{
    pthread_mutex_lock(&w->lock);
    while (w->waiting.count >= w->most) pthread_cond_wait(&w->changed, &w->lock);
    queue_put(&w->waiting, task);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void *worker_take(Worker *w, int wait)
{
    pthread_mutex_lock(&w->lock);
    while (wait && !w->done.count && (w->waiting.count || w->busy)) pthread_cond_wait(&w->changed, &w->lock);
    void *task = queue_take(&w->done);
    pthread_mutex_unlock(&w->lock);
    return task;
}

void worker_free(Worker *w)
{
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w);
}
