/* http.c - see http.h. curl gets its orders by stdin, so that no list of processes shows a token. */
#define _GNU_SOURCE
#include "hub/http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/version.h"
#include "hub/url.h"

extern char **environ;

enum { HOPS = 10, HEAD_MOST = 1 << 16, BUFFER = 1 << 16, WORDS_MOST = 600 };

struct Http {
    pid_t pid;
    int out, err; /* what curl prints: head and body; words */
    bool (*stop)(void *ctx);
    void *ctx;
    char *buffer; /* [BUFFER] read and not given out yet */
    size_t at, have;
    Str words;
};

/* ---- the process ---- */

static void add_order(Str *out, const char *key, const char *value)
{
    str_addf(out, "%s = \"", key);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') str_add(out, "\\");
        str_addn(out, value, 1);
    }
    str_add(out, "\"\n");
}

static void orders_of(const HttpAsk *ask, const char *url, bool with_token, Str *out)
{
    Str header = { 0 };
    str_add(out, "silent\nshow-error\ninclude\nsuppress-connect-headers\ngloboff\n");
    str_add(out, "connect-timeout = 20\nspeed-limit = 1\nspeed-time = 60\n");
    add_order(out, "proto", url_is_plain(url) ? "=http" : "=https");
    add_order(out, "user-agent", "limn/" LIMN_VERSION);
    add_order(out, "header", "Accept-Encoding: identity");
    if (ask->head) str_add(out, "head\n");
    if (ask->from) {
        str_addf(&header, "Range: bytes=%llu-", (unsigned long long)ask->from);
        add_order(out, "header", str_text(&header));
        str_clear(&header);
    }
    if (with_token) {
        str_addf(&header, "Authorization: Bearer %s", ask->token);
        add_order(out, "header", str_text(&header));
    }
    add_order(out, "url", url);
    str_release(&header);
}

static void shut(int pipes[3][2])
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            if (pipes[i][k] >= 0) close(pipes[i][k]);
}

/* Starts curl; its orders are in the pipe, which holds them. */
static int start(Http *h, const Str *orders, Err *e)
{
    int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }; /* its stdin, stdout, stderr */
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC)) {
            shut(pipes);
            return err_set(e, "cannot make a pipe: %s", strerror(errno));
        }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[0][0], 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipes[2][1], 2);
    char *argv[] = { (char[]){ "curl" }, (char[]){ "-q" }, (char[]){ "--config" }, (char[]){ "-" }, NULL };
    int why = posix_spawnp(&h->pid, "curl", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    bool told = !why && write(pipes[0][1], orders->s, orders->len) == (ssize_t)orders->len;
    h->out = pipes[1][0];
    h->err = pipes[2][0];
    pipes[1][0] = pipes[2][0] = -1;
    shut(pipes);
    if (why == ENOENT)
        return err_set(
            e, "limn pull fetches by the program curl, and it is not installed: get it (Debian: apt install curl)");
    if (why) return err_set(e, "cannot start the program curl: %s", strerror(why));
    return told ? 0 : err_set(e, "the program curl ended before it was told what to get");
}

/* Waits for something to read: 1 curl's output, 0 none yet; -1: stopped. */
static int wait_for(Http *h, Err *e)
{
    struct pollfd p[2] = { { .fd = h->out, .events = POLLIN }, { .fd = h->err, .events = POLLIN } };
    if (h->stop && h->stop(h->ctx)) {
        err_set(e, "interrupted");
        e->code = ERR_INTERRUPTED;
        return -1;
    }
    if (poll(p, 2, 200) <= 0) return 0;
    if (p[1].revents & POLLIN) {
        char words[200];
        ssize_t n = read(h->err, words, sizeof words);
        if (n > 0 && h->words.len < WORDS_MOST) str_addn(&h->words, words, (size_t)n);
    }
    return (p[0].revents & (POLLIN | POLLHUP)) != 0;
}

/* Fills the buffer, which is empty. *ended: there is no more. */
static int fill(Http *h, bool *ended, Err *e)
{
    *ended = false;
    h->at = h->have = 0;
    for (;;) {
        int ready = wait_for(h, e);
        if (ready < 0) return -1;
        if (!ready) continue;
        ssize_t n = read(h->out, h->buffer, BUFFER);
        if (n < 0 && errno == EINTR) continue;
        *ended = n <= 0;
        h->have = n > 0 ? (size_t)n : 0;
        return 0;
    }
}

