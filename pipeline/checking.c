/* checking.c - see checking.h. */
#define _GNU_SOURCE /* SCHED_IDLE */
#include "pipeline/checking.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "nn/scan.h"
#include "pipeline/parts.h"

/* Tensors are taken one by one, by the thread and by who waits for it. */
struct Checking {
    pthread_t thread;
    bool started;
    struct {
        const Weight *tensor;
        const Part *part;
    } * list;
    size_t count;
    atomic_size_t next;
    atomic_bool stop; /* nobody wants it any more */
    pthread_mutex_t lock;
    atomic_size_t bad; /* the first of the list that was found bad, and what is said of it; count: none */
    Err said;
};

static void work(struct Checking *c)
{
    Err e;
    for (size_t i; !c->stop && (i = c->next++) < c->bad;) { /* what comes after a bad one does not matter */
        if (!scan_weight(c->list[i].tensor, !c->list[i].tensor->own, &e)) continue;
        pthread_mutex_lock(&c->lock);
        if (i < c->bad) {
            c->bad = i;
            c->said = e;
            err_in(&c->said, c->list[i].part->where);
        }
        pthread_mutex_unlock(&c->lock);
    }
}

static void *beside(void *arg)
{
    const struct sched_param none = { 0 };
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    scan_alone();
    work(arg);
    return NULL;
}

void model_check_later(Model *m)
{
    struct Checking *c = mem_alloc(sizeof *c);
    for (int k = 0; k < m->files->count; k++) {
        const Part *p = &m->files->part[k];
        Weights *w = p->weights;
        if (!w) continue;
        c->list = mem_grow(c->list, (c->count + weights_count(w)) * sizeof *c->list);
        for (size_t i = 0; i < weights_count(w); i++) {
            if (!weights_at(w, i)->unchecked) continue;
            c->list[c->count].tensor = weights_at(w, i);
            c->list[c->count++].part = p;
        }
    }
    c->bad = c->count;
    pthread_mutex_init(&c->lock, NULL);
    m->checking = c;
}

void model_check_begin(Model *m)
{
    struct Checking *c = m->checking;
    if (!c || c->started || c->next >= c->count) return;
    c->started = pthread_create(&c->thread, NULL, beside, c) == 0;
}

static void end(struct Checking *c)
{
    if (c->started) pthread_join(c->thread, NULL);
    c->started = false;
}

int model_check(Model *m, Err *e)
{
    struct Checking *c = m->checking;
    if (!c) return 0;
    work(c);
    end(c);
    if (c->bad == c->count) return 0;
    *e = c->said;
    return -1;
}

void model_check_drop(Model *m)
{
    struct Checking *c = m->checking;
    if (!c) return;
    c->stop = true;
    end(c);
    pthread_mutex_destroy(&c->lock);
    free(c->list);
    free(c);
    m->checking = NULL;
}
