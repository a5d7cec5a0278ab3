/* draw.c - see draw.h. */
#include "cmd/draw.h"

#include <cjson/cJSON.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/version.h"
#include "cmd/draw_sheet.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "cmd/stdout.h"
#include "cmd/terminal.h"
#include "pipeline/vary.h"
#include "engine/engine.h"
#include "nn/kernels.h"
#include "output/extras.h"
#include "output/output.h"
#include "output/picture.h"
#include "output/preview.h"
#include "output/steps.h"
#include "output/template.h"
#include "pipeline/adapters.h"
#include "pipeline/advice.h"
#include "pipeline/generate.h"

enum { BRIEF = 3 }; /* steps of a run that is over before kept weights would have paid */

typedef struct {
    const Job *job; /* what was asked for; from the generator on, with what the model chose */
    Job told;       /* of the picture that is drawn, where pictures differ */
    Engine *engine;
    Model *model;
    Generator *generator;
    Progress progress;
    char **paths; /* of the pictures written */
    size_t count;
    Str notes;     /* that wait, a line each */
    bool begun;    /* there will be a picture */
    uint64_t seed; /* of the picture that is drawn */
    int index;
    TerminalPlace place;
    bool preview_file; /* previews are written to one */
    char date[16];
    const DrawEye *eye; /* NULL: none */
} Run;

static void tell_user(const char *what, const char *text)
{
    Err line;
    err_set(&line, "%s: %s", what, text); /* which takes care of control characters */
    fprintf(stderr, "limn: %s\n", line.text);
}

void warn_user(const char *text) { tell_user("warning", text); }
void note_user(const char *text) { tell_user("note", text); }

/* ---- Watch ---- */

static void on_warning(void *ctx, const char *text)
{
    Run *r = ctx;
    if (r->job->quiet) return;
    progress_clear(&r->progress);
    terminal_leave(&r->place);
    warn_user(text);
}

static void on_say(void *ctx, const char *what) { progress_say(&((Run *)ctx)->progress, what); }
/* What is advised waits until it is sure that there will be a picture: an error alone is easier to see. */
static void on_note(void *ctx, const char *text)
{
    Run *r = ctx;
    if (r->job->quiet) return;
    if (!r->begun) {
        str_addf(&r->notes, "%s\n", text);
        return;
    }
    progress_clear(&r->progress);
    terminal_leave(&r->place);
    note_user(text);
}

static void tell_notes(Run *r)
{
    progress_clear(&r->progress);
    r->begun = true;
    const char *end;
    for (const char *line = str_text(&r->notes); (end = strchr(line, '\n')); line = end + 1) {
        Str one = { 0 };
        str_addn(&one, line, (size_t)(end - line));
        note_user(str_text(&one));
        str_release(&one);
    }
}

static void on_step(void *ctx, int done, int steps) { progress_step(&((Run *)ctx)->progress, done, steps); }

static OutputNames names_of(const Run *r, uint64_t seed, int index)
{
    return (OutputNames){ r->job, r->model->name, seed, index, r->date };
}

static void on_preview(void *ctx, const Image *im, int done, int steps)
{
    Run *r = ctx;
    OutputNames names = names_of(r, r->seed, r->index);
    Err e;
    if (r->preview_file && preview_file_write(&names, im, done, steps, &e)) {
        r->preview_file = false;
        on_warning(r, e.text);
    }
    if (r->place.how == TERMINAL_NONE) return;
    progress_clear(&r->progress);
    terminal_show(&r->place, im);
    progress_step(&r->progress, done, steps);
}

/* ---- before the run ---- */

