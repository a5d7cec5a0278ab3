/* door.c - see door.h. */
#define _GNU_SOURCE /* accept4 */
#include "serve/door.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    TICK_MS = 200,      /* between two looks at the clock */
    CROWDED_MS = 10,    /* the same while someone waits for a thread */
    AT_ONCE = 64,       /* connections that are taken before the others are looked at */
    READY_SECONDS = 30, /* that a whole request waits for a thread */
};

typedef enum {
    WAITING, /* for the rest of its headers */
    READY,   /* they are there, but no thread is free */
    BUSY,
    IDLE,
    LEAVING, /* shut; its thread will say so */
} State;

typedef struct {
    int fd;
    State state;
    struct sockaddr_storage from;
    socklen_t len;
    unsigned char address[16];
    double since, until; /* of this state; until 0: no end */
    /* the reply that is being taken */
    double pace_since;
    uint64_t acked;
} Guest;

struct Door {
    pthread_mutex_t lock;
    pthread_t thread;
    atomic_bool stop;
    int fd, events;
    DoorRules rules;
    DoorWay way;
    Guest *at;
    int count, inside, ready;
    char *peek;
};

/* ---- the book ---- */

/* IPv4 as IPv6 has it; of IPv6 the network, since one machine may have all of its addresses. */
static void address_of(const struct sockaddr_storage *from, unsigned char out[16])
{
    static const unsigned char v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    memset(out, 0, 16);
    if (from->ss_family == AF_INET) {
        memcpy(out, v4, sizeof v4);
        memcpy(out + sizeof v4, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const unsigned char *a = ((const struct sockaddr_in6 *)from)->sin6_addr.s6_addr;
        memcpy(out, a, memcmp(a, v4, sizeof v4) == 0 ? 16 : 8);
    }
}

static Guest *find(const Door *d, int fd)
{
    for (int i = 0; i < d->count; i++)
        if (d->at[i].fd == fd) return &d->at[i];
    return NULL;
}

static bool is_inside(const Guest *g) { return g->state >= BUSY; }

static void set_state(Door *d, Guest *g, State state, double until)
{
    d->ready += (state == READY) - (g->state == READY);
    g->state = state;
    g->since = clock_now();
    g->until = until;
    g->pace_since = 0;
}

static void forget(Door *d, Guest *g)
{
    d->ready -= g->state == READY;
    d->inside -= is_inside(g);
    *g = d->at[--d->count];
}

/* ---- closing ---- */

/* To one who speaks to a server that will not listen. */
static void tell(int fd, const char *status)
{
    char text[160], rest[4096];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
    for (int i = 0; i < 16 && recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 0; i++) {
    } /* unread, it would make the system take the answer back */
    ssize_t unused = send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)unused;
    shutdown(fd, SHUT_WR);
}

static bool has_spoken(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Whoever has said nothing is not told anything: a browser would take it for the answer to what it asks next. */
static void send_away(Door *d, Guest *g, const char *status)
{
    if (is_inside(g)) {
        shutdown(g->fd, SHUT_RDWR); /* its own thread closes it */
        set_state(d, g, LEAVING, 0);
        return;
    }
    if (has_spoken(g->fd)) tell(g->fd, status);
    close(g->fd);
    forget(d, g);
}

/* Who has been in one of these states longest; address NULL: of all. */
static Guest *longest(const Door *d, const unsigned char *address, unsigned states)
{
    Guest *best = NULL;
    for (int i = 0; i < d->count; i++) {
        Guest *g = &d->at[i];
        if (!(states & 1u << g->state) || (best && g->since >= best->since)) continue;
        if (!address || memcmp(address, g->address, sizeof g->address) == 0) best = g;
    }
    return best;
}

static int count_of(const Door *d, const unsigned char *address)
{
    int n = 0;
    for (int i = 0; i < d->count; i++)
        n += d->at[i].state != LEAVING && memcmp(address, d->at[i].address, sizeof d->at[i].address) == 0;
    return n;
}

/* ---- coming in ---- */

static const char full[] = "503 Service Unavailable";

enum { IS_WAITING = 1u << WAITING, IS_READY = 1u << READY, IS_IDLE = 1u << IDLE };

/* The place of one who waits is free at once; that of one inside when its thread has ended. False: there is none. */
static bool make_room(Door *d, const unsigned char *address)
{
    Guest *g;
    if (count_of(d, address) >= d->rules.an_address) {
        if (!(g = longest(d, address, IS_WAITING | IS_IDLE))) return false;
        send_away(d, g, full);
    }
    if (d->count < d->rules.places) return true;
    if (!(g = longest(d, NULL, IS_WAITING))) return false;
    send_away(d, g, full);
    return true;
}

static void take(Door *d, int fd, const struct sockaddr_storage *from, socklen_t len)
{
    Guest g = { .fd = fd, .from = *from, .len = len, .since = clock_now() };
    address_of(from, g.address);
    g.until = g.since + d->rules.wait;
    struct epoll_event want = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd };
    if (!make_room(d, g.address) || epoll_ctl(d->events, EPOLL_CTL_ADD, fd, &want)) {
        tell(fd, full);
        close(fd);
        return;
    }
    d->at[d->count++] = g;
}

