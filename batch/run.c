/*
 * run.c - the pictures of a batch, drawn. A window of them is held; those of one kind (all options but prompts and seed) are
 * drawn at once, while a thread writes the ones before. See batch.h.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "batch/batch.h"
#include "batch/tune.h"
#include "batch/worker.h"
#include "engine/engine.h"
#include "nn/kernels.h"
#include "pipeline/recipe.h"

enum {
    WINDOW = 256,   /* pictures that are looked at to find those that can be drawn together */
    QUEUE = 8,      /* pictures that wait to be written */
    TUNES = 16,     /* kinds of pictures whose best batch size is known */
    WARNINGS = 100, /* said at most: a thousand long prompts need not be told one by one */
};

typedef struct {
    char kind[EXPAND_KEY + 1];
    Tune tune;
} KnownTune;

typedef struct {
    Batch *b;
    Worker *worker;
    Item *window[WINDOW];
    int held;
    bool ended; /* the plan has no more */
    int most;   /* --batch-size; 0: auto */

    Engine *engine;
    Model *model; /* the one that is open; NULL: none */

    char kind[EXPAND_KEY + 1]; /* of the generator */
    Generator *generator;
    KnownTune tunes[TUNES];
    int tune_count;
    int warnings;
    bool stop; /* --fail-fast, or nothing can be written */
    Err stop_error;
} Run;

/* ---- Watch: the caller's, but for what is said too often ---- */

static const Watch *told(const Run *r) { return &r->b->watch.watch; }

static void limited(Run *r, void (*tell)(const Watch *w, const char *text), const char *text)
{
    if (r->warnings > WARNINGS) return;
    if (r->warnings++ < WARNINGS) tell(told(r), text);
    else watch_warn(told(r), "further warnings are left out");
}

static void on_warning(void *ctx, const char *text) { limited(ctx, watch_warn, text); }
static void on_note(void *ctx, const char *text) { limited(ctx, watch_note, text); }
static void on_say(void *ctx, const char *what) { watch_say(told(ctx), what); }
static void on_step(void *ctx, int done, int steps) { watch_step(told(ctx), done, steps); }

static bool on_ask_cancelled(void *ctx)
{
    const Watch *w = told(ctx);
    return w->cancelled && w->cancelled(w->ctx);
}

/* ---- what is written ---- */

static void count(Batch *b, const Task *t)
{
    b->run.drawn++;
    if (t->failed) b->run.failed++;
    else b->run.done++;
    if (t->failed && t->refused) b->run.refused++;
}

/* Tells the pictures that are written by now, or with wait all of them. */
static void collect(Run *r, bool wait)
{
    Task *t;
    while ((t = worker_take(r->worker, wait))) {
        Err e;
        if (t->dropped) {
            task_free(t);
            continue;
        }
        count(r->b, t);
        const BatchWatch *w = &r->b->watch;
        if (w->task && w->task(w->watch.ctx, r->b, t, &e) && !r->stop) {
            r->stop = true;
            r->stop_error = e;
        }
        if (t->failed && (t->fatal || r->b->options->fail_fast) && !r->stop) {
            r->stop = true;
            r->stop_error = t->e;
        }
        task_free(t);
    }
}

/* The item becomes the task's. e: why there is no picture; NULL: there is one. */
static void put(Run *r, Item *item, Image *image, double seconds, const Err *e)
{
    Task *t = mem_alloc(sizeof *t);
    t->item = *item;
    t->seconds = seconds;
    if (r->generator) { /* with what the model chose for open options */
        job_copy(&t->job, generator_job(r->generator));
        t->m = r->model;
        t->job.seed = item->job.seed;
        free(t->job.prompt);
        free(t->job.negative_prompt);
        t->job.prompt = mem_strdup(item->job.prompt);
        t->job.negative_prompt = mem_strdup(item->job.negative_prompt);
        t->job.negative_given = item->job.negative_given;
    } else {
        job_copy(&t->job, &item->job);
    }
    if (image) {
        t->image = *image;
        *image = (Image){ 0 };
    }
    if (e) {
        t->failed = -1;
        t->e = *e;
        t->refused = e->code == ERR_USAGE;
    }
    free(item);
    worker_put(r->worker, t);
    collect(r, false);
}

/* ---- models and generators ---- */

static void drop_generator(Run *r)
{
    generator_free(r->generator);
    r->generator = NULL;
    r->kind[0] = 0;
}

/* Pictures that are there were drawn with what this model's path held then. */
static int check_seen(const Batch *b, const Job *j, const Model *m, Err *e)
{
    const char *path = j->model ? j->model : m->path;
    Str written = { 0 }; /* as in the manifest */
    int failed = 0;
    utf8_add(&written, path, strlen(path));
    for (int i = 0; i < b->seen_count && !failed && strcmp(b->options->changed, "refuse") == 0; i++)
        if (strcmp(b->seen[i].path, str_text(&written)) == 0 && strcmp(b->seen[i].sha256, m->sha256) != 0)
            failed =
                err_usage(e,
                          "%s has SHA-256 %.10s..., the pictures in %s were drawn with another, %.10s...; --changed "
                          "keep draws the rest with this one",
                          path, m->sha256, b->names.folder, b->seen[i].sha256);
    str_release(&written);
    return failed;
}

