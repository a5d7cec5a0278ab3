/* limn.c - the handle `limn`: an engine and the pictures drawn by it. See limn.h. */
#include "lib/limn.h"

#include <assert.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "base/mem.h"
#include "base/version.h"
#include "engine/engine.h"
#include "lib/inside.h"
#include "nn/kernels.h"
#include "nn/team.h"
#include "output/picture.h"
#include "pipeline/metadata.h"
#include "pipeline/vary.h"
#include "scheduler/samplers.h"

static_assert((int)LIMN_FAILED == (int)ERR_FAILED && (int)LIMN_USAGE == (int)ERR_USAGE &&
                  (int)LIMN_CANCELLED == (int)ERR_INTERRUPTED,
              "limn.h's codes are err.h's");

struct limn {
    limn_callbacks user;
    Engine *engine;
    limn_job *asked;      /* what was begun; NULL: nothing is */
    limn_job *decided;    /* the same with the model's choices */
    Generator *generator; /* of it */
    Model *model;         /* that is open; NULL: none is */
    int index;            /* of the last picture, from 1 */
    unsigned since;       /* the reserve, as it was when the call began */
    bool busy;            /* a call is at work: what a callback asks of the same handle is refused */
};

int limn_abi(void) { return LIMN_ABI; }
const char *limn_version(void) { return LIMN_VERSION; }

/* ---- Watch ---- */

static void on_say(void *ctx, const char *what)
{
    const limn *l = ctx;
    if (l->user.say) l->user.say(l->user.ctx, what);
}

static void on_warn(void *ctx, const char *text)
{
    const limn *l = ctx;
    if (l->user.word) l->user.word(l->user.ctx, 1, text);
}

static void on_note(void *ctx, const char *text)
{
    const limn *l = ctx;
    if (l->user.word) l->user.word(l->user.ctx, 0, text);
}

static void on_step(void *ctx, int done, int steps)
{
    const limn *l = ctx;
    if (l->user.step) l->user.step(l->user.ctx, l->index, done, steps);
}

static bool on_cancelled(void *ctx)
{
    const limn *l = ctx;
    return memory_spent(l->since) || (l->user.cancelled && l->user.cancelled(l->user.ctx));
}

static void on_preview(void *ctx, const Image *im, int done, int steps)
{
    const limn *l = ctx;
    limn_picture so_far = { .pixels = im->rgb, .w = im->w, .h = im->h, .channels = 3 };
    l->user.preview(l->user.ctx, done, steps, &so_far);
}

limn *limn_new(const limn_callbacks *c, limn_error *error)
{
    unsigned since = 0;
    const char *why = NULL;
    Err e;
    int failed = memory_ready(&since, &e);
    if (!failed && !kernels_select(&why)) failed = err_usage(&e, "%s", why);
    if (outcome(failed, since, &e, error)) return NULL;
    limn *l = mem_alloc(sizeof *l);
    if (c) memcpy(&l->user, c, c->size < sizeof l->user ? c->size : sizeof l->user);
    Watch w = { l, on_say, on_warn, on_step, on_cancelled, on_note, l->user.preview ? on_preview : NULL };
    l->engine = engine_new(&w);
    return l;
}

static void end(limn *l)
{
    generator_free(l->generator);
    limn_job_free(l->decided);
    limn_job_free(l->asked);
    l->generator = NULL;
    l->decided = l->asked = NULL;
    l->index = 0;
}

void limn_end(limn *l)
{
    if (!l->busy) end(l);
}

void limn_free(limn *l)
{
    if (!l || l->busy) return;
    end(l);
    engine_free(l->engine);
    free(l);
}

const limn_job *limn_decided(const limn *l) { return l->decided; }
const Model *limn_model(const limn *l) { return l->model; }

/* ---- a call ---- */

/*
 * OpenMP's number of threads is the calling thread's: it is the job's within a call, and the caller's own again afterwards,
 * whichever thread the next call comes from.
 */
typedef struct {
    int threads;
} Caller;

static int enter(limn *l, const limn_job *job, Caller *caller, Err *e)
{
    const Job *j = &job->job;
    caller->threads = omp_get_max_threads();
    l->busy = true;
    if (memory_ready(&l->since, e)) return -1;
    omp_set_num_threads(team_start(j->threads ? j->threads : cores_allowed()));
    return 0;
}

static int leave(limn *l, const Caller *caller, int failed, const Err *from, limn_error *e)
{
    l->busy = false;
    omp_set_num_threads(caller->threads);
    return outcome(failed, l->since, from, e);
}

/* What fails before it begins. */
static int refuse(const Err *from, limn_error *e)
{
    unsigned now;
    Err unused;
    memory_ready(&now, &unused);
    return outcome(-1, now, from, e);
}

static int refuse_within(limn_error *error)
{
    Err e;
    err_usage(&e, "a call of this handle is at work: its callbacks cannot ask it for more");
    return refuse(&e, error);
}

/* Ends what was begun before. The job is copied first: it may be the one that was. */
static int begin_anew(limn *l, const limn_job *job, limn_error *error)
{
    Err e;
    if (l->busy) return refuse_within(error);
    limn_job *asked = limn_job_copy(job);
    end(l);
    l->asked = asked;
    if (asked) return 0;
    err_set(&e, "out of memory");
    return refuse(&e, error);
}

int limn_load(limn *l, const limn_job *job, limn_error *error)
{
    Caller caller;
    Err e;
    if (begin_anew(l, job, error)) return -1;
    int failed = enter(l, l->asked, &caller, &e);
    if (!failed) l->model = engine_model(l->engine, &l->asked->job, &e);
    failed = leave(l, &caller, failed || !l->model, &e, error);
    end(l);
    return failed;
}

