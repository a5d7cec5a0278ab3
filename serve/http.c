/* http.c - see http.h. */
#include "serve/http.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
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
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "serve/server.h"
#include "serve/watchdog.h"

enum { STACK_BYTES = 512 << 10, FORM_BUFFER = 64 << 10, STOP_SECONDS = 5 };

struct Http {
    struct MHD_Daemon *daemon;
    Watchdog *dog;
    Server *server;
    const Route *const *routes;
    atomic_size_t bodies; /* bytes of all requests */
    atomic_int calls;     /* requests that have no answer yet */
};

/* A request while it comes in. */
typedef struct {
    Call r;
    Http *http;
    char client[160];
    double begun;
    size_t counted; /* of http->bodies */
    bool refused;   /* it has had its answer, whatever comes */
    int status;
} Incoming;

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
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char c;
    ssize_t n = i ? recv(i->connect_fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) : 0;
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
        MHD_add_response_header(m, "Access-Control-Allow-Headers", "authorization, content-type");
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
    Server *server;
} Flow;

static ssize_t flow_next(void *ctx, uint64_t pos, char *to, size_t max)
{
    Flow *f = ctx;
    (void)pos;
    while (f->at == f->ready.len) {
        str_clear(&f->ready);
        f->at = 0;
        if (f->over || queue_stopping(f->server->queue)) return MHD_CONTENT_READER_END_OF_STREAM;
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
        *f = (Flow){ .reply = *out, .server = in->http->server };
        m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, flow_next, f, flow_end);
    } else {
        m = MHD_create_response_from_buffer(len, out->body.s ? out->body.s : mem_alloc(1), MHD_RESPMEM_MUST_FREE);
    }
    if (!m) return MHD_NO;
    set_headers(in, m, out);
    in->status = out->status;
    watchdog_set(in->http->dog, in->r.connection, out->stream ? 0 : HTTP_IDLE_SECONDS + (double)len / HTTP_BODY_RATE);
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
    if (status == 401 && !(asks && strcmp(asks, "empty") == 0))
        out.header[0][0] = "WWW-Authenticate", out.header[0][1] = "Basic realm=\"limn\"";
    if (status == 503) out.header[0][0] = "Retry-After", out.header[0][1] = "5";
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

static const Route *find_route(const Http *h, const char *method, const char *path, const char **tail, bool *other)
{
    const char *asked = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *other = false;
    for (const Route *const *table = h->routes; *table; table++)
        for (const Route *r = *table; r->method; r++) {
            if (!matches(r->path, path, tail)) continue;
            if (strcmp(r->method, asked) == 0) return r;
            *other = true;
        }
    return NULL;
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
    Http *h = in->http;
    const Guard *g = &h->server->guard;
    Seen seen = { 0 };
    bool other;
    const char *host = call_header(&in->r, "Host"), *origin = call_header(&in->r, "Origin");
    MHD_get_connection_values(in->r.connection, MHD_HEADER_KIND, look, &seen);
    *why = "a request whose end is not clear";
    if (seen.odd || seen.hosts > 1 || seen.lengths > 1 || seen.codings > 1 || (seen.lengths && seen.codings))
        return 400;
    *why = "Host: this server has no such name (--allow-host gives it one)";
    if (!guard_host(g, host)) return 421;
    in->r.route = find_route(h, in->r.method, in->r.path, &in->r.tail, &other);
    *why = "a page of another site may not ask this server (--cors lets one)";
    bool link = in->r.route && (in->r.route->flags & ROUTE_PAGE) && strcmp(in->r.method, "GET") == 0;
    if (!link && !guard_origin(g, origin, call_header(&in->r, "Sec-Fetch-Site"), host)) return 403;
    *why = "";
    if (strcmp(in->r.method, "OPTIONS") == 0 && guard_cors(g, origin)) return 204;
    *why = "a key is expected: Authorization: Bearer KEY";
    bool open = in->r.route && (in->r.route->flags & ROUTE_PUBLIC);
    if (!open && !guard_key(g, call_header(&in->r, "Authorization"))) return 401;
    *why = other ? "not with this method" : "there is nothing of that name";
    if (!in->r.route) return other ? 405 : 404;
    *why = "the server is stopping";
    if (queue_stopping(h->server->queue) && !open) return 503;
    const char *length = call_header(&in->r, "Content-Length");
    *why = "the body is larger than 64 MB";
    if (length && strtoull(length, NULL, 10) > HTTP_MAX_BODY) return 413;
    *why = "Content-Type: application/json or multipart/form-data is expected, as the interface has it";
    bool body = seen.codings || (length && strtoull(length, NULL, 10));
    if (body && !right_type(in->r.route, call_header(&in->r, "Content-Type"))) return 415;
    return 0;
}