/* What keeps the bytes from being the same. */
static int compare_origin(const Run *r, const Origin *from, bool any_model, Err *e)
{
    const Model *m = r->model;
    const char *why = NULL;
    const Kernels *k = kernels_select(&why);
    bool words = !r->job->quiet;
    Err w;

    if (strcmp(m->sha256, from->sha256) != 0) {
        err_set(&w, "%s has SHA-256 %.10s..., the picture was made with %s, %.10s...", m->name, m->sha256, from->model,
                from->sha256);
        if (!any_model) return err_set(e, "%s; name that one with -m, or this one to draw another picture", w.text);
        if (words) warn_user(w.text);
    }
    if (words && strcmp(from->version, LIMN_VERSION) != 0) {
        err_set(&w, "the picture was made by limn %s, this is " LIMN_VERSION ": the bytes may differ", from->version);
        warn_user(w.text);
    }
    if (words && k && strcmp(from->kernels, k->name) != 0) {
        err_set(&w, "the picture was made with the kernels %s, these are %s: the last bits may differ (LIMN_CPU=%s)",
                from->kernels, k->name, from->kernels);
        warn_user(w.text);
    }
    return 0;
}

static int load(Run *r, const Origin *from, bool any_model, Err *e)
{
    r->model = engine_model(r->engine, r->job, e);
    if (!r->model) return -1;
    if (from && (engine_hash(r->engine, r->model, e) || compare_origin(r, from, any_model, e))) return -1;
    return interrupt_check(e);
}

/* ---- each picture ---- */

/* The error says that `what` is written all the same. */
static int flush(const char *what, Err *e)
{
    Str words = { 0 };
    str_addf(&words, "%s is written, but its name cannot be printed on stdout", what);
    int failed = stdout_flush(str_text(&words), e);
    str_release(&words);
    return failed;
}

/* Adds the lines of `text` as an array, if there are any. */
static void add_lines(cJSON *to, const char *key, const char *text)
{
    cJSON *list = NULL;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        if (!list) list = cJSON_AddArrayToObject(to, key);
        Str line = { 0 };
        utf8_add(&line, text, (size_t)(end - text));
        cJSON_AddItemToArray(list, cJSON_CreateString(str_text(&line)));
        str_release(&line);
    }
}

/* What else was written for a picture: paths, each with a newline. */
typedef struct {
    Str sizes, steps;
} Beside;

/* Reports a picture: its file and the further ones, a line each; with --json one line. */
static int report(const Run *r, const OutputNames *n, const char *path, const Beside *beside, double seconds, Err *e)
{
    if (r->job->json) {
        Str settings = { 0 }, seed = { 0 };
        char took[32];
        snprintf(took, sizeof took, "%.3f", seconds);
        metadata_seed(n->seed, &seed);
        metadata_json(r->job, r->model, n->seed, &settings);
        cJSON *line = cJSON_CreateObject();
        json_add_text(line, "path", path);
        cJSON_AddNumberToObject(line, "index", n->index);
        cJSON_AddRawToObject(line, "seed", str_text(&seed));
        cJSON_AddRawToObject(line, "seconds", took);
        cJSON_AddRawToObject(line, "settings", str_text(&settings));
        add_lines(line, "sizes", str_text(&beside->sizes));
        add_lines(line, "steps", str_text(&beside->steps));
        say_json(line);
        str_release(&settings);
        str_release(&seed);
    } else {
        say_path(path);
        say_paths(str_text(&beside->sizes));
        say_paths(str_text(&beside->steps));
    }
    return flush(path, e);
}

static int check_output(const Job *j, Err *e)
{
    return output_is_stdout(j) ? stdout_check_picture(j, e) : output_check(j, e);
}

static int write_picture(const OutputNames *n, Bytes png, Str *path, Err *e)
{
    if (!output_is_stdout(n->job)) return output_write(n, png, path, e);
    str_add(path, "-");
    return stdout_picture(png, e);
}

/* The picture is there: it takes its preview's place. */
static void end_preview(Run *r, const OutputNames *names, const Image *im)
{
    if (r->preview_file) preview_file_remove(names);
    if (!r->place.rows) return;
    progress_clear(&r->progress);
    terminal_show(&r->place, im);
    terminal_leave(&r->place);
}

