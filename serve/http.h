/*
 * http.h - the socket: checks limits and access of requests, and calls the handler of their route. libmicrohttpd reads HTTP;
 * this file and guard.h decide which requests are accepted.
 *
 * A handler runs on the connection's own thread and may wait.
 */
#ifndef LIMN_SERVE_HTTP_H
#define LIMN_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "serve/queue.h"

struct MHD_Connection;
struct cJSON;
struct Server;

enum {
    HTTP_MAX_BODY = 64 << 20,    /* bytes of a request: four pictures */
    HTTP_MAX_BODIES = 256 << 20, /* of all requests at a time */
    HTTP_MAX_HEADERS = 32 << 10,
    HTTP_MAX_CONNECTIONS = 128, /* with a request, or kept after one */
    HTTP_MAX_WAITING = 1024,    /* in addition, those that have not sent a request's headers yet */
    HTTP_MAX_AN_ADDRESS = 64,   /* connections */
    HTTP_HEADER_SECONDS = 10,   /* until a request's headers must be there */
    HTTP_IDLE_SECONDS = 30,     /* until a connection that is kept must be used again */
    HTTP_BODY_RATE = 10000,     /* bytes a second that a body must come with, and a reply be taken */
};

typedef struct Route Route;

/* A request whose body is there. */
typedef struct {
    struct Server *server;
    const char *method, *path;
    const char *tail;   /* what the route's '*' stands for */
    const char *client; /* whom fairness is for */
    const Route *route;
    Str body;
    struct MHD_Connection *connection;
} Call;

/*
 * Appends what comes next of a reply that is not there yet; false: that was all. Waits as long as it likes, up to a
 * second at a time.
 */
typedef bool (*Stream)(void *ctx, Str *out);

typedef struct {
    int status;
    const char *type; /* of the body */
    Str body;
    const char *header[4][2]; /* more of them; name NULL: no more */
    char value[256];          /* of one of them, where it is made */
    Stream stream;            /* NULL: the body is all */
    void *ctx;                /* the stream's */
    void (*end)(void *ctx);   /* when it is over, or its reader has gone */
} Reply;

enum {
    ROUTE_PUBLIC = 1, /* asks for no key */
    ROUTE_JSON = 2,   /* a body must be of the type application/json */
    ROUTE_FORM = 4,   /* the body is multipart/form-data */
    ROUTE_TEXT = 8,   /* or of lines of JSON, or CSV */
    ROUTE_PAGE = 16,  /* a link from elsewhere may lead there */
};

struct Route {
    const char *method, *path; /* "GET", and a path that may end in a star */
    void (*handle)(Call *r, Reply *out);
    unsigned flags;
    Api api;
};

typedef struct {
    int fd;       /* listens */
    char url[96]; /* "http://127.0.0.1:7860" */
    bool loopback;
} Listener;

/* Error: no such address here, or the port is taken. */
int http_listen(Listener *l, const char *host, int port, Err *e);

typedef struct Http Http;

/*
 * Routes: tables that end with method NULL; the list ends with NULL. Takes l->fd. From when stop() is true the queue
 * takes nothing.
 */
Http *http_start(struct Server *s, const Listener *l, const Route *const *routes, bool (*stop)(void), Err *e);
/* No new connections; those without a request are closed. */
void http_quiesce(Http *h);
/* Waits for the handlers, which queue_stop() has woken, and some seconds for their replies to leave. */
void http_stop(Http *h);

/* A request's header; NULL: it has none. A value of its query ("?a=b"). */
const char *call_header(const Call *r, const char *name);
const char *call_query(const Call *r, const char *name);
/* Returns whether the one who asked has gone. */
bool call_gone(const Call *r);

/* The body as a JSON object; cJSON_Delete() it. Error: what is wrong with it. */
struct cJSON *call_json(const Call *r, Err *e);

/* The parts of a multipart body, in order. Each name and file name is text. Error: it is no such body. */
typedef struct {
    char *name;
    bool file;
    Str data;
} FormPart;
typedef struct {
    FormPart *parts;
    size_t count;
} Form;
int call_form(Call *r, Form *out, Err *e);
void form_release(Form *f);

#endif
