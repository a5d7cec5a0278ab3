/* batch_dry.c - limn batch --dry-run: the pictures in words, how many, and what they will cost. Nothing is written. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/shell.h"
#include "cmd/batch.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "cmd/shown_command.h"
#include "engine/engine.h"
#include "nn/kernels.h"
#include "output/picture.h"
#include "pipeline/advice.h"
#include "pipeline/metadata.h"
#include "pipeline/recipe.h"

enum { WHOLE_PICTURE = 3 }; /* seconds that may be spent on one, to know how large its file is */

/* Sums over the pictures that are to be drawn. */
typedef struct {
    double steps, pixels; /* steps: of the first picture's size and guidance */
    uint64_t pictures;
} Work;

/* What one picture costs, measured. */
typedef struct {
    double step, decode, bytes; /* seconds a step, seconds of decoding, bytes of a file */
} Cost;

/* A name that --output takes as it is: braces stand for themselves. */
static void add_literal(Str *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '{' || *name == '}') str_addn(out, name, 1);
        str_addn(out, name, 1);
    }
}

/* limn generate makes no folders. */
static void add_mkdir(const char *path, Str *out)
{
    const char *slash = strrchr(path, '/');
    char *folder = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
    if (*folder && !file_is_dir(folder)) {
        str_add(out, *folder == '-' ? "mkdir -p -- " : "mkdir -p ");
        shell_add_quoted(out, folder);
        str_add(out, " && ");
    }
    free(folder);
}

static bool counts(const Option *o) { return item_counts(o) || strcmp(o->name, "memory") == 0; }

/* The picture as a command: what is not the default is in it. */
static void command_of(const Batch *b, const Item *i, Str *out)
{
    Str path = { 0 }, where = { 0 };
    str_addf(&path, "%s%s%s", b->names.folder, str_ends(b->names.folder, "/") ? "" : "/", str_text(&i->file));
    add_literal(&where, str_text(&path));
    add_mkdir(str_text(&path), out);
    shown_command(&i->job, counts, out);
    str_add(out, " -o ");
    shell_add_quoted(out, str_text(&where));
    str_release(&path);
    str_release(&where);
}

static void print_item(const Batch *b, const Item *i, bool todo)
{
    Str line = { 0 };
    command_of(b, i, &line);
    if (b->options->json) {
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "event", "job");
        json_add_text(event, "file", str_text(&i->file));
        cJSON_AddNumberToObject(event, "index", (double)i->index);
        cJSON_AddNumberToObject(event, "line", (double)i->line);
        cJSON_AddBoolToObject(event, "todo", todo);
        json_add_text(event, "prompt", i->job.prompt);
        json_add_text(event, "negative_prompt", i->job.negative_prompt);
        Str seed = { 0 };
        metadata_seed(i->job.seed, &seed);
        cJSON_AddRawToObject(event, "seed", str_text(&seed));
        str_release(&seed);
        if (i->fields.len) cJSON_AddRawToObject(event, "fields", str_text(&i->fields));
        json_add_text(event, "command", str_text(&line));
        say_json(event);
    } else {
        puts(str_text(&line));
    }
    str_release(&line);
}

/* ---- what it will cost ---- */

/* Steps times the pixels and halves of each, in those of the first. */
static void add_work(Work *w, const Job *i, const Job *first)
{
    double area = (double)(i->width ? i->width : first->width) * (i->height ? i->height : first->height);
    double one = (double)first->width * first->height;
    double cfg = i->cfg_scale < 0 ? first->cfg_scale : i->cfg_scale;
    double halves = (cfg > 1 ? 2.0 : 1.0) / (first->cfg_scale > 1 ? 2.0 : 1.0);
    w->steps += (i->steps ? i->steps : first->steps) * area / one * halves;
    w->pixels += area / one;
    w->pictures++;
}

/* One run with so many steps; *bytes: of its PNG. */
static int time_run(Engine *engine, const Job *job, int steps, Timing *time, double *bytes, Err *e)
{
    Job j;
    Picture p = { 0 };
    Bytes png = { 0 };
    job_copy(&j, job);
    j.steps = steps;
    Generator *g = engine_generator(engine, &j, NULL, e);
    int failed = !g || generator_run(g, &(Request){ .seed = j.seed }, 1, &p, e) ||
                 output_png(generator_job(g), engine_model(engine, &j, e), &p.image, j.seed, 0, &png, e);
    if (!failed) *time = *generator_timing(g);
    *bytes = (double)png.len;
    free((void *)(size_t)png.data);
    picture_release(&p);
    generator_free(g);
    job_release(&j);
    return failed ? -1 : 0;
}

