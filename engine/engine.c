/* engine.c - see engine.h. */
#include "engine/engine.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/adapters.h"
#include "base/told.h"
#include "nn/team.h"

enum {
    TEXT_BYTES = 64 << 20,  /* of embeddings */
    FIRST_BYTES = 64 << 20, /* of first evaluations */
};

struct Engine {
    Watch user;  /* who is told */
    Watch watch; /* the same, each line once */
    Told told;
    Model *model;  /* NULL: none is open */
    char *key;     /* of the model that is open, or that could not be opened */
    Err error;     /* why not */
    Cache *texts;  /* the model's embeddings */
    Cache *firsts; /* the model's first evaluations */
};

static void on_say(void *ctx, const char *what) { watch_say(&((Engine *)ctx)->user, what); }
static void on_step(void *ctx, int done, int steps) { watch_step(&((Engine *)ctx)->user, done, steps); }

static void on_warn(void *ctx, const char *text)
{
    Engine *g = ctx;
    if (told_add(&g->told, text)) watch_warn(&g->user, text);
}

static void on_note(void *ctx, const char *text)
{
    Engine *g = ctx;
    if (told_add(&g->told, text)) watch_note(&g->user, text);
}

static bool on_cancelled(void *ctx)
{
    const Watch *w = &((Engine *)ctx)->user;
    return w->cancelled && w->cancelled(w->ctx);
}

Engine *engine_new(const Watch *w)
{
    Engine *g = mem_alloc(sizeof *g);
    if (w) g->user = *w;
    g->watch = (Watch){ g, on_say, on_warn, on_step, on_cancelled, g->user.note ? on_note : NULL };
    return g;
}

static void close_model(Engine *g)
{
    cache_free(g->texts);
    cache_free(g->firsts);
    model_free(g->model);
    free(g->key);
    *g = (Engine){ .user = g->user, .watch = g->watch, .told = g->told };
}

void engine_free(Engine *g)
{
    if (!g) return;
    close_model(g);
    told_release(&g->told);
    free(g);
}

/*
 * The options that decide which model it is. Precision is none of them: it only says for which products transformed weights are
 * kept, and those of the first job serve all; a job with open options names the same model as after they were filled.
 */
static char *key_of(const Job *j)
{
    static const char *const options[] = { "model", "vae", "unet", "tokenizer", "memory" };
    Str key = { 0 };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        job_get(j, option_find(options[i], strlen(options[i])), &key);
        str_add(&key, "\n");
    }
    if (j->init_image) str_add(&key, "encoder");
    return key.s;
}

bool engine_same_model(const Job *a, const Job *b)
{
    char *x = key_of(a), *y = key_of(b);
    bool same = strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

bool engine_has(const Engine *g, const Job *j)
{
    char *key = key_of(j);
    bool open = g->model && strcmp(g->key, key) == 0;
    free(key);
    return open;
}

/* Looking the weights over obeys -t too. */
static void choose_threads(const Engine *g, int wanted)
{
    int got = team_start(wanted);
    char text[160];
    omp_set_num_threads(got);
    snprintf(text, sizeof text,
             "only %d of %d threads can be started (a limit on processes: ulimit -u, pids.max); the picture is "
             "the same, and takes longer",
             got, wanted);
    if (got < wanted) watch_warn(&g->watch, text);
}

/* Takes the key. */
static void open_model(Engine *g, const Job *j, char *key)
{
    close_model(g);
    g->key = key;
    choose_threads(g, j->threads ? j->threads : omp_get_num_procs());
    watch_say(&g->watch, "loading the model");
    ModelPaths paths = {
        .path = j->model, .vae = j->vae, .unet = j->unet, .tokenizer = j->tokenizer, .memory = j->memory, .precision = j->precision
    };
    paths.encoder = j->init_image != NULL;
    g->model = model_open(&paths, &g->error);
    if (!g->model) return;
    model_hash_begin(g->model);
    g->texts = cache_new(TEXT_BYTES);
    g->firsts = cache_new(FIRST_BYTES);
}

/* What was computed with other adapters is out of date. */
static int use_adapters(Engine *g, const Job *j, Err *e)
{
    int changed = adapters_use(g->model, j, &g->watch, e);
    if (!changed) return 0;
    cache_free(g->texts);
    cache_free(g->firsts);
    g->texts = cache_new(TEXT_BYTES);
    g->firsts = cache_new(FIRST_BYTES);
    return changed < 0 ? -1 : 0;
}

Model *engine_model(Engine *g, const Job *j, Err *e)
{
    char *key = key_of(j);
    if (g->key && strcmp(g->key, key) == 0) free(key);
    else open_model(g, j, key);
    if (!g->model) *e = g->error;
    if (!g->model || use_adapters(g, j, e)) return NULL;
    return g->model;
}

int engine_hash(Engine *g, Model *m, Err *e)
{
    if (model_hash(m, e)) return -1;
    if (m->replaced) watch_warn(&g->watch, m->replaced);
    free(m->replaced);
    m->replaced = NULL;
    return 0;
}

Generator *engine_generator(Engine *g, const Job *j, const Share *want, Err *e)
{
    Model *m = engine_model(g, j, e);
    Share share = want ? *want : (Share){ 0 };
    share.texts = g->texts;
    share.firsts = g->firsts;
    return m ? generator_new(m, j, &share, &g->watch, e) : NULL;
}
