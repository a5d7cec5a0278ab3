/*
 * http.h - the one place where limn opens a connection: through the program curl (docs/decisions/curl.md). Certificates are
 * checked, redirects are followed here, so that only the host that a token is for receives it.
 */
#ifndef LIMN_HUB_HTTP_H
#define LIMN_HUB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef struct Http Http;

#define HTTP_UNKNOWN UINT64_MAX

typedef struct {
    const char *url;
    const char *what;        /* for words: "stabilityai/sd-turbo" */
    const char *token;       /* sent to url's host only, and over http to this machine only; NULL: none */
    bool head;               /* what would be sent, without a body */
    uint64_t from;           /* the body from this byte on, if the server can */
    bool (*stop)(void *ctx); /* asked some times a second: true ends it; NULL: never */
    void *ctx;
} HttpAsk;

/* What the server says, of all servers on the way: the first that says it. */
typedef struct {
    int status;              /* of the last */
    uint64_t length;         /* of the body that comes */
    uint64_t begin, total;   /* of a 206: where the body begins in the whole, and how long that is */
    uint64_t linked_size;    /* X-Linked-Size, HTTP_UNKNOWN */
    char etag[132];          /* X-Linked-Etag, or else ETag; without quotes and W/; "" */
    char commit[44];         /* X-Repo-Commit; "" */
    char error_code[64];     /* X-Error-Code; "" */
    char error_message[300]; /* X-Error-Message; "" */
    char content_type[64];   /* "" */
    char encoding[24];       /* Content-Encoding; "" */
    char file_name[260];     /* of Content-Disposition; "" */
    long retry_after;        /* seconds; -1: not said */
    char host[100];          /* that sent the last answer */
    bool led_away;           /* it is another than was asked */
} HttpReply;

/*
 * Asks, follows redirects (at most 10, never to http from https), and reads the head of the answer. NULL with e set: no
 * connection, no certificate, ...; *again: another try may do better. A status of any kind is no error.
 */
Http *http_open(const HttpAsk *ask, HttpReply *reply, bool *again, Err *e);

/* Some bytes of the body; *got 0: its end. Error: stopped. */
int http_read(Http *h, void *buf, size_t size, size_t *got, Err *e);

/* Ends it. finished: the body was read to its end, and an error of the connection counts. */
int http_close(Http *h, bool finished, Err *e);

/* A whole small answer; tried several times where that may help. Error: also a status that is not 200, in words. */
int http_text(const HttpAsk *ask, size_t most, Str *out, HttpReply *reply, Err *e);

/* What a status other than 200 means, as an error. what: "stabilityai/sd-turbo". */
int http_refused(const HttpReply *r, const char *what, Err *e);
bool http_worth_another(const HttpReply *r);

/* Waits before try number `tried` + 1: 1, 2, 4, 8 seconds, or as the server says. Error: stopped. */
int http_wait(const HttpAsk *ask, int tried, const HttpReply *r, Err *e);

enum { HTTP_TRIES = 5 };

#endif