int http_read(Http *h, void *buf, size_t size, size_t *got, Err *e)
{
    bool ended;
    if (h->at == h->have && fill(h, &ended, e)) return -1;
    *got = h->have - h->at < size ? h->have - h->at : size;
    memcpy(buf, h->buffer + h->at, *got);
    h->at += *got;
    return 0;
}

/* curl's exit status that another try does not change: an address, a certificate, a protocol. */
static bool is_final(int status)
{
    static const int final[] = { 1, 2, 3, 4, 26, 27, 35, 51, 53, 54, 58, 59, 60, 66, 77, 82, 83, 90, 91 };
    for (size_t i = 0; i < sizeof final / sizeof *final; i++)
        if (status == final[i]) return true;
    return false;
}

/* Ends curl; returns its exit status, 0 also where it was ended by us. */
static int finish(Http *h, bool finished)
{
    int status = 0;
    if (!finished && h->pid > 0) kill(h->pid, SIGTERM);
    for (ssize_t n = 1; finished && n > 0 && h->words.len < WORDS_MOST;) {
        char words[200];
        n = read(h->err, words, sizeof words);
        if (n > 0) str_addn(&h->words, words, (size_t)n);
    }
    if (h->out >= 0) close(h->out);
    if (h->err >= 0) close(h->err);
    while (h->pid > 0 && waitpid(h->pid, &status, 0) < 0 && errno == EINTR) continue;
    if (!finished) return 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void release(Http *h)
{
    str_release(&h->words);
    free(h->buffer);
    free(h);
}

/* "curl: (6) Could not resolve host: x" without what only programs want. */
static int say_words(const Http *h, Err *e)
{
    const char *text = str_text(&h->words), *close = strstr(text, ") ");
    if (str_starts(text, "curl: (") && close) text = close + 2;
    return err_set(e, "%.*s", *text ? (int)strcspn(text, "\n") : 31, *text ? text : "the connection ended too early\n");
}

int http_close(Http *h, bool finished, Err *e)
{
    int failed = finish(h, finished) ? say_words(h, e) : 0;
    release(h);
    return failed;
}

/* ---- the head of an answer ---- */

static void keep(char *to, size_t size, const char *value)
{
    size_t n = strlen(value);
    if (*to || n >= size) return;
    memcpy(to, value, n + 1);
}

static uint64_t number_of(const char *s)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    return *s < '0' || *s > '9' || errno || (*end && *end != ' ') ? HTTP_UNKNOWN : v;
}

/* W/"abc" -> abc */
static void keep_etag(char *to, size_t size, char *value)
{
    if (str_starts(value, "W/")) value += 2;
    size_t n = strlen(value);
    if (n > 1 && value[0] == '"' && value[n - 1] == '"') {
        value[n - 1] = 0;
        value++;
    }
    keep(to, size, value);
}

/* bytes 10-99/100 */
static void read_range(const char *s, HttpReply *r)
{
    const char *slash = strchr(s, '/');
    if (!str_starts(s, "bytes ")) return;
    char begin[24] = "";
    size_t n = strcspn(s + 6, "-");
    if (n < sizeof begin) memcpy(begin, s + 6, n);
    r->begin = number_of(begin);
    r->total = slash ? number_of(slash + 1) : HTTP_UNKNOWN;
}

/* attachment; filename="x.safetensors" */
static void read_disposition(const char *s, HttpReply *r)
{
    const char *name = strcasestr(s, "filename=");
    if (!name) return;
    name += strlen("filename=");
    bool quoted = *name == '"';
    name += quoted;
    size_t n = strcspn(name, quoted ? "\"" : "; ");
    if (n && n < sizeof r->file_name && !r->file_name[0]) memcpy(r->file_name, name, n);
}

/* What only the answer at hand says, and no earlier one. */
typedef struct {
    char etag[132];
    Str location;
} Hop;