static int draw_one(Run *r, int index, Err *e)
{
    const Job *all = r->job;
    Request request = vary_request(all, index, &r->told);
    r->job = &r->told;
    OutputNames names = names_of(r, request.seed, index);
    Picture picture = { 0 };
    Bytes png = { 0 };
    Str path = { 0 };
    Beside beside = { 0 };
    double start = clock_now();

    r->index = index;
    r->seed = request.seed;
    progress_picture(&r->progress, index);
    int failed = generator_run(r->generator, &request, 1, &picture, e);
    if (!failed)
        failed = engine_hash(r->engine, r->model, e) ||
                 output_png(r->job, r->model, &picture.image, names.seed, 0, &png, e) ||
                 write_picture(&names, png, &path, e) ||
                 extras_sizes(r->job, r->model, &picture.image, names.seed, str_text(&path), &beside.sizes, e) ||
                 steps_write(r->job, &picture, str_text(&path), &beside.steps, e);
    if (!failed) end_preview(r, &names, &picture.image);
    progress_clear(&r->progress);
    if (!failed) r->paths[r->count++] = mem_strdup(str_text(&path));
    if (!failed && !output_is_stdout(r->job))
        failed = report(r, &names, str_text(&path), &beside, clock_now() - start, e);
    if (!failed && r->eye) r->eye->seen(r->eye->ctx, &picture.image);
    picture_release(&picture);
    free((void *)(size_t)png.data);
    str_release(&path);
    str_release(&beside.sizes);
    str_release(&beside.steps);
    r->job = all;
    job_release(&r->told);
    return failed ? -1 : 0;
}

/* After the last picture: the atlas, if one is asked for. */
static int draw_atlas(const Run *r, Err *e)
{
    Str written = { 0 };
    int failed = extras_atlas(r->job, NULL, (const char *const *)r->paths, r->count, &written, e);
    if (!failed && written.len) {
        if (r->job->json) {
            cJSON *line = cJSON_CreateObject();
            add_lines(line, "atlas", str_text(&written));
            say_json(line);
        } else {
            say_paths(str_text(&written));
        }
        failed = flush("the atlas", e);
    }
    str_release(&written);
    return failed;
}

/* After the last picture: a sheet of them, where one is asked for. */
static int put_sheet(const Run *r, Err *e)
{
    Str written = { 0 };
    if (!r->job->sheet) return 0;
    int failed = draw_sheet(r->job->prompt, r->paths, r->count, &written, e);
    if (!failed && r->job->json) {
        cJSON *line = cJSON_CreateObject();
        json_add_text(line, "sheet", str_text(&written));
        say_json(line);
    } else if (!failed) {
        say_path(str_text(&written));
    }
    str_release(&written);
    return failed ? -1 : flush("the sheet", e);
}

/* ---- -v ---- */

