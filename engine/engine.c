/* engine.c - see engine.h. */
#include "engine/engine.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "base/mem.h"
#include "pipeline/adapters.h"
#include "pipeline/controls.h"
#include "pipeline/embeddings.h"
#include "base/told.h"
#include "pipeline/recipe.h"
#include "nn/team.h"

enum {
    TEXT_BYTES = 64 << 20,  /* of embeddings */
    FIRST_BYTES = 64 << 20, /* of first evaluations */
};

/* A model that is open, or could not be opened. */
typedef struct {
    Model *model;  /* NULL: none is open */
    char *key;     /* of its options */
    Err error;     /* why not */
    Cache *texts;  /* the model's embeddings */
    Cache *firsts; /* the model's first evaluations */
} Slot;

/* The job's model, and the one that takes over from it. */
enum { FIRST, REFINER, SLOTS };

struct Engine {
    Watch user;  /* who is told */
    Watch watch; /* the same, each line once */
    Told told;
    bool briefly;
    Slot slot[SLOTS];
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

static void on_preview(void *ctx, const Image *im, int done, int steps)
{
    watch_preview(&((Engine *)ctx)->user, im, done, steps);
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
    g->watch = (Watch){ g, on_say, on_warn, on_step, on_cancelled, g->user.note ? on_note : NULL, NULL };
    if (g->user.preview) g->watch.preview = on_preview;
    return g;
}

static void slot_close(Slot *s)
{
    cache_free(s->texts);
    cache_free(s->firsts);
    model_free(s->model);
    free(s->key);
    *s = (Slot){ 0 };
}

void engine_briefly(Engine *g) { g->briefly = true; }

void engine_free(Engine *g)
{
    if (!g) return;
    for (int i = 0; i < SLOTS; i++) slot_close(&g->slot[i]);
    told_release(&g->told);
    free(g);
}

/*
 * The options that decide which model it is. Precision is none of them: it only says for which products transformed weights are
 * kept, and those of the first job serve all; a job with open options names the same model as after they were filled.
 */
static char *key_of(const Job *j, int slot)
{
    static const char *const options[] = { "vae", "tokenizer", "memory" };
    Str key = { 0 };
    const char *path = slot == REFINER ? j->refiner : j->model;
    str_addf(&key, "%s\n", path ? path : "");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        job_get(j, option_find(options[i], strlen(options[i])), &key);
        str_add(&key, "\n");
    }
    if (j->unet && slot == FIRST) str_add(&key, j->unet);
    if (recipe_encodes(j) && slot == FIRST) str_add(&key, "\nencoder");
    return key.s;
}

static bool same(const Job *a, const Job *b, int slot)
{
    char *x = key_of(a, slot), *y = key_of(b, slot);
    bool equal = strcmp(x, y) == 0;
    free(x);
    free(y);
    return equal;
}

bool engine_same_model(const Job *a, const Job *b) { return same(a, b, FIRST) && same(a, b, REFINER); }

/* Whether the slot holds what the job names. */
static bool holds(const Slot *s, const Job *j, int slot)
{
    char *key = key_of(j, slot);
    bool equal = s->key && strcmp(s->key, key) == 0;
    free(key);
    return equal;
}

bool engine_has(const Engine *g, const Job *j)
{
    bool refiner = !j->refiner || (g->slot[REFINER].model && holds(&g->slot[REFINER], j, REFINER));
    return g->slot[FIRST].model && holds(&g->slot[FIRST], j, FIRST) && refiner;
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

static void open_model(Engine *g, const Job *j, int slot)
{
    Slot *s = &g->slot[slot];
    slot_close(s);
    s->key = key_of(j, slot);
    choose_threads(g, j->threads ? j->threads : cores_allowed());
    watch_say(&g->watch, slot == REFINER ? "loading the refiner" : "loading the model");
    ModelPaths paths = { .path = slot == REFINER ? j->refiner : j->model,
                         .vae = j->vae,
                         .unet = slot == FIRST ? j->unet : NULL,
                         .tokenizer = j->tokenizer,
                         .memory = j->memory,
                         .precision = j->precision,
                         .briefly = g->briefly };
    paths.encoder = recipe_encodes(j) && slot == FIRST;
    s->model = model_open(&paths, &s->error);
    if (!s->model) return;
    model_hash_begin(s->model);
    s->texts = cache_new(TEXT_BYTES);
    s->firsts = cache_new(FIRST_BYTES);
}

/* What was computed with other adapters is out of date. */
static int use_adapters(Engine *g, Slot *s, const Job *j, Err *e)
{
    bool first = s == &g->slot[FIRST]; /* LoRAs are made for a base, and its refiner has other blocks */
    int laid = first ? adapters_use(s->model, j, &g->watch, e) : 0;
    int words = laid < 0 ? 0 : embeddings_use(s->model, j, &g->watch, e);
    if (!laid && !words) return 0;
    cache_free(s->texts);
    cache_free(s->firsts);
    s->texts = cache_new(TEXT_BYTES);
    s->firsts = cache_new(FIRST_BYTES);
    return laid < 0 || words < 0 ? -1 : 0;
}

static Model *use_model(Engine *g, const Job *j, int slot, Err *e)
{
    Slot *s = &g->slot[slot];
    if (!holds(s, j, slot)) open_model(g, j, slot);
    if (!s->model) *e = s->error;
    return s->model;
}

Model *engine_model(Engine *g, const Job *j, Err *e)
{
    if (!use_model(g, j, FIRST, e) || use_adapters(g, &g->slot[FIRST], j, e)) return NULL;
    if (controls_use(g->slot[FIRST].model, j, e)) return NULL;
    return g->slot[FIRST].model;
}

int engine_hash(Engine *g, Model *m, Err *e)
{
    if (model_hash(m, e)) return -1;
    if (m->replaced) watch_warn(&g->watch, m->replaced);
    free(m->replaced);
    m->replaced = NULL;
    return 0;
}

/* The model that takes over stays open until another does. */
static int use_refiner(Engine *g, const Job *j, Share *share, Err *e)
{
    if (!j->refiner) return 0;
    share->refiner = use_model(g, j, REFINER, e);
    if (!share->refiner || use_adapters(g, &g->slot[REFINER], j, e)) return err_in(e, "--refiner");
    share->refiner_texts = g->slot[REFINER].texts;
    return 0;
}

Generator *engine_generator(Engine *g, const Job *j, const Share *want, Err *e)
{
    Model *m = engine_model(g, j, e);
    Share share = want ? *want : (Share){ 0 };
    if (!m || use_refiner(g, j, &share, e)) return NULL;
    share.texts = g->slot[FIRST].texts;
    share.firsts = g->slot[FIRST].firsts;
    return generator_new(m, j, &share, &g->watch, e);
}
