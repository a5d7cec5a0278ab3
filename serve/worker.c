/*
 * worker.c - the thread that draws: one picture after the other, through limn's own library (lib/limn.h), so that what a program gets from
 * that is what this one is served by. See server.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "lib/inside.h"
#include "output/output.h"
#include "output/template.h"
#include "serve/enlarge.h"
#include "serve/server.h"

typedef struct {
    Server *s;
    limn *limn;
    Order *order; /* at hand */
    /* what was begun: a job of an order */
    uint64_t of; /* the order's number; 0: nothing */
    size_t job;
    Enlarger enlarger;
    double step_began;
} Worker;

/* ---- who is told ---- */

/* What a file of the request is called here is nothing to who sent it. */
static void hide_files(const Order *t, char *text)
{
    static const char instead[] = "the picture that was sent";
    const char *const lists[] = { t->input, t->kept };
    for (int i = 0; i < 2; i++)
        for (const char *p = lists[i], *end; p && (end = strchr(p, '\n')); p = end + 1) {
            char *path = mem_strndup(p, (size_t)(end - p)), *at = strstr(text, path);
            size_t len = strlen(path), new = sizeof instead - 1;
            if (at && len >= new) {
                memcpy(at, instead, new);
                memmove(at + new, at + len, strlen(at + len) + 1);
            }
            free(path);
        }
}

static void on_word(void *ctx, int warning, const char *text)
{
    Worker *w = ctx;
    (void)warning;
    char *shown = w->order ? mem_strdup(text) : NULL;
    if (!shown) return;
    hide_files(w->order, shown);
    queue_word(w->s->queue, w->order, shown);
    free(shown);
}

static void told(void *ctx, const char *text) { on_word(ctx, 0, text); }

static void step_done(void *ctx, int done, int steps)
{
    Worker *w = ctx;
    Metrics *m = &w->s->metrics;
    double now = clock_now();
    if (done > 0) {
        atomic_fetch_add(&m->steps, 1);
        atomic_fetch_add(&m->step_milliseconds, (uint64_t)(1000 * (now - w->step_began)));
    }
    w->step_began = now;
    if (w->order) queue_step(w->s->queue, w->order, done, steps);
}

static void on_step(void *ctx, int picture, int step, int steps)
{
    (void)picture;
    step_done(ctx, step, steps);
}

static void on_preview(void *ctx, int step, int steps, const limn_picture *so_far)
{
    Worker *w = ctx;
    Image im = { .w = so_far->w, .h = so_far->h, .rgb = so_far->pixels };
    (void)steps;
    if (w->order) queue_preview(w->s->queue, w->order, &im, step);
}

static bool stopped(void *ctx)
{
    const Worker *w = ctx;
    return w->order && (atomic_load(&w->order->cancel) || atomic_load(&w->order->skip));
}

static int on_cancelled(void *ctx) { return stopped(ctx); }

/* Not even the reserve is left. */
static void on_no_memory(size_t bytes, void *ctx)
{
    (void)ctx;
    mem_end_program(bytes);
}

/* ---- a picture ---- */

static int failure(const limn_error *from, Err *e)
{
    err_set(e, "%s", from->text);
    e->code = (ErrCode)from->code;
    return -1;
}

static void forget(Worker *w)
{
    limn_end(w->limn);
    w->of = 0;
}

/* Begins the order's job at hand, where another was drawn before; its model alone, where no more is asked for. */
static int prepare(Worker *w, Err *e)
{
    const Order *t = w->order;
    limn_error why;
    if (w->of == t->id && w->job == t->job) return 0;
    forget(w);
    limn_job *job = job_of(&t->jobs[t->job]);
    int failed = t->kind == ORDER_LOAD ? limn_load(w->limn, job, &why) : limn_begin(w->limn, job, &why);
    limn_job_free(job);
    atomic_store(&w->s->metrics.loaded, limn_model(w->limn) != NULL);
    if (failed) return failure(&why, e);
    if (t->kind == ORDER_LOAD) return 0;
    w->of = t->id;
    w->job = t->job;
    return 0;
}

/* The file of a picture that is kept. */
static int keep(Worker *w, const limn_picture *p, Made *m, Err *e)
{
    const Order *t = w->order;
    Str path = { 0 };
    char date[16];
    template_date(date);
    OutputNames names = { &p->told, limn_model(w->limn)->name, p->seed, t->picture + 1, date };
    int failed = output_write(&names, p->png, &path, e);
    if (!failed) m->file = mem_strdup(path_last(str_text(&path)));
    str_release(&path);
    return failed;
}

