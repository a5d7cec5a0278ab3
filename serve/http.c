/* http.c - see http.h. */
#include "serve/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/door.h"
#include "serve/server.h"

enum { STACK_BYTES = 512 << 10, STOP_SECONDS = 5 };

struct Http {
    struct MHD_Daemon *daemon;
    Door *door;
    Server *server;
    const Route *const *routes;
    atomic_size_t bodies; /* bytes of all requests */
    atomic_int calls;     /* requests that have no answer yet */
    bool (*stop)(void);
};

/* A request while it comes in. */
typedef struct {
    Call r;
    Http *http;
    int fd;
    char client[160];
    double begun;
    size_t counted; /* of http->bodies */
    bool refused;   /* it has had its answer, whatever comes */
    char allow[64]; /* methods of its path, parted by commas */
    int status;
} Incoming;

static int socket_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    return i ? i->connect_fd : -1;
}

/* ---- a request's headers ---- */

const char *call_header(const Call *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *call_query(const Call *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool call_gone(const Call *r)
{
    char c;
    ssize_t n = recv(socket_of(r->connection), &c, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* What HTTP allows only once, or not at all: where a proxy and this library may disagree on where a request ends. */
typedef struct {
    int hosts, lengths, codings;
    bool odd;
} Seen;

static enum MHD_Result look(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
    Seen *s = ctx;
    (void)kind;
    s->hosts += strcasecmp(key, "Host") == 0;
    s->lengths += strcasecmp(key, "Content-Length") == 0;
    s->codings += strcasecmp(key, "Transfer-Encoding") == 0;
    s->odd = s->odd || !*key || key[strcspn(key, " \t\r\n")];
    if (strcasecmp(key, "Transfer-Encoding") == 0 && value && strcasecmp(value, "chunked") != 0) s->odd = true;
    return MHD_YES;
}

/* ---- replies ---- */

static void set_headers(const Incoming *in, struct MHD_Response *m, const Reply *out)
{
    const Guard *g = &in->http->server->guard;
    const char *cors = guard_cors(g, call_header(&in->r, "Origin"));
    char took[32];
    snprintf(took, sizeof took, "%.3f", clock_now() - in->begun);
    MHD_add_response_header(m, "Content-Type", out->type);
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(m, "X-Process-Time", took);
    MHD_add_response_header(m, "Referrer-Policy", "no-referrer");
    bool own = false, cache = false;
    for (int i = 0; i < 4 && out->header[i][0]; i++) {
        MHD_add_response_header(m, out->header[i][0], out->header[i][1]);
        own = own || strcmp(out->header[i][0], "Content-Security-Policy") == 0;
        cache = cache || strcmp(out->header[i][0], "Cache-Control") == 0;
    }
    if (!cache) MHD_add_response_header(m, "Cache-Control", "no-store");
    if (!own) MHD_add_response_header(m, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    if (cors) {
        MHD_add_response_header(m, "Access-Control-Allow-Origin", cors);
        MHD_add_response_header(m, "Access-Control-Allow-Headers", "*, authorization, content-type");
        MHD_add_response_header(m, "Access-Control-Allow-Methods", "GET, POST, DELETE");
        MHD_add_response_header(m, "Vary", "Origin");
    }
    if (in->refused) MHD_add_response_header(m, "Connection", "close");
}

/* A reply that comes in pieces. */
typedef struct {
    Reply reply;
    Str ready; /* and not yet taken */
    size_t at;
    bool over;
} Flow;

static ssize_t flow_next(void *ctx, uint64_t pos, char *to, size_t max)
{
    Flow *f = ctx;
    (void)pos;
    while (f->at == f->ready.len) {
        str_clear(&f->ready);
        f->at = 0;
        if (f->over) return MHD_CONTENT_READER_END_OF_STREAM;
        f->over = !f->reply.stream(f->reply.ctx, &f->ready);
    }
    size_t n = f->ready.len - f->at;
    if (n > max) n = max;
    memcpy(to, f->ready.s + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

static void flow_end(void *ctx)
{
    Flow *f = ctx;
    if (f->reply.end) f->reply.end(f->reply.ctx);
    str_release(&f->ready);
    free(f);
}

static enum MHD_Result send_reply(Incoming *in, Reply *out)
{
    struct MHD_Response *m;
    size_t len = out->body.len;
    if (out->stream) {
        Flow *f = mem_alloc(sizeof *f);
        *f = (Flow){ .reply = *out };
        m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, flow_next, f, flow_end);
    } else {
        m = MHD_create_response_from_buffer(len, out->body.s ? out->body.s : mem_alloc(1), MHD_RESPMEM_MUST_FREE);
    }
    if (!m) return MHD_NO;
    set_headers(in, m, out);
    in->status = out->status;
    enum MHD_Result ok = MHD_queue_response(in->r.connection, (unsigned)out->status, m);
    MHD_destroy_response(m);
    return ok;
}

static enum MHD_Result refuse(Incoming *in, int status, const char *text)
{
    Reply out = { 0 };
    in->refused = true;
    reply_error(&in->r, &out, status, NULL, text);
    /* for a page's own requests the browser would ask with a window of its own */
    const char *asks = call_header(&in->r, "Sec-Fetch-Dest");
    if (status == 204) str_clear(&out.body);
    if (*in->allow && (status == 405 || status == 204)) out.header[0][0] = "Allow", out.header[0][1] = in->allow;
    if (status == 401 && !(asks && strcmp(asks, "empty") == 0))
        out.header[0][0] = "WWW-Authenticate", out.header[0][1] = "Basic realm=\"limn\"";
    return send_reply(in, &out);
}

/* ---- routes ---- */

/* Whether the path is the pattern's; *tail: what its '*' stands for. */
static bool matches(const char *pattern, const char *path, const char **tail)
{
    size_t len = strlen(pattern);
    if (!len || pattern[len - 1] != '*') return strcmp(pattern, path) == 0;
    *tail = path + len - 1;
    return strncmp(pattern, path, len - 1) == 0 && path[len - 1];
}

/* NULL: there is none; allow: the methods that the path has, "" if no route has the path. */
static const Route *find_route(Incoming *in)
{
    const char *asked = strcmp(in->r.method, "HEAD") == 0 ? "GET" : in->r.method;
    const Route *found = NULL;
    size_t n = 0;
    for (const Route *const *table = in->http->routes; *table; table++)
        for (const Route *r = *table; r->method; r++) {
            const char *tail = NULL;
            if (!matches(r->path, in->r.path, &tail)) continue;
            if (n < sizeof in->allow - 20 && !strstr(in->allow, r->method))
                n += (size_t)sprintf(in->allow + n, "%s%s%s", n ? ", " : "", r->method,
                                     strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
            if (found || strcmp(r->method, asked) != 0) continue;
            found = r;
            in->r.tail = tail;
        }
    return found;
}

/* "http://name:port/path", as proxies are asked: the name counts as Host does. False: it is none of ours. */
static bool take_absolute(Incoming *in)
{
    const char *at = strncasecmp(in->r.path, "http://", 7) == 0 ? in->r.path + 7 : NULL;
    size_t len = at ? strcspn(at, "/") : 0;
    char name[256];
    if (!at) return true;
    snprintf(name, sizeof name, "%.*s", (int)(len < 255 ? len : 255), at);
    in->r.path = at[len] ? at + len : "/";
    return guard_host(&in->http->server->guard, name);
}

static bool is_type(const char *type, const char *wanted)
{
    size_t n = strlen(wanted);
    return type && strncasecmp(type, wanted, n) == 0 && (!type[n] || strchr("; \t", type[n]));
}

static bool right_type(const Route *route, const char *type)
{
    if (!(route->flags & (ROUTE_JSON | ROUTE_FORM | ROUTE_TEXT))) return true;
    if ((route->flags & ROUTE_JSON) && is_type(type, "application/json")) return true;
    if ((route->flags & ROUTE_FORM) && is_type(type, "multipart/form-data")) return true;
    return (route->flags & ROUTE_TEXT) &&
           (is_type(type, "application/x-ndjson") || is_type(type, "application/jsonl") || is_type(type, "text/csv"));
}

/* Everything that the headers alone can tell. 0: it may go on. */
static int check_headers(Incoming *in, const char **why)
{
    const Guard *g = &in->http->server->guard;
    Seen seen = { 0 };
    const char *host = call_header(&in->r, "Host"), *origin = call_header(&in->r, "Origin");
    MHD_get_connection_values(in->r.connection, MHD_HEADER_KIND, look, &seen);
    *why = "a request whose end is not clear";
    if (seen.odd || seen.hosts > 1 || seen.lengths > 1 || seen.codings > 1 || (seen.lengths && seen.codings))
        return 400;
    *why = "Host: this server has no such name (--allow-host gives it one)";
    if ((host && !guard_host(g, host)) || !take_absolute(in)) return 421; /* without: HTTP/1.0, which is no browser */
    in->r.route = find_route(in);
    *why = "a page of another site may not ask this server (--cors lets one)";
    bool link = in->r.route && (in->r.route->flags & ROUTE_PAGE) && strcmp(in->r.method, "GET") == 0;
    if (!link && !guard_origin(g, origin, call_header(&in->r, "Sec-Fetch-Site"), host)) return 403;
    *why = "";
    if (strcmp(in->r.method, "OPTIONS") == 0 && (*in->allow || guard_cors(g, origin))) return 204;
    *why = "a key is expected: Authorization: Bearer KEY";
    bool open = in->r.route && (in->r.route->flags & ROUTE_PUBLIC);
    if (!open && !guard_key(g, call_header(&in->r, "Authorization"))) return 401;
    *why = *in->allow ? "not with this method" : "there is nothing of that name";
    if (!in->r.route) return *in->allow ? 405 : 404;
    const char *length = call_header(&in->r, "Content-Length");
    *why = "the body is larger than 64 MB";
    if (length && strtoull(length, NULL, 10) > HTTP_MAX_BODY) return 413;
    *why = "Content-Type: application/json or multipart/form-data is expected, as the interface has it";
    const char *packed = call_header(&in->r, "Content-Encoding");
    if (packed && strcasecmp(packed, "identity") != 0)
        *why = "Content-Encoding: bodies are read as they are, not packed";
    if (packed && strcasecmp(packed, "identity") != 0) return 415;
    bool body = seen.codings || (length && strtoull(length, NULL, 10));
    if (body && !right_type(in->r.route, call_header(&in->r, "Content-Type"))) return 415;
    return 0;
}

/* When the next piece of the body must be there. */
static double body_due(const Incoming *in)
{
    return in->begun + HTTP_HEADER_SECONDS + (double)in->r.body.len / HTTP_BODY_RATE;
}

/* Address and program. */
static void name_client(Incoming *in)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(in->r.connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const char *agent = call_header(&in->r, "User-Agent");
    char address[INET6_ADDRSTRLEN] = "";
    if (i && i->client_addr->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->client_addr)->sin_addr, address,
                  sizeof address);
    else if (i && i->client_addr->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)i->client_addr)->sin6_addr, address,
                  sizeof address);
    snprintf(in->client, sizeof in->client, "%s %.100s", address, agent ? agent : "");
    in->r.client = in->client;
}

/* A piece of the body. Once it is too much, the rest is read to nowhere by closing. */
static enum MHD_Result take_body(Incoming *in, const char *data, size_t *len)
{
    size_t n = *len;
    *len = 0;
    if (in->refused) return MHD_YES;
    if (in->r.body.len + n > HTTP_MAX_BODY) return MHD_NO; /* of a length that was not announced */
    if (atomic_fetch_add(&in->http->bodies, n) + n > HTTP_MAX_BODIES) {
        atomic_fetch_sub(&in->http->bodies, n);
        return MHD_NO;
    }
    in->counted += n;
    str_addn(&in->r.body, data, n);
    door_busy(in->http->door, in->fd, body_due(in));
    return MHD_YES;
}

static enum MHD_Result handle(Incoming *in)
{
    Reply out = { 0 };
    door_busy(in->http->door, in->fd, 0);
    in->r.route->handle(&in->r, &out);
    return send_reply(in, &out);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **at)
{
    Incoming *in = *at;
    const char *why;
    (void)version;
    if (in && *len) return take_body(in, data, len);
    if (in) return in->refused ? MHD_YES : handle(in);
    in = mem_alloc(sizeof *in);
    *in = (Incoming){ .http = ctx, .fd = socket_of(c), .begun = clock_now() };
    in->r = (Call){ .server = in->http->server, .method = method, .path = url, .connection = c };
    name_client(in);
    *at = in;
    atomic_fetch_add(&in->http->calls, 1);
    int status = check_headers(in, &why);
    if (status) return refuse(in, status, why);
    door_busy(in->http->door, in->fd, body_due(in));
    return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **at, enum MHD_RequestTerminationCode how)
{
    Incoming *in = *at;
    Http *h = ctx;
    (void)how;
    door_idle(h->door, in ? in->fd : socket_of(c), HTTP_IDLE_SECONDS);
    if (!in) return;
    int kind = in->status / 100;
    if (kind > 0 && kind < 6) atomic_fetch_add(&h->server->metrics.requests[kind], 1);
    if (h->server->log)
        fprintf(stderr, "%s %s %d %zu bytes %.0f ms\n", in->r.method, in->r.route ? in->r.route->path : "?", in->status,
                in->counted, 1000 * (clock_now() - in->begun));
    atomic_fetch_sub(&h->bodies, in->counted);
    atomic_fetch_sub(&h->calls, 1);
    str_release(&in->r.body);
    free(in);
    *at = NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *c, void **fd, enum MHD_ConnectionNotificationCode what)
{
    Http *h = ctx;
    int on = 1;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *fd = (void *)(intptr_t)socket_of(c);
        setsockopt(socket_of(c), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    } else {
        door_left(h->door, (int)(intptr_t)*fd);
    }
}

static bool enter(void *ctx, int fd, const struct sockaddr *from, socklen_t len)
{
    const Http *h = ctx;
    return MHD_add_connection(h->daemon, fd, from, len) == MHD_YES;
}

/* Who asks while the last picture is drawn is told so at once. */
static void tick(void *ctx)
{
    const Http *h = ctx;
    if (h->stop()) queue_stop(h->server->queue);
}

/* A path with %00 or broken escapes would end elsewhere for us than for others: it leads nowhere. */
static size_t unescape(void *ctx, struct MHD_Connection *c, char *s)
{
    (void)ctx;
    (void)c;
    size_t len = MHD_http_unescape(s);
    if (strlen(s) != len) *s = 0;
    return strlen(s);
}

static struct MHD_Daemon *start_daemon(Http *h)
{
    enum { CLOSING = 64 /* connections whose threads have ended and are not yet joined */ };
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC |
            MHD_USE_NO_LISTEN_SOCKET,
        0, NULL, NULL, on_request, h, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_MAX_CONNECTIONS + CLOSING,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MAX_HEADERS, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
}

Http *http_start(Server *s, const Listener *l, const Route *const *routes, bool (*stop)(void), Err *e)
{
    static const DoorRules rules = { .places = HTTP_MAX_CONNECTIONS + HTTP_MAX_WAITING,
                                     .inside = HTTP_MAX_CONNECTIONS,
                                     .an_address = HTTP_MAX_AN_ADDRESS,
                                     .headers = HTTP_MAX_HEADERS,
                                     .wait = HTTP_HEADER_SECONDS,
                                     .rate = HTTP_BODY_RATE,
                                     .grace = HTTP_IDLE_SECONDS };
    Http *h = mem_alloc(sizeof *h);
    h->server = s;
    h->routes = routes;
    h->stop = stop;
    h->daemon = start_daemon(h);
    if (!h->daemon) err_set(e, "the HTTP library cannot start: %s", strerror(errno));
    else if (!door_open(&h->door, l->fd, &rules, &(DoorWay){ h, enter, tick }, e)) return h;
    if (h->daemon) MHD_stop_daemon(h->daemon);
    free(h);
    return NULL;
}

void http_quiesce(Http *h) { door_shut(h->door); }

void http_stop(Http *h)
{
    double until = clock_now() + STOP_SECONDS;
    while (atomic_load(&h->calls) && clock_now() < until) nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    MHD_stop_daemon(h->daemon);
    door_free(h->door);
    free(h);
}