/* ---- drawing ---- */

static int begin(limn *l, Err *e)
{
    Job *j = &l->asked->job;
    if (vary_choose(j, e)) return -1;
    l->model = engine_model(l->engine, j, e);
    if (l->model) l->generator = engine_generator(l->engine, j, NULL, e);
    if (!l->generator) return -1;
    l->decided = limn_job_copy(l->asked);
    if (!l->decided) return err_set(e, "out of memory");
    job_release(&l->decided->job);
    job_copy(&l->decided->job, generator_job(l->generator));
    return 0;
}

int limn_begin(limn *l, const limn_job *job, limn_error *error)
{
    Caller caller;
    Err e;
    if (begin_anew(l, job, error)) return -1;
    int failed = enter(l, l->asked, &caller, &e) || begin(l, &e);
    failed = leave(l, &caller, failed, &e, error);
    if (failed) end(l);
    return failed;
}

/* [h, w, 3 or 4], as the file has it. */
static void set_pixels(limn_picture *p, const Image *im)
{
    size_t count = (size_t)im->w * (size_t)im->h;
    p->w = im->w;
    p->h = im->h;
    p->channels = im->alpha ? 4 : 3;
    p->pixels = mem_plain(count * (size_t)p->channels);
    if (!im->alpha) {
        memcpy(p->pixels, im->rgb, 3 * count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(p->pixels + 4 * i, im->rgb + 3 * i, 3);
        p->pixels[4 * i + 3] = im->alpha[i];
    }
}

static char *text_of(Str *s) { return s->s ? s->s : mem_strdup(""); }

static int finish(limn *l, limn_picture *p, const Image *drawn, Err *e)
{
    Str json = { 0 }, a1111 = { 0 };
    Image im;
    if (engine_hash(l->engine, l->model, e) || output_png(&p->told, l->model, drawn, p->seed, 0, &p->png, e)) return -1;
    output_image(&p->told, drawn, 0, &im);
    set_pixels(p, &im);
    image_release(&im);
    metadata_json(&p->told, l->model, p->seed, &json);
    metadata_a1111(&p->told, l->model, p->seed, &a1111);
    p->settings = text_of(&json);
    p->infotext = text_of(&a1111);
    return 0;
}

static int next(limn *l, limn_picture *p, Err *e)
{
    Picture drawn = { 0 };
    Request request = vary_request(&l->decided->job, l->index, &p->told);
    p->seed = request.seed;
    int failed = generator_run(l->generator, &request, 1, &drawn, e) || finish(l, p, &drawn.image, e);
    picture_release(&drawn);
    return failed ? -1 : 0;
}

int limn_seek(limn *l, int picture, limn_error *error)
{
    Err e;
    if (l->busy) return refuse_within(error);
    if (l->decided && picture >= 1 && picture <= l->decided->job.count) {
        l->index = picture - 1;
        return 0;
    }
    err_usage(&e, "there is no picture %d of %d", picture, l->decided ? l->decided->job.count : 0);
    return refuse(&e, error);
}

int limn_next(limn *l, limn_picture **out, limn_error *error)
{
    Caller caller;
    Err e;
    *out = NULL;
    if (l->busy) return refuse_within(error);
    if (!l->generator) {
        err_usage(&e, "nothing is begun: limn_begin() comes first");
        return refuse(&e, error);
    }
    if (l->index == l->decided->job.count) return 0;
    int failed = enter(l, l->decided, &caller, &e);
    limn_picture *p = failed ? NULL : mem_alloc(sizeof *p);
    l->index++;
    failed = failed || next(l, p, &e);
    failed = leave(l, &caller, failed, &e, error);
    if (failed) {
        l->index--;
        limn_picture_free(p);
        return -1;
    }
    *out = p;
    return 1;
}

limn_picture *limn_draw(limn *l, const limn_job *job, limn_error *error)
{
    limn_picture *p = NULL;
    if (limn_begin(l, job, error)) return NULL;
    limn_next(l, &p, error);
    return p;
}

/* ---- pictures ---- */

void limn_picture_free(limn_picture *p)
{
    if (!p) return;
    free(p->pixels);
    free((void *)(size_t)p->png.data);
    free(p->settings);
    free(p->infotext);
    job_release(&p->told);
    free(p);
}

int limn_picture_width(const limn_picture *p) { return p->w; }
int limn_picture_height(const limn_picture *p) { return p->h; }
int limn_picture_channels(const limn_picture *p) { return p->channels; }
const uint8_t *limn_picture_pixels(const limn_picture *p) { return p->pixels; }
uint64_t limn_picture_seed(const limn_picture *p) { return p->seed; }
const char *limn_picture_settings(const limn_picture *p) { return p->settings ? p->settings : ""; }
const char *limn_picture_infotext(const limn_picture *p) { return p->infotext ? p->infotext : ""; }

const void *limn_picture_png(const limn_picture *p, size_t *size)
{
    *size = p->png.len;
    return p->png.data;
}

/* ---- what there is ---- */

const char *limn_name(limn_list list, size_t i, const char **help)
{
    const char *name = NULL, *words = NULL;
    size_t at = 0;
    if (list == LIMN_OPTIONS) {
        const Option *o = job_options;
        while (o->name && !(job_option_here(o) && at++ == i)) o++;
        name = o->name;
        words = o->help;
    } else if (list == LIMN_SAMPLERS) {
        while (at < i && samplers[at].name) at++;
        name = samplers[at].name;
        words = samplers[at].help;
    } else if (list == LIMN_SCHEDULES) {
        while (at < i && schedules[at].name) at++;
        name = schedules[at].name;
        words = schedules[at].help;
    }
    if (help) *help = name ? words : NULL;
    return name;
}