static void *taken(void **p)
{
    void *all = *p;
    *p = NULL;
    return all;
}

static void take(limn_picture *p, Made *m)
{
    m->png = p->png;
    p->png = (Bytes){ 0 };
    m->infotext = taken((void **)&p->infotext);
    m->settings = taken((void **)&p->settings);
    m->seed = p->seed;
    m->w = p->w;
    m->h = p->h;
}

static int draw(Worker *w, Made *m, Err *e)
{
    const Order *t = w->order;
    limn_picture *p = NULL;
    limn_error why;
    double start = clock_now();
    if (prepare(w, e)) return -1;
    if (t->kind == ORDER_LOAD) return 0;
    if (limn_seek(w->limn, t->picture + 1, &why) || limn_next(w->limn, &p, &why) < 0) return failure(&why, e);
    int failed = t->keep ? keep(w, p, m, e) : 0;
    if (!failed) take(p, m);
    limn_picture_free(p);
    m->seconds = clock_now() - start;
    if (!failed && t->keep && t->api == API_OWN) { /* the file is enough */
        free((void *)(size_t)m->png.data);
        m->png = (Bytes){ 0 };
        free(m->infotext);
        m->infotext = NULL;
    }
    return failed ? -1 : 0;
}

static int make_larger(Worker *w, Made *m, Err *e)
{
    int size[2];
    const Order *t = w->order;
    const Watch watch = { .ctx = w, .warn = told, .step = step_done, .cancelled = stopped, .note = told };
    double start = clock_now();
    if (enlarge(&w->enlarger, &t->jobs[t->job], &watch, &m->png, size, e)) return -1;
    *m = (Made){ .png = m->png, .w = size[0], .h = size[1], .seconds = clock_now() - start };
    m->infotext = mem_strdup("");
    m->settings = mem_strdup("{}");
    return 0;
}

/* A library with no model open. */
static int open_nothing(Worker *w, Err *e)
{
    limn_error why;
    limn_callbacks heard = { .size = sizeof heard,
                             .ctx = w,
                             .word = on_word,
                             .step = on_step,
                             .cancelled = on_cancelled,
                             .preview = on_preview };
    limn *fresh = limn_new(&heard, &why);
    if (!fresh) return failure(&why, e);
    if (w->limn) forget(w);
    limn_free(w->limn);
    enlarger_release(&w->enlarger);
    atomic_store(&w->s->metrics.loaded, false);
    w->limn = fresh;
    return 0;
}

static void draw_next(Worker *w, Order *t)
{
    Queue *q = w->s->queue;
    Metrics *count = &w->s->metrics;
    Made m = { 0 };
    Err e = { .code = ERR_FAILED };
    w->order = t;
    int failed = t->kind == ORDER_ENLARGE  ? make_larger(w, &m, &e)
                 : t->kind == ORDER_UNLOAD ? open_nothing(w, &e)
                                           : draw(w, &m, &e);
    bool given_up = failed && e.code == ERR_INTERRUPTED;
    if (failed && !given_up) forget(w);
    if (failed) hide_files(t, e.text);
    w->order = NULL;
    if (!failed && t->kind >= ORDER_LOAD) queue_end(q, t, ORDER_DONE, NULL);
    else if (!failed) {
        atomic_fetch_add(&count->pictures, 1);
        atomic_fetch_add(&count->milliseconds, (uint64_t)(1000 * m.seconds));
        queue_made(q, t, &m);
    } else if (given_up && !atomic_load(&t->cancel)) {
        atomic_store(&t->skip, false);
        queue_made(q, t, NULL);
    } else {
        atomic_fetch_add(given_up ? &count->cancelled : &count->failed, 1);
        queue_end(q, t, given_up ? ORDER_CANCELLED : ORDER_FAILED, given_up ? NULL : &e);
    }
}

int worker_run(Server *s, bool (*stop)(void), Err *e)
{
    Worker w = { .s = s };
    limn_on_no_memory(on_no_memory, NULL);
    if (open_nothing(&w, e)) return -1;
    while (!stop()) {
        Order *t = queue_take(s->queue, 0.2);
        if (t) draw_next(&w, t);
    }
    limn_free(w.limn);
    enlarger_release(&w.enlarger);
    return 0;
}