/* Fills the job's open options. */
static int complete(Engine *engine, Job *j, Err *e)
{
    const Model *m = engine_model(engine, j, e);
    Recipe r;
    if (!m) return -1;
    int failed = recipe_make(&r, m, j, NULL, e);
    if (!failed) {
        job_release(j);
        job_copy(j, &r.said);
    }
    recipe_release(&r);
    return failed;
}

/* Measures a step with the first picture's job, whose open options are filled. The first run only warms up. */
static int measure(Engine *engine, Job *first, Cost *cost, Err *e)
{
    Timing t;
    int failed = complete(engine, first, e);
    for (int i = 0; i < 2 && !failed; i++) failed = time_run(engine, first, 1, &t, &cost->bytes, e);
    if (!failed) {
        *cost = (Cost){ t.sample, t.decode, 0.6 * 3 * first->width * first->height };
        if (t.sample * first->steps < WHOLE_PICTURE) {
            failed = time_run(engine, first, first->steps, &t, &cost->bytes, e);
            cost->step = t.sample / first->steps;
        }
    }
    return failed;
}

static void print_summary(const Batch *b, const Work *w, const Cost *cost)
{
    char took[32];
    double seconds = w->steps * cost->step + w->pixels * cost->decode, bytes = w->pixels * cost->bytes;
    progress_duration(took, sizeof took, seconds);
    if (b->options->json) {
        char took_json[32], bytes_json[32];
        snprintf(took_json, sizeof took_json, "%.1f", seconds);
        snprintf(bytes_json, sizeof bytes_json, "%.0f", bytes);
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "event", "plan");
        json_add_text(event, "folder", b->names.folder);
        cJSON_AddNumberToObject(event, "pictures", (double)b->total);
        cJSON_AddNumberToObject(event, "total", (double)b->mine);
        cJSON_AddNumberToObject(event, "there", (double)b->there);
        cJSON_AddNumberToObject(event, "todo", (double)b->todo);
        cJSON_AddRawToObject(event, "seconds", took_json);
        cJSON_AddRawToObject(event, "bytes", bytes_json);
        say_json(event);
        return;
    }
    say(stdout, "%llu picture%s in %s", (unsigned long long)b->mine, b->mine == 1 ? "" : "s", b->names.folder);
    if (b->shard.of > 1)
        printf(" (shard %llu of %llu)", (unsigned long long)b->shard.at, (unsigned long long)b->shard.of);
    if (b->there) printf(", %llu of them are there", (unsigned long long)b->there);
    if (b->todo) printf(": about %s and %.1f MB\n", took, bytes * 1e-6);
    else printf(": nothing to draw\n");
}

int batch_dry_run(Batch *b, Report *r, Err *e)
{
    const char *why = NULL;
    Item item;
    Job first = { 0 };
    Work work = { 0 };
    Cost cost = { 0 };
    bool has_first = false;
    int got;
    if (!kernels_select(&why)) return err_usage(e, "%s", why);
    const Watch *told = &b->watch.watch;
    Watch watch = { .ctx = told->ctx, .cancelled = told->cancelled, .note = told->note };
    Engine *engine = engine_new(&watch);
    plan_rewind(b->plan);
    while ((got = plan_next(b->plan, &item, e)) > 0) {
        bool mine = shard_has(&b->shard, item.index), todo = batch_wants(b, item.index);
        if (todo && !has_first) {
            has_first = true;
            job_copy(&first, &item.job);
            report_say(r, "measuring a step");
            if (measure(engine, &first, &cost, e)) got = -1;
            report_clear(r);
        }
        if (got > 0 && mine && !b->options->quiet) print_item(b, &item, todo);
        if (got > 0 && todo && engine_has(engine, &item.job))
            advise_texts(engine_model(engine, &item.job, e), &item.job, &watch);
        if (got > 0 && todo) add_work(&work, &item.job, &first);
        item_release(&item);
        if (got < 0 || interrupt_check(e)) {
            got = -1;
            break;
        }
    }
    if (has_first) job_release(&first);
    engine_free(engine);
    if (got == 0) print_summary(b, &work, &cost);
    return got;
}