/* The model of a job. If it is the command line's and cannot be had, the batch ends. */
static int use_model(Run *r, const Job *j, Err *e)
{
    if (r->model && engine_has(r->engine, j)) return 0;
    collect(r, true); /* tasks point to the model */
    drop_generator(r);
    r->model = engine_model(r->engine, j, e);
    int failed = !r->model || engine_hash(r->engine, r->model, e);
    bool changed = !failed && check_seen(r->b, j, r->model, e);
    if ((failed && engine_same_model(j, r->b->options)) || changed) {
        r->stop = true;
        r->stop_error = *e;
    }
    return failed || changed ? -1 : 0;
}

/* A generator for n pictures of the item's kind; r->generator may have room for fewer. */
static int use_generator(Run *r, const Item *item, int n, Err *e)
{
    if (use_model(r, &item->job, e)) return -1;
    bool same = r->generator && strcmp(r->kind, item->kind) == 0 && generator_batch(r->generator) >= n;
    if (same && generator_takes(r->generator, &item->job)) return 0;
    drop_generator(r);
    r->generator = engine_generator(r->engine, &item->job, &(Share){ .batch = n, .shrink = true }, e);
    if (!r->generator) {
        drop_generator(r);
        return -1;
    }
    memcpy(r->kind, item->kind, sizeof r->kind);
    return 0;
}

/* ---- which pictures next ---- */

/* 0, or -1: the job file cannot be read any more. */
static int fill(Run *r, Err *e)
{
    while (!r->ended && r->held < WINDOW) {
        Item *i = mem_alloc(sizeof *i);
        int got = plan_next(r->b->plan, i, e);
        bool wanted = got > 0 && i->index <= r->b->total && batch_wants(r->b, i->index);
        if (wanted) {
            r->window[r->held++] = i;
            continue;
        }
        if (got > 0) item_release(i);
        free(i);
        if (got < 0) return -1;
        r->ended = got == 0;
    }
    return 0;
}

/* The next kind: the generator's own, else the oldest of the loaded model, else the oldest. */
static const Item *choose_head(const Run *r)
{
    for (int i = 0; i < r->held; i++)
        if (strcmp(r->window[i]->kind, r->kind) == 0) return r->window[i];
    for (int i = 0; i < r->held && r->model; i++)
        if (engine_has(r->engine, &r->window[i]->job)) return r->window[i];
    return r->window[0];
}

static Tune *tune_of(Run *r, const char *kind)
{
    for (int i = 0; i < r->tune_count; i++)
        if (strcmp(r->tunes[i].kind, kind) == 0) return &r->tunes[i].tune;
    KnownTune *t = &r->tunes[r->tune_count < TUNES ? r->tune_count++ : TUNES - 1];
    *t = (KnownTune){ .tune = { 0 } };
    memcpy(t->kind, kind, sizeof t->kind);
    return &t->tune;
}

/* Takes up to n of the head's kind out of the window, the oldest first. */
static int take_group(Run *r, const Item *head, int n, Item **group)
{
    char kind[EXPAND_KEY + 1];
    int count = 0, kept = 0;
    memcpy(kind, head->kind, sizeof kind);
    for (int i = 0; i < r->held; i++) {
        if (count < n && strcmp(r->window[i]->kind, kind) == 0) group[count++] = r->window[i];
        else r->window[kept++] = r->window[i];
    }
    r->held = kept;
    return count;
}

/* ---- drawing ---- */

static void put_failed(Run *r, Item **group, int n, const Err *e)
{
    for (int i = 0; i < n; i++) put(r, group[i], NULL, 0, e);
}

static void drop_group(Item **group, int n)
{
    for (int i = 0; i < n; i++) {
        item_release(group[i]);
        free(group[i]);
    }
}

/* n pictures at once. Error: interrupted, or one cannot be drawn; then none is, and the items are still the caller's. */
static int draw_together(Run *r, Item **group, int n, Err *e)
{
    Request *requests = mem_array((size_t)n, sizeof *requests);
    Picture *pictures = mem_array((size_t)n, sizeof *pictures);
    double start = clock_now();
    for (int i = 0; i < n; i++) {
        const Job *j = &group[i]->job;
        requests[i] = (Request){ .seed = j->seed, .prompt = j->prompt, .negative_prompt = j->negative_prompt };
        requests[i].no_negative = !j->negative_given && !*j->negative_prompt;
    }
    const BatchWatch *w = &r->b->watch;
    if (w->drawing) w->drawing(w->watch.ctx, group[0]->job.prompt, n);
    int failed = generator_run(r->generator, requests, n, pictures, e);
    double seconds = clock_now() - start;
    if (!failed && !r->most) tune_ran(tune_of(r, r->kind), n, seconds);
    for (int i = 0; i < n && !failed; i++) {
        put(r, group[i], &pictures[i].image, seconds / n, NULL);
        picture_release(&pictures[i]);
    }
    free(requests);
    free(pictures);
    return failed;
}