static void read_line(char *line, HttpReply *r, Hop *hop)
{
    char *value = strchr(line, ':');
    if (!value) return;
    *value++ = 0;
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n && strchr(" \t\r", value[n - 1]); n--) value[n - 1] = 0;
    if (!strcasecmp(line, "location")) str_clear(&hop->location), str_add(&hop->location, value);
    else if (!strcasecmp(line, "content-length")) r->length = number_of(value);
    else if (!strcasecmp(line, "content-range")) read_range(value, r);
    else if (!strcasecmp(line, "content-encoding")) keep(r->encoding, sizeof r->encoding, value);
    else if (!strcasecmp(line, "content-type")) keep(r->content_type, sizeof r->content_type, value);
    else if (!strcasecmp(line, "content-disposition")) read_disposition(value, r);
    else if (!strcasecmp(line, "x-linked-etag")) keep_etag(r->etag, sizeof r->etag, value);
    else if (!strcasecmp(line, "etag")) keep_etag(hop->etag, sizeof hop->etag, value);
    else if (!strcasecmp(line, "x-linked-size")) r->linked_size = number_of(value);
    else if (!strcasecmp(line, "x-repo-commit")) keep(r->commit, sizeof r->commit, value);
    else if (!strcasecmp(line, "x-error-code")) keep(r->error_code, sizeof r->error_code, value);
    else if (!strcasecmp(line, "x-error-message")) keep(r->error_message, sizeof r->error_message, value);
    else if (!strcasecmp(line, "retry-after")) {
        uint64_t n = number_of(value);
        r->retry_after = n > 3600 ? -1 : (long)n;
    }
}

/* One block up to its empty line. 0, or -1: there is none (*ended: no connection). */
static int read_block(Http *h, HttpReply *r, Hop *hop, bool *ended, Err *e)
{
    Str line = { 0 };
    size_t all = 0;
    int failed = -1;
    *ended = false;
    for (;;) {
        char c;
        size_t got;
        if (http_read(h, &c, 1, &got, e)) break;
        *ended = got == 0;
        if (*ended || ++all > HEAD_MOST) {
            err_set(e, *ended ? "no answer" : "the head of the server's answer is longer than %d bytes", HEAD_MOST);
            break;
        }
        if (c != '\n') {
            str_addn(&line, &c, 1);
            continue;
        }
        if (line.len && line.s[line.len - 1] == '\r') line.s[--line.len] = 0;
        if (!line.len) {
            failed = r->status ? 0 : err_set(e, "the server's answer has no status");
            break;
        }
        if (str_starts(line.s, "HTTP/") && strchr(line.s, ' ')) r->status = atoi(strchr(line.s, ' '));
        else read_line(line.s, r, hop);
        str_clear(&line);
    }
    str_release(&line);
    return failed;
}

static int read_head(Http *h, HttpReply *r, Hop *hop, bool *ended, Err *e)
{
    do {
        r->status = 0;
        r->length = r->begin = r->total = HTTP_UNKNOWN;
        r->content_type[0] = r->encoding[0] = 0;
        str_clear(&hop->location);
        hop->etag[0] = 0;
        if (read_block(h, r, hop, ended, e)) return -1;
    } while (r->status < 200);
    return 0;
}

/* One request without a look at where it leads. */
static Http *request(const HttpAsk *ask, const char *url, HttpReply *r, Hop *hop, bool *again, Err *e)
{
    Http *h = mem_alloc(sizeof *h);
    Str orders = { 0 };
    bool ended = false, safe = !url_is_plain(url) || url_is_loopback(url);
    *h = (Http){ .out = -1, .err = -1, .stop = ask->stop, .ctx = ask->ctx, .buffer = mem_alloc(BUFFER) };
    orders_of(ask, url, ask->token && safe && url_same_origin(url, ask->url), &orders);
    *again = false;
    int failed = start(h, &orders, e);
    str_release(&orders);
    if (!failed && !read_head(h, r, hop, &ended, e)) return h;
    int status = finish(h, ended);
    if (ended) say_words(h, e);
    *again = ended && !is_final(status);
    release(h);
    return NULL;
}

