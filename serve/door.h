/*
 * door.h - which connections are served, and for how long. Every connection is accepted at once, and waits here, at the cost of a
 * descriptor, until the headers of its first request are there; only then does it get one of the few threads. So a client that
 * sends nothing, or a byte a second, does not block others: if an address has too many connections, or all places are taken, the
 * one idle longest is closed.
 *
 * After that, each stage has a deadline, and a reply must be read at a minimum rate: a timeout that restarts with each byte
 * would let a byte a second hold a thread forever.
 */
#ifndef LIMN_SERVE_DOOR_H
#define LIMN_SERVE_DOOR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

typedef struct {
    int places;         /* connections in all */
    int inside;         /* of them, those that have a thread */
    int an_address;     /* of one address; of IPv6 one network of 64 bits */
    int headers;        /* bytes that a request's headers may have */
    double wait;        /* seconds until they must be there */
    double rate, grace; /* bytes a second that a reply must be taken at, after so many seconds */
} DoorRules;

/* Called on the door's thread. */
typedef struct {
    void *ctx;
    /* Takes the socket, and closes it. False: it could not be served, and is closed. */
    bool (*enter)(void *ctx, int fd, const struct sockaddr *from, socklen_t len);
    void (*tick)(void *ctx); /* several times a second */
} DoorWay;

typedef struct Door Door;

/* Takes the listening socket. *out is set before the first one comes in. Error: no thread, no descriptors. */
int door_open(Door **out, int listening, const DoorRules *rules, const DoorWay *way, Err *e);
/* Accepts no more connections, answers those that wait, and closes the listening socket. */
void door_shut(Door *d);
void door_free(Door *d); /* after door_shut(), when nobody is inside */

/* ---- of a connection inside, by its socket ---- */

/* It works on a request, until that time of clock_now(); 0: as long as it likes. */
void door_busy(Door *d, int fd, double until);
/* It has had its reply, and may stay so many seconds without a request; it gives way to others. */
void door_idle(Door *d, int fd, double seconds);
/* Its socket is about to be closed. */
void door_left(Door *d, int fd);

#endif
