/* watchdog.c - see watchdog.h. */
#include "serve/watchdog.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

typedef struct Watched {
    const void *connection;
    int fd;
    double until; /* clock_now(); 0: no end */
    struct Watched *next;
} Watched;

struct Watchdog {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    pthread_t thread;
    bool stop, running;
    Watched *first;
};

static void *watch(void *ctx)
{
    Watchdog *w = ctx;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        double now = clock_now();
        for (Watched *c = w->first; c; c = c->next) {
            if (c->until == 0 || now < c->until) continue;
            shutdown(c->fd, SHUT_RDWR); /* its own thread closes it */
            c->until = 0;
        }
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_sec++;
        pthread_cond_timedwait(&w->woken, &w->lock, &at);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

Watchdog *watchdog_new(void)
{
    Watchdog *w = mem_alloc(sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->woken, NULL);
    w->running = pthread_create(&w->thread, NULL, watch, w) == 0;
    return w;
}

void watchdog_free(Watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->woken);
    pthread_mutex_unlock(&w->lock);
    if (w->running) pthread_join(w->thread, NULL);
    for (Watched *c = w->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    pthread_cond_destroy(&w->woken);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void watchdog_add(Watchdog *w, const void *connection, int fd, double seconds)
{
    Watched *c = mem_alloc(sizeof *c);
    pthread_mutex_lock(&w->lock);
    *c = (Watched){ connection, fd, clock_now() + seconds, w->first };
    w->first = c;
    pthread_mutex_unlock(&w->lock);
}

void watchdog_set(Watchdog *w, const void *connection, double seconds)
{
    pthread_mutex_lock(&w->lock);
    for (Watched *c = w->first; c; c = c->next)
        if (c->connection == connection) c->until = seconds > 0 ? clock_now() + seconds : 0;
    pthread_mutex_unlock(&w->lock);
}

void watchdog_remove(Watchdog *w, const void *connection)
{
    pthread_mutex_lock(&w->lock);
    for (Watched **at = &w->first; *at; at = &(*at)->next) {
        if ((*at)->connection != connection) continue;
        Watched *c = *at;
        *at = c->next;
        free(c);
        break;
    }
    pthread_mutex_unlock(&w->lock);
}
