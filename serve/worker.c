/* worker.c - the thread that draws: one engine, one picture after the other. See server.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "output/output.h"
#include "output/picture.h"
#include "output/template.h"
#include "pipeline/metadata.h"
#include "pipeline/vary.h"
#include "serve/enlarge.h"
#include "serve/server.h"

typedef struct {
    Server *s;
    Engine *engine;
    Order *order; /* at hand */
    /* of the job whose pictures came last */
    uint64_t of; /* its order's number; 0: none */
    size_t job;
    Generator *generator;
    Model *model;
    Enlarger enlarger;
    double step_began;
} Worker;

/* ---- Watch ---- */

static void on_word(void *ctx, const char *text)
{
    Worker *w = ctx;
    if (w->order) queue_word(w->s->queue, w->order, text);
}

static void on_step(void *ctx, int done, int steps)
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

static void on_preview(void *ctx, const Image *im, int done, int steps)
{
    Worker *w = ctx;
    (void)done;
    (void)steps;
    if (w->order) queue_preview(w->s->queue, w->order, im);
}

static bool on_cancelled(void *ctx)
{
    const Worker *w = ctx;
    return w->order && (atomic_load(&w->order->cancel) || atomic_load(&w->order->skip));
}

/* ---- a picture ---- */

static void forget_generator(Worker *w)
{
    generator_free(w->generator);
    w->generator = NULL;
    w->of = 0;
}

/* The generator of the order's job at hand. */
static int prepare(Worker *w, Err *e)
{
    Order *t = w->order;
    if (w->generator && w->of == t->id && w->job == t->job) return 0;
    forget_generator(w);
    const Job *j = &t->jobs[t->job];
    w->model = engine_model(w->engine, j, e);
    atomic_store(&w->s->metrics.loaded, w->model != NULL);
    if (!w->model || t->load) return w->model ? 0 : -1;
    w->generator = engine_generator(w->engine, j, NULL, e);
    if (!w->generator) return -1;
    w->of = t->id;
    w->job = t->job;
    return 0;
}

static char *taken(Str *s) { return s->s ? s->s : mem_strdup(""); }

/* told: the job of this one picture. */
static int finish(Worker *w, const Job *told, const Picture *p, uint64_t seed, Made *m, Err *e)
{
    const Order *t = w->order;
    Str path = { 0 }, a1111 = { 0 }, json = { 0 };
    char date[16];
    template_date(date);
    OutputNames names = { told, w->model->name, seed, t->picture + 1, date };
    int failed = engine_hash(w->engine, w->model, e) || output_png(told, w->model, &p->image, seed, 0, &m->png, e);
    if (!failed && t->keep) failed = output_write(&names, m->png, &path, e);
    if (failed) {
        free((void *)(size_t)m->png.data);
        str_release(&path);
        return -1;
    }
    metadata_a1111(told, w->model, seed, &a1111);
    metadata_json(told, w->model, seed, &json);
    m->infotext = taken(&a1111);
    m->settings = taken(&json);
    m->seed = seed;
    m->w = p->image.w;
    m->h = p->image.h;
    if (t->keep) m->file = mem_strdup(path_last(str_text(&path)));
    if (t->keep && t->api == API_OWN) { /* the file is enough */
        free((void *)(size_t)m->png.data);
        m->png = (Bytes){ 0 };
    }
    str_release(&path);
    return 0;
}

static int draw(Worker *w, Made *m, Err *e)
{
    Picture picture = { 0 };
    Job told;
    double start = clock_now();
    if (prepare(w, e)) return -1;
    if (w->order->load) return 0;
    Request request = vary_request(generator_job(w->generator), w->order->picture + 1, &told);
    int failed = generator_run(w->generator, &request, 1, &picture, e);
    if (!failed) failed = finish(w, &told, &picture, request.seed, m, e);
    m->seconds = clock_now() - start;
    picture_release(&picture);
    job_release(&told);
    return failed ? -1 : 0;
}

static int make_larger(Worker *w, const Watch *watch, Made *m, Err *e)
{
    int size[2];
    const Order *t = w->order;
    double start = clock_now();
    if (enlarge(&w->enlarger, &t->jobs[0], watch, &m->png, size, e)) return -1;
    *m = (Made){ .png = m->png, .w = size[0], .h = size[1], .seconds = clock_now() - start };
    m->infotext = mem_strdup("");
    m->settings = mem_strdup("{}");
    return 0;
}

static void draw_next(Worker *w, const Watch *watch, Order *t)
{
    Queue *q = w->s->queue;
    Metrics *count = &w->s->metrics;
    Made m = { 0 };
    Err e = { .code = ERR_FAILED };
    w->order = t;
    int failed = t->enlarge ? make_larger(w, watch, &m, &e) : draw(w, &m, &e);
    bool stopped = failed && e.code == ERR_INTERRUPTED;
    if (failed && !stopped) forget_generator(w);
    w->order = NULL;
    if (!failed && t->load) queue_end(q, t, ORDER_DONE, NULL);
    else if (!failed) {
        atomic_fetch_add(&count->pictures, 1);
        atomic_fetch_add(&count->milliseconds, (uint64_t)(1000 * m.seconds));
        queue_made(q, t, &m);
    } else if (stopped && !atomic_load(&t->cancel)) {
        atomic_store(&t->skip, false);
        queue_made(q, t, NULL);
    } else {
        atomic_fetch_add(stopped ? &count->cancelled : &count->failed, 1);
        queue_end(q, t, stopped ? ORDER_CANCELLED : ORDER_FAILED, stopped ? NULL : &e);
    }
}

void worker_run(Server *s, bool (*stop)(void))
{
    Worker w = { .s = s };
    Watch watch = {
        .ctx = &w, .warn = on_word, .step = on_step, .cancelled = on_cancelled, .note = on_word, .preview = on_preview
    };
    w.engine = engine_new(&watch);
    while (!stop()) {
        Order *t = queue_take(s->queue, 0.2);
        if (t) draw_next(&w, &watch, t);
    }
    generator_free(w.generator);
    engine_free(w.engine);
    enlarger_release(&w.enlarger);
}