/* No descriptor is free: the one that has been idle longest gives its up. */
static bool lacks(Door *d)
{
    Guest *g = errno == EMFILE ? longest(d, NULL, IS_WAITING) : NULL;
    if (g) send_away(d, g, full);
    return g != NULL;
}

static void take_all(Door *d)
{
    for (int i = 0; i < AT_ONCE && d->fd >= 0; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t len = sizeof from;
        int fd = accept4(d->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) take(d, fd, &from, len);
        else if (errno != ECONNABORTED && errno != EINTR && !lacks(d)) return;
    }
}

/* ---- going on ---- */

/* Whether they are all there: an empty line, after empty lines that may come before the first. */
static bool headers_end(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (s[i] == '\r' || s[i] == '\n')) i++;
    while (i < n) {
        const char *line = memchr(s + i, '\n', n - i);
        if (!line) return false;
        i = (size_t)(line - s) + 1;
        if (i < n && (s[i] == '\n' || (s[i] == '\r' && i + 1 < n && s[i + 1] == '\n'))) return true;
    }
    return false;
}

/* Something came, or its end: after that there is nothing to wait for, and half a request is answered as one. */
static void listen_to(Door *d, Guest *g, bool ended)
{
    ssize_t n = recv(g->fd, d->peek, (size_t)d->rules.headers, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        close(g->fd);
        forget(d, g);
    } else if ((unsigned char)*d->peek < ' ' && *d->peek != '\r' && *d->peek != '\n') { /* such as TLS */
        send_away(d, g, "400 Bad Request");
    } else if (ended || n == d->rules.headers || headers_end(d->peek, (size_t)n)) {
        set_state(d, g, READY, clock_now() + READY_SECONDS);
    }
}

/* The way in may call door_busy(), so it is gone without the lock. */
static void go_in(Door *d, Guest *g)
{
    int fd = g->fd;
    struct sockaddr_storage from = g->from;
    socklen_t len = g->len;
    epoll_ctl(d->events, EPOLL_CTL_DEL, fd, NULL);
    set_state(d, g, BUSY, clock_now() + d->rules.wait);
    d->inside++;
    pthread_mutex_unlock(&d->lock);
    bool in = d->way.enter(d->way.ctx, fd, (const struct sockaddr *)&from, len);
    pthread_mutex_lock(&d->lock);
    g = in ? NULL : find(d, fd);
    if (g) forget(d, g);
}

static void let_in(Door *d)
{
    Guest *g;
    while (d->ready && d->inside < d->rules.inside && (g = longest(d, NULL, IS_READY))) go_in(d, g);
    int leaving = 0;
    for (int i = 0; i < d->count; i++) leaving += d->at[i].state == LEAVING;
    for (; leaving < d->ready && (g = longest(d, NULL, IS_IDLE)); leaving++) send_away(d, g, full);
}

/* ---- time ---- */

/*
 * Whether the reply is taken too slowly: bytes wait to be sent, and the reader has acknowledged fewer than the rate asks for. A reader
 * that has all of them begins anew with the next.
 */
