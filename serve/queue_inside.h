/* queue_inside.h - what queue.c and queue_tell.c share. */
#ifndef LIMN_SERVE_QUEUE_INSIDE_H
#define LIMN_SERVE_QUEUE_INSIDE_H

#include <pthread.h>

#include "serve/queue.h"

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

static inline bool ended(const Order *t) { return t->state >= ORDER_DONE; }
static inline void lock(Queue *q) { pthread_mutex_lock(&q->lock); }
static inline void unlock(Queue *q) { pthread_mutex_unlock(&q->lock); }

#endif