/* A group that fails as a whole is drawn one by one, so that only what is to blame fails. */
static int draw_group(Run *r, Item **group, int n, Err *e)
{
    if (draw_together(r, group, n, e) == 0) return 0;
    if (e->code == ERR_INTERRUPTED) {
        drop_group(group, n);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        if (n > 1 && !r->stop && draw_together(r, &group[i], 1, e) == 0) continue;
        if (e->code == ERR_INTERRUPTED || (n > 1 && r->stop)) {
            drop_group(group + i, n - i);
            return e->code == ERR_INTERRUPTED ? -1 : 0;
        }
        put(r, group[i], NULL, 0, e);
    }
    return 0;
}

/* The group's last ones are not drawn now: back to the window, before all others. */
static void put_back(Run *r, Item **group, int count)
{
    memmove(r->window + count, r->window, (size_t)r->held * sizeof *r->window);
    memcpy(r->window, group, (size_t)count * sizeof *group);
    r->held += count;
}

/* Prompts of different lengths, or with other parts, do not go together: those like the first stay. Returns how many. */
static int keep_length(Run *r, Item **group, int count)
{
    Item *others[JOB_MAX_BATCH] = { NULL };
    int kept = 1, left = 0;
    for (int i = 1; i < count; i++) {
        if (generator_takes(r->generator, &group[i]->job)) group[kept++] = group[i];
        else others[left++] = group[i];
    }
    put_back(r, others, left);
    return kept;
}

static int draw_next(Run *r, Err *e)
{
    const Item *head = choose_head(r);
    Tune *tune = tune_of(r, head->kind);
    int n = r->most ? r->most : tune_size(tune);
    Item *group[JOB_MAX_BATCH] = { NULL };
    int count = take_group(r, head, n, group);
    assert(group[0] && "the head is of its own kind");
    if (use_generator(r, head, count, e)) {
        bool own = count > 1 && r->model && !recipe_can_read(r->model, &head->job); /* not the others' fault */
        if (own && !r->stop) {
            put_back(r, group + 1, count - 1);
            count = 1;
        }
        if (r->stop || e->code == ERR_INTERRUPTED) drop_group(group, count);
        else put_failed(r, group, count, e);
        return r->stop || e->code == ERR_INTERRUPTED ? -1 : 0;
    }
    count = keep_length(r, group, count);
    int room = generator_batch(r->generator);
    if (room < count && !r->most) tune_limit(tune, room);
    for (int at = 0; at < count; at += room) {
        int some = count - at < room ? count - at : room;
        if (r->stop || draw_group(r, group + at, some, e)) {
            int gone = r->stop ? at : at + some;
            drop_group(group + gone, count - gone);
            return -1;
        }
    }
    return 0;
}

/* ---- the whole of it ---- */

/* How a run that did not reach its end can be taken up again. */
static int unfinished(const Batch *b, Err *e)
{
    Err copy = *e;
    err_set(e, "%.700s; %llu of %llu pictures are drawn, and the same command goes on from there", copy.text,
            (unsigned long long)b->run.done, (unsigned long long)b->run.total);
    e->code = copy.code;
    return -1;
}

static void run_release(Run *r)
{
    for (int i = 0; i < r->held; i++) {
        item_release(r->window[i]);
        free(r->window[i]);
    }
    worker_free(r->worker);
    drop_generator(r);
    engine_free(r->engine);
}

int batch_run(Batch *b, Err *e)
{
    Run r = { .b = b, .most = atoi(b->options->batch_size) };
    const char *why = NULL;
    int failed = 0;
    if (!kernels_select(&why)) return err_usage(e, "%s", why);
    const BatchWatch *w = &b->watch;
    b->run.total = b->mine - b->left;
    b->run.done = b->there;
    b->run.failed = b->run.refused = b->run.drawn = 0;
    if (w->begin) w->begin(w->watch.ctx, b);
    double start = clock_now();
    r.engine = engine_new(&(Watch){ &r, on_say, on_warning, on_step, on_ask_cancelled, on_note, NULL });
    r.worker = worker_new(batch_save, b, QUEUE, e);
    if (!r.worker) {
        run_release(&r);
        return -1;
    }
    plan_rewind(b->plan);
    while (!failed && !r.stop) {
        failed = watch_check(&w->watch, e) || fill(&r, e);
        if (failed || !r.held) break;
        failed = draw_next(&r, e);
    }
    collect(&r, true);
    if (r.stop) *e = r.stop_error;
    if (failed || r.stop) failed = unfinished(b, e);
    double seconds = clock_now() - start;
    run_release(&r);
    if (w->end) w->end(w->watch.ctx, b, seconds);
    return failed ? -1 : 0;
}
