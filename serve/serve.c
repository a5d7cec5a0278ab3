/* serve.c - see serve.h. */
#include "serve/serve.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/server.h"

struct Serve {
    Server server;
    Listener listener;
    char *folder;
};

static const Route *const routes[] = { a1111_routes,         a1111_options, a1111_lists, a1111_extras, a1111_state,
                                       a1111_control_routes, openai_routes, own_jobs,    own_routes,   NULL };

int serve_listen(Serve **out, const Job *options, Err *e)
{
    Serve *s = *out = mem_alloc(sizeof *s);
    const Job *o = options;
    s->listener.fd = -1;
    s->folder = mem_strdup(o->output ? o->output : "limn-pictures");
    size_t len = strlen(s->folder);
    while (len > 1 && s->folder[len - 1] == '/') s->folder[--len] = 0;
    Server *v = &s->server;
    v->options = o;
    v->folder = s->folder;
    v->log = o->verbose;
    v->began = clock_now();
    v->guard.host = mem_strdup(o->host);
    v->guard.allow = o->allow_host ? mem_strdup(o->allow_host) : NULL;
    v->guard.cors = o->cors ? mem_strdup(o->cors) : NULL;
    pthread_mutex_init(&v->lock, NULL);
    if (styles_read(o->styles_file, &v->styles, e)) return -1;
    if (o->api_key_file && guard_read_key(o->api_key_file, &v->guard.key, e)) return -1;
    if (http_listen(&s->listener, o->host, o->port, e)) return -1;
    if (!s->listener.loopback && !v->guard.key)
        return err_usage(e, "--host: %.60s can be reached from elsewhere: a key is needed (--api-key-file FILE)",
                         o->host);
    return folder_make(&v->at, s->folder, e) ? err_in(e, "--output") : 0;
}

int serve_socket(const Serve *s) { return s->listener.fd; }
const char *serve_url(const Serve *s) { return s->listener.url; }
const char *serve_folder(const Serve *s) { return s->folder; }

int serve_open(Serve *s, int *resumed, Err *e)
{
    Server *v = &s->server;
    const Job *o = v->options;
    v->models = catalogue_new(o->model, o->model_dir, e);
    if (!v->models) return -1;
    v->queue = queue_new(o->queue);
    v->journal = journal_open(&v->at, v->queue, o, resumed, e);
    if (v->journal) wish_clean(&v->at);
    return v->journal ? 0 : -1;
}

int serve_run(Serve *s, bool (*stop)(void), Err *e)
{
    Server *v = &s->server;
    Http *h = http_start(v, &s->listener, routes, stop, e);
    if (!h) return -1;
    int failed = worker_run(v, stop, e);
    queue_stop(v->queue);
    http_quiesce(h);
    s->listener.fd = -1;
    queue_close(v->queue);
    http_stop(h);
    return failed;
}

void serve_close(Serve *s)
{
    if (!s) return;
    Server *v = &s->server;
    journal_close(v->journal);
    queue_free(v->queue);
    catalogue_free(v->models);
    folder_close(&v->at);
    styles_release(&v->styles);
    if (s->listener.fd >= 0) close(s->listener.fd);
    free(v->guard.key);
    free(v->guard.host);
    free(v->guard.allow);
    free(v->guard.cors);
    free(v->model);
    cJSON_Delete(v->settings);
    pthread_mutex_destroy(&v->lock);
    free(s->folder);
    free(s);
}
