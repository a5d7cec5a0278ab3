/*
 * watchdog.h - connections that take too long are shut. The library's own timeout begins anew with each byte, so that a byte a second
 * keeps a connection for ever; here each stage has a time by which it must be over.
 */
#ifndef LIMN_SERVE_WATCHDOG_H
#define LIMN_SERVE_WATCHDOG_H

typedef struct Watchdog Watchdog;

Watchdog *watchdog_new(void); /* with a thread of its own */
void watchdog_free(Watchdog *w);

/* A connection, known by any pointer, with its socket. Seconds from now; 0: it may take its time. */
void watchdog_add(Watchdog *w, const void *connection, int fd, double seconds);
void watchdog_set(Watchdog *w, const void *connection, double seconds);
void watchdog_remove(Watchdog *w, const void *connection); /* before the socket is closed */

#endif