static void tell(const Run *r, double start)
{
    double seconds = clock_now() - start;
    const char *why = NULL;
    const Kernels *k = kernels_select(&why);
    const Timing *t = generator_timing(r->generator);
    const Job *j = r->job;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    bool custom = strcmp(r->model->family, "custom") == 0;
    say(stderr, "model    %s%s%s, sha256 %.10s\n", r->model->name, custom ? "" : ", ", custom ? "" : r->model->family,
        r->model->sha256);
    char *adapters = adapters_words(r->model);
    for (const char *p = adapters; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
        say(stderr, "lora     %.*s\n", (int)strcspn(p, "\n"), p);
    free(adapters);
    fprintf(stderr, "picture  %dx%d, %d steps of %s, schedule %s\n", j->width, j->height, j->steps,
            j->sampler ? j->sampler : "?", j->schedule ? j->schedule : "?");
    if (t->before >= 0)
        say(stderr, "refiner  %s, after step %d, sha256 %.10s\n", j->refiner, t->before,
            j->refiner_sha256 ? j->refiner_sha256 : "");
    int threads = omp_get_max_threads();
    fprintf(stderr, "kernels  %s, %d thread%s\n", k ? k->name : "?", threads, threads == 1 ? "" : "s");
    fprintf(
        stderr,
        "time     %.2f s: text %.2f, sampling %.2f (%d evaluations), decoding %.2f; the first step began after %.2f\n",
        seconds, t->text, t->sample, t->evals, t->decode, t->first - start);
    fprintf(stderr, "memory   %.0f MB at most, %.0f of it for activations\n", (double)use.ru_maxrss / 1024,
            (double)t->memory / 1048576);
}

/* Where previews are seen: in a file, unless the picture goes to stdout, and in a terminal that can. */
static void begin_preview(Run *r, Watch *watch)
{
    const Job *j = r->job;
    if (!j->preview) return;
    r->preview_file = !output_is_stdout(j);
    if (!j->quiet) r->place.how = terminal_pictures();
    if (r->preview_file || r->place.how != TERMINAL_NONE) watch->preview = on_preview;
    else on_note(r, "--preview has no effect: the picture goes to stdout, and the terminal shows none");
}

static int draw_all(Job *j, const Origin *from, bool any_model, const DrawEye *eye, Err *e)
{
    Run r = { .job = j, .eye = eye };
    Watch watch = { &r, on_say, on_warning, on_step, interrupt_asked, from ? NULL : on_note, NULL };
    double start = clock_now();
    int failed = -1;
    const char *why = NULL;

    template_date(r.date);

    /* 1. everything that can be refused before the model is read */
    if (!kernels_select(&why)) return err_usage(e, "%s", why);
    progress_init(&r.progress, !j->quiet, j->count);
    if (j->trace && j->output && strcmp(j->trace, j->output) == 0)
        return err_usage(e, "--trace: \"%.400s\" is the picture's name too (--output)", j->trace);
    if (j->output && extras_is_atlas(j, j->output))
        return err_usage(e, "--atlas: \"%.400s\" would be the picture's name too (--output)", j->atlas);
    if (check_output(j, e) || extras_check(j, NULL, e) || (j->trace && file_check_writable(j->trace, e))) return -1;
    if (j->trace && j->count > 1) return err_usage(e, "--trace: it is of one picture, --count is %d", j->count);
    if (!from) advise_run(j, &watch);
    bool tell_seed = !j->has_seed && !j->quiet;
    if (vary_choose(j, e)) return -1;

    begin_preview(&r, &watch);

    /* 2. the model; 3. what the pictures share */
    r.engine = engine_new(&watch);
    if (j->steps && j->steps * j->count <= BRIEF) engine_briefly(r.engine);
    if (load(&r, from, any_model, e)) goto done;
    r.generator = engine_generator(r.engine, j, &(Share){ .steps = j->save_steps }, e);
    if (!r.generator) goto done;
    r.job = generator_job(r.generator);
    OutputNames first = names_of(&r, j->seed, 1);
    if (!output_is_stdout(j) && output_check_place(&first, e)) goto done;
    if (r.preview_file && preview_file_check(&first, e)) goto done;
    progress_clear(&r.progress);
    if (tell_seed) fprintf(stderr, "seed %llu\n", (unsigned long long)j->seed);
    tell_notes(&r);

    /* 4. the pictures */
    r.paths = mem_array((size_t)j->count, sizeof *r.paths);
    for (int i = 1; i <= j->count; i++)
        if (interrupt_check(e) || draw_one(&r, i, e)) goto done;
    if (draw_atlas(&r, e) || put_sheet(&r, e)) goto done;
    if (j->verbose && !j->quiet) tell(&r, start);
    failed = 0;

done:
    progress_clear(&r.progress);
    for (size_t i = 0; i < r.count; i++) free(r.paths[i]);
    free(r.paths);
    str_release(&r.notes);
    generator_free(r.generator);
    engine_free(r.engine);
    return failed;
}

int draw(Job *j, const Origin *from, bool any_model, Err *e) { return draw_all(j, from, any_model, NULL, e); }

int draw_seen(Job *j, const DrawEye *eye, Err *e) { return draw_all(j, NULL, true, eye, e); }
