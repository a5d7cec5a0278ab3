/*
 * guard.h - who may send what: a page of some site that the user's browser has open can send requests to this machine, and so can
 * a name that is made to lead here (DNS rebinding). Functions of texts only.
 * Source: Fetch (fetch.spec.whatwg.org) on Origin; Fetch Metadata (w3c) on Sec-Fetch-Site; RFC 7617 (Basic), RFC 6750 (Bearer).
 */
#ifndef LIMN_SERVE_GUARD_H
#define LIMN_SERVE_GUARD_H

#include <stdbool.h>

#include "base/err.h"

typedef struct {
    char *key;   /* NULL: none is needed */
    char *host;  /* of --host */
    char *allow; /* further names, separated by commas; NULL */
    char *cors;  /* origins that may read replies, separated by commas; NULL */
} Guard;

/* Returns whether a request's Host ("name", "name:port", "[::1]:7860") is one of this server's names. */
bool guard_host(const Guard *g, const char *host);

/*
 * Returns whether a browser sent it for a page of this server, or of an origin that --cors lists. NULL: the request has
 * no such header.
 */
bool guard_origin(const Guard *g, const char *origin, const char *site, const char *host);
/* The origin, where --cors lists it: for Access-Control-Allow-Origin. NULL: it does not. */
const char *guard_cors(const Guard *g, const char *origin);

/*
 * Returns whether the value of Authorization (NULL: there is none) has the key: Bearer KEY, or Basic with it as
 * password. In constant time.
 */
bool guard_key(const Guard *g, const char *authorization);

/* The key of a file: its first line. Error: none is there, it is short, or others may read it. */
int guard_read_key(const char *path, char **key, Err *e);

#endif