static double body_seconds(const Incoming *in)
{
    const char *length = call_header(&in->r, "Content-Length");
    return HTTP_HEADER_SECONDS + (length ? strtod(length, NULL) : HTTP_MAX_BODY) / HTTP_BODY_RATE;
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
    return MHD_YES;
}

static enum MHD_Result handle(Incoming *in)
{
    Reply out = { 0 };
    watchdog_set(in->http->dog, in->r.connection, 0);
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
    *in = (Incoming){ .http = ctx, .begun = clock_now() };
    in->r = (Call){ .server = in->http->server, .method = method, .path = url, .connection = c };
    name_client(in);
    *at = in;
    atomic_fetch_add(&in->http->calls, 1);
    int status = check_headers(in, &why);
    if (status) return refuse(in, status, why);
    watchdog_set(in->http->dog, c, body_seconds(in));
    return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **at, enum MHD_RequestTerminationCode how)
{
    Incoming *in = *at;
    Http *h = ctx;
    (void)how;
    watchdog_set(h->dog, c, HTTP_IDLE_SECONDS);
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

static void on_connection(void *ctx, struct MHD_Connection *c, void **socket, enum MHD_ConnectionNotificationCode what)
{
    Http *h = ctx;
    int on = 1;
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    (void)socket;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        watchdog_remove(h->dog, c);
        return;
    }
    if (i) setsockopt(i->connect_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (i) watchdog_add(h->dog, c, i->connect_fd, HTTP_HEADER_SECONDS);
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

Http *http_start(Server *s, const Listener *l, const Route *const *routes, Err *e)
{
    Http *h = mem_alloc(sizeof *h);
    h->server = s;
    h->routes = routes;
    h->dog = watchdog_new();
    h->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL,
        on_request, h, MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_MAX_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_MAX_AN_ADDRESS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_MAX_HEADERS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
    if (h->daemon) return h;
    err_set(e, "the HTTP library cannot start: %s", strerror(errno));
    watchdog_free(h->dog);
    free(h);
    return NULL;
}

void http_quiesce(Http *h)
{
    int fd = MHD_quiesce_daemon(h->daemon);
    if (fd >= 0) close(fd);
}

void http_stop(Http *h)
{
    double until = clock_now() + STOP_SECONDS;
    while (atomic_load(&h->calls) && clock_now() < until) nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    MHD_stop_daemon(h->daemon);
    watchdog_free(h->dog);
    free(h);
}

/* ---- bodies ---- */

cJSON *call_json(const Call *r, Err *e)
{
    const char *text = str_text(&r->body);
    bool valid = true;
    for (size_t i = 0; i < r->body.len && valid;) {
        uint32_t code;
        i += utf8_next(text + i, r->body.len - i, &code, &valid);
    }
    if (!valid) {
        err_usage(e, "the body is not UTF-8");
        return NULL;
    }
    return json_parse((Bytes){ (const unsigned char *)text, r->body.len }, e);
}

typedef struct {
    Form *form;
    bool wrong;
} FormReader;

enum { FORM_PARTS = 64 };

static enum MHD_Result on_part(void *ctx, enum MHD_ValueKind kind, const char *key, const char *file, const char *type,
                               const char *coding, const char *data, uint64_t at, size_t len)
{
    FormReader *f = ctx;
    Form *form = f->form;
    (void)kind;
    (void)type;
    f->wrong = f->wrong || !key || (coding && strcasecmp(coding, "binary") != 0 && strcasecmp(coding, "8bit") != 0);
    if (f->wrong || (at == 0 && form->count == FORM_PARTS)) return MHD_NO;
    if (at == 0) {
        form->parts = mem_grow(form->parts, (form->count + 1) * sizeof *form->parts);
        form->parts[form->count++] = (FormPart){ .name = mem_strdup(key), .file = file != NULL };
    }
    if (!form->count) return MHD_NO;
    str_addn(&form->parts[form->count - 1].data, data, len);
    return MHD_YES;
}

int call_form(Call *r, Form *out, Err *e)
{
    FormReader f = { .form = out };
    *out = (Form){ 0 };
    struct MHD_PostProcessor *p = MHD_create_post_processor(r->connection, FORM_BUFFER, on_part, &f);
    bool ok = p && MHD_post_process(p, str_text(&r->body), r->body.len) == MHD_YES;
    if (p) ok = MHD_destroy_post_processor(p) == MHD_YES && ok;
    return ok && !f.wrong ? 0 : err_usage(e, "the body is not multipart/form-data of at most %d parts", FORM_PARTS);
}

void form_release(Form *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->parts[i].name);
        str_release(&f->parts[i].data);
    }
    free(f->parts);
    *f = (Form){ 0 };
}