static bool too_slow(const Door *d, Guest *g, double now)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof info;
    int left = 0;
    if (ioctl(g->fd, SIOCOUTQ, &left) || getsockopt(g->fd, IPPROTO_TCP, TCP_INFO, &info, &len)) return false;
    if (left == 0 || g->pace_since == 0) {
        g->pace_since = now;
        g->acked = info.tcpi_bytes_acked;
        return false;
    }
    return (double)(info.tcpi_bytes_acked - g->acked) < d->rules.rate * (now - g->pace_since - d->rules.grace);
}

static void look_at_the_clock(Door *d)
{
    double now = clock_now();
    for (int i = d->count - 1; i >= 0; i--) {
        Guest *g = &d->at[i];
        bool late = g->until != 0 && now >= g->until;
        if (g->state == BUSY) late = late || too_slow(d, g, now);
        if (late && g->state != LEAVING) send_away(d, g, g->state == READY ? full : "408 Request Timeout");
    }
}

/* ---- the thread ---- */

static void *keep_door(void *ctx)
{
    enum { EVENTS = 256 };
    Door *d = ctx;
    struct epoll_event happened[EVENTS];
    double looked = 0;
    int wait = TICK_MS;
    while (!atomic_load(&d->stop)) {
        int n = epoll_wait(d->events, happened, EVENTS, wait);
        pthread_mutex_lock(&d->lock);
        for (int i = 0; i < n; i++) {
            Guest *g = happened[i].data.fd == d->fd ? NULL : find(d, happened[i].data.fd);
            if (g && g->state == WAITING) listen_to(d, g, happened[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
        }
        let_in(d);
        take_all(d);
        double now = clock_now();
        bool time = now - looked > TICK_MS / 1000.0 / 2;
        if (time) look_at_the_clock(d), looked = now;
        wait = d->ready ? CROWDED_MS : TICK_MS;
        pthread_mutex_unlock(&d->lock);
        if (time && d->way.tick) d->way.tick(d->way.ctx);
    }
    return NULL;
}

int door_open(Door **out, int listening, const DoorRules *rules, const DoorWay *way, Err *e)
{
    Door *d = *out = mem_alloc(sizeof *d);
    *d = (Door){ .fd = listening, .rules = *rules, .way = *way };
    d->at = mem_array((size_t)rules->places, sizeof *d->at);
    d->peek = mem_array((size_t)rules->headers, 1);
    pthread_mutex_init(&d->lock, NULL);
    d->events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event want = { .events = EPOLLIN, .data.fd = listening };
    bool ok = d->events >= 0 && fcntl(listening, F_SETFL, O_NONBLOCK) == 0 &&
              epoll_ctl(d->events, EPOLL_CTL_ADD, listening, &want) == 0;
    if (ok && (errno = pthread_create(&d->thread, NULL, keep_door, d)) == 0) return 0;
    err_set(e, "cannot wait for connections: %s", strerror(errno));
    door_free(d);
    *out = NULL;
    return -1;
}

void door_shut(Door *d)
{
    atomic_store(&d->stop, true);
    pthread_join(d->thread, NULL);
    pthread_mutex_lock(&d->lock);
    close(d->fd);
    d->fd = -1;
    for (int i = d->count - 1; i >= 0; i--)
        if (!is_inside(&d->at[i])) send_away(d, &d->at[i], full);
    pthread_mutex_unlock(&d->lock);
}

void door_free(Door *d)
{
    if (d->events >= 0) close(d->events);
    pthread_mutex_destroy(&d->lock);
    free(d->at);
    free(d->peek);
    free(d);
}

/* ---- inside ---- */

static void change(Door *d, int fd, State state, double until)
{
    pthread_mutex_lock(&d->lock);
    Guest *g = find(d, fd);
    if (g && is_inside(g) && g->state != LEAVING) set_state(d, g, state, until);
    pthread_mutex_unlock(&d->lock);
}

void door_busy(Door *d, int fd, double until) { change(d, fd, BUSY, until); }
void door_idle(Door *d, int fd, double seconds) { change(d, fd, IDLE, clock_now() + seconds); }

void door_left(Door *d, int fd)
{
    pthread_mutex_lock(&d->lock);
    Guest *g = find(d, fd);
    if (g) forget(d, g);
    pthread_mutex_unlock(&d->lock);
}