Http *http_open(const HttpAsk *ask, HttpReply *r, bool *again, Err *e)
{
    Str url = { 0 }, next = { 0 };
    Hop hop = { 0 };
    Http *h = NULL;
    *r = (HttpReply){ .linked_size = HTTP_UNKNOWN, .retry_after = -1 };
    str_add(&url, ask->url);
    for (int hops = 0;; hops++) {
        h = request(ask, url.s, r, &hop, again, e);
        url_host(url.s, r->host);
        r->led_away = !url_same_origin(url.s, ask->url);
        bool leads = h && r->status >= 300 && r->status < 400 && r->status != 304 && hop.location.len;
        if (!leads) break;
        http_close(h, false, e);
        h = NULL;
        if (hops == HOPS) {
            err_set(e, "the server leads on more than %d times", HOPS);
            break;
        }
        if (url_join(&next, url.s, hop.location.s, e)) break;
        if (url_is_plain(next.s) && !url_is_plain(url.s)) {
            err_set(e, "the server leads from https to plain http (%s): not followed", url_host(next.s, r->host));
            break;
        }
        str_clear(&url);
        str_add(&url, next.s);
    }
    keep(r->etag, sizeof r->etag, hop.etag);
    if (h && r->encoding[0] && strcasecmp(r->encoding, "identity") != 0) {
        http_close(h, false, e);
        h = NULL;
        err_set(e, "the server packs what it sends (%.20s), which was not asked for", r->encoding);
    }
    if (!h && *e->text) err_in(e, r->host);
    str_release(&hop.location);
    str_release(&url);
    str_release(&next);
    return h;
}

/* ---- answers in words ---- */

bool http_worth_another(const HttpReply *r) { return r->status == 408 || r->status == 429 || r->status >= 500; }

int http_refused(const HttpReply *r, const char *what, Err *e)
{
    const char *code = r->error_code;
    if (strcmp(code, "GatedRepo") == 0)
        return err_set(e, "%s is given only to who has agreed to its terms: do so on its page at %s, then set HF_TOKEN",
                       what, r->host);
    if (strcmp(code, "EntryNotFound") == 0) return err_set(e, "%s: %s has no such file", what, r->host);
    if (strcmp(code, "RevisionNotFound") == 0) return err_set(e, "%s: %s has no such revision", what, r->host);
    if (strcmp(code, "DisabledRepo") == 0) return err_set(e, "%s: %s has shut it", what, r->host);
    if (strcmp(code, "RepoNotFound") == 0 || r->status == 401)
        return err_set(e, "%s: %s has none of that name, or it wants a token (HF_TOKEN, CIVITAI_TOKEN)", what, r->host);
    if (r->status == 403)
        return err_set(e, "%s: %s refuses it (403): a token that may read it is wanted (HF_TOKEN)", what, r->host);
    if (r->status == 404) return err_set(e, "%s: %s has none of that name", what, r->host);
    if (r->status == 429)
        return err_set(e, "%s: %s is asked too often (429): try again later, or with a token (HF_TOKEN)", what,
                       r->host);
    return err_set(e, "%s: %s answers with status %d%s%s", what, r->host, r->status, r->error_message[0] ? ": " : "",
                   r->error_message);
}

int http_wait(const HttpAsk *ask, int tried, const HttpReply *r, Err *e)
{
    long seconds =
        r && r->retry_after >= 0 ? (r->retry_after < 60 ? r->retry_after : 60) : 1L << (tried < 4 ? tried - 1 : 3);
    for (long i = 0; i < seconds * 10; i++) {
        if (ask->stop && ask->stop(ask->ctx)) {
            err_set(e, "interrupted");
            e->code = ERR_INTERRUPTED;
            return -1;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
    return 0;
}

/* One try. *again: another may do better. */
static int text_once(const HttpAsk *ask, size_t most, Str *out, HttpReply *r, bool *again, Err *e)
{
    Http *h = http_open(ask, r, again, e);
    size_t got = 1;
    if (!h) return -1;
    char buf[4096];
    str_clear(out);
    while (got) {
        if (http_read(h, buf, sizeof buf, &got, e)) {
            http_close(h, false, &(Err){ 0 });
            return -1;
        }
        str_addn(out, buf, got);
        if (out->len <= most) continue;
        http_close(h, false, e);
        return err_set(e, "%s answers with more than %zu bytes", r->host, most);
    }
    *again = true;
    if (http_close(h, true, e)) return err_in(e, r->host);
    *again = http_worth_another(r);
    return r->status == 200 ? 0 : http_refused(r, ask->what, e);
}

int http_text(const HttpAsk *ask, size_t most, Str *out, HttpReply *r, Err *e)
{
    bool again = false;
    for (int tried = 1;; tried++) {
        if (!text_once(ask, most, out, r, &again, e)) return 0;
        if (!again || tried == HTTP_TRIES || e->code == ERR_INTERRUPTED) return -1;
        if (http_wait(ask, tried, r, e)) return -1;
    }
}
