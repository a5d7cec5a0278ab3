/* wish.c - from a request's fields to a job. See server.h. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/base64.h"
#include "base/mem.h"
#include "image/load.h"
#include "image/png.h"
#include "pipeline/library.h"
#include "pipeline/loras.h"
#include "pipeline/vary.h"
#include "pipeline/ways.h"
#include "serve/server.h"
#include "base/json.h"

/* What one request may ask for. */
enum {
    MAX_SIDE = 2048, /* pixels drawn */
    MAX_STEPS = 150,
    MAX_COUNT = 16,
    MAX_WORDS = 10000,       /* bytes of a prompt: whole chunks of them are encoded, with as much work and memory */
    MAX_ALL_WORDS = 1 << 20, /* of all pictures: they are kept, and written down, until these are drawn */
    MAX_PICTURE = 4096,      /* pixels on a side of a picture that is sent */
};

void wish_init(Wish *w, Server *s)
{
    *w = (Wish){ .server = s };
    job_copy(&w->job, s->options);
    free(w->job.output);
    w->job.output = mem_strdup(s->folder);
    pthread_mutex_lock(&s->lock);
    if (s->model) {
        free(w->job.model);
        w->job.model = mem_strdup(s->model);
    }
    pthread_mutex_unlock(&s->lock);
}

void wish_release(Wish *w)
{
    input_remove(str_text(&w->input));
    job_release(&w->job);
    str_release(&w->input);
    str_release(&w->passed);
}

static void name_field(Wish *w, const char *name)
{
    size_t n = strcspn(name, "\n");
    if (n >= sizeof w->field) n = sizeof w->field - 1;
    memcpy(w->field, name, n);
    w->field[n] = 0;
}

void wish_pass(Wish *w, const char *name)
{
    if (w->passed.len < 4096) str_addf(&w->passed, "%.*s\n", (int)strcspn(name, "\n"), name);
}

int wish_model(Wish *w, const char *name, Err *e)
{
    Str path = { 0 };
    int failed = catalogue_find(w->server->models, name, &path, e) ||
                 job_set(&w->job, option_find("model", 5), str_text(&path), e);
    str_release(&path);
    if (failed) name_field(w, "model");
    return failed ? -1 : 0;
}

static int set_refiner(Wish *w, const char *name, Err *e)
{
    Str path = { 0 };
    int failed = catalogue_find(w->server->models, name, &path, e) ||
                 job_set(&w->job, option_find("refiner", 7), str_text(&path), e);
    str_release(&path);
    return failed ? -1 : 0;
}

int wish_upscaler(const Wish *w, const char *name, Str *path, Err *e)
{
    Library l;
    int failed = library_open(&l, w->server->options->upscaler_dir, "upscalers", e);
    const LibraryFile *f = failed ? NULL : library_find(&l, name, NULL, e);
    if (f && f->readable) str_add(path, f->path);
    else if (f) failed = err_usage(e, "\"%.60s\" is no safetensors file", name);
    library_close(&l);
    return f && !failed ? 0 : -1;
}

/* A way of limn's, or an upscaler by its name. */
static int set_way(Wish *w, const char *name, Err *e)
{
    const Way *way = way_find(name);
    Str path = { 0 };
    int failed = way ? 0 : wish_upscaler(w, name, &path, e);
    if (!failed) failed = job_set(&w->job, option_find("hires-with", 10), way ? way->name : str_text(&path), e);
    str_release(&path);
    return failed ? -1 : 0;
}

/* Lines of regions are words, those of LoRAs and what steers are files. */
static bool names_file(const Option *o)
{
    if (o->type != OPT_LINES) return o->type == OPT_PATH;
    return !str_ends(o->name, "-sha256") && strcmp(o->name, "region") != 0;
}

static int set_option(Wish *w, const Option *o, const char *value, Err *e)
{
    if (strcmp(o->name, "model") == 0) return wish_model(w, value, e);
    if (strcmp(o->name, "refiner") == 0) return set_refiner(w, value, e);
    if (strcmp(o->name, "hires-with") == 0) return set_way(w, value, e);
    bool alpha = strcmp(o->name, "mask") == 0 && strcmp(value, "alpha") == 0;
    if (names_file(o) && !alpha) return err_usage(e, "files of this machine are not named over HTTP");
    if (!o->picture && strcmp(o->name, "count") != 0 && strcmp(o->name, "preview") != 0)
        return err_usage(e, "that is the server's own to choose, not a request's");
    return job_set(&w->job, o, value, e);
}

int wish_set(Wish *w, const char *option, const char *value, Err *e)
{
    const Option *o = option_find(option, strlen(option));
    name_field(w, option);
    if (!o) return err_usage(e, "%.60s: there is no such field", option);
    return set_option(w, o, value, e) ? err_in(e, w->field) : 0;
}

int wish_json(Wish *w, const char *option, const cJSON *value, Err *e)
{
    char number[JSON_NUMBER];
    if (cJSON_IsNull(value)) return 0;
    if (cJSON_IsString(value)) return wish_set(w, option, value->valuestring, e);
    if (cJSON_IsBool(value)) return wish_set(w, option, cJSON_IsTrue(value) ? "true" : "false", e);
    name_field(w, option);
    if (cJSON_IsNumber(value) && json_number(value->valuedouble, number)) return wish_set(w, option, number, e);
    if (cJSON_IsNumber(value))
        return err_usage(e, "%.60s: a number below 2^53 is expected; a larger one as text, which keeps all its digits",
                         option);
    return err_usage(e, "%.60s: a text, a number, true or false is expected", option);
}

/* ---- pictures ---- */

static const char *ending_of(Bytes file)
{
    if (png_is(file)) return "png";
    return file.len > 2 && file.data[0] == 0xff && file.data[1] == 0xd8 ? "jpg" : "webp";
}

static const char passing[] = "passing-"; /* before names of files that go with their request */

void wish_clean(const Folder *folder)
{
    Folder inputs;
    Err e;
    Str path = { 0 };
    str_addf(&path, "%sinputs", folder->path);
    DIR *d = opendir(str_text(&path));
    if (d && folder_below(&inputs, folder, "inputs", true, &e) == 0) {
        folder_sweep(&inputs);
        for (struct dirent *f; (f = readdir(d));)
            if (str_starts(f->d_name, passing)) folder_remove(&inputs, f->d_name);
        folder_close(&inputs);
    }
    if (d) closedir(d);
    str_release(&path);
}

/* In the folder "inputs", under a name that nobody can guess or choose. */
static int keep_file(Wish *w, const char *option, Bytes file, Str *path, Err *e)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number) return err_set(e, "no random name: %s", strerror(errno));
    Str name = { 0 };
    str_addf(&name, "%s%016" PRIx64 "-%s.%s", w->keep ? "" : passing, number, *option == 'i' ? "start" : option,
             ending_of(file));
    Folder inputs;
    int failed = folder_below(&inputs, &w->server->at, "inputs", true, e);
    if (!failed) {
        failed = folder_write(&inputs, str_text(&name), file, e);
        folder_close(&inputs);
    }
    str_addf(path, "%s/inputs/%s", w->server->folder, str_text(&name));
    if (!failed) str_addf(&w->input, "%s\n", str_text(path));
    str_release(&name);
    return failed;
}

static int check_picture(const Wish *w, const char *option, Bytes file, Err *e)
{
    int width, height;
    if (image_decode_size(file, &width, &height, e)) return -1;
    if (width > MAX_PICTURE || height > MAX_PICTURE)
        return err_set(e, "a picture of %dx%d, at most %dx%d is expected", width, height, MAX_PICTURE, MAX_PICTURE);
    bool sets = strcmp(option, "init-image") == 0 && !w->job.width && !w->job.height;
    if (sets && (width > MAX_SIDE || height > MAX_SIDE))
        return err_set(e, "a picture of %dx%d needs a width and a height to be drawn at, at most %d", width, height,
                       MAX_SIDE);
    return 0;
}

static int keep_picture(Wish *w, const char *option, Bytes file, Str *path, Err *e)
{
    name_field(w, option);
    if (check_picture(w, option, file, e) == 0 && keep_file(w, option, file, path, e) == 0) return 0;
    e->code = ERR_USAGE;
    return err_in(e, option);
}

int wish_bytes(Wish *w, const char *option, Bytes file, Err *e)
{
    Str path = { 0 };
    int failed = keep_picture(w, option, file, &path, e) ||
                 job_set(&w->job, option_find(option, strlen(option)), str_text(&path), e);
    str_release(&path);
    return failed ? -1 : 0;
}

/* The bytes of a picture as text. */
static int read_picture(Wish *w, const char *option, const char *base64, Str *file, Err *e)
{
    name_field(w, option);
    if (str_starts(base64, "http://") || str_starts(base64, "https://"))
        return err_usage(e, "%s: pictures are sent as base64; this server fetches none", option);
    const char *comma = str_starts(base64, "data:") ? strchr(base64, ',') : NULL;
    if (comma) base64 = comma + 1;
    return base64_read(base64, strlen(base64), file, e) ? err_in(e, option) : 0;
}

int wish_picture(Wish *w, const char *option, const char *base64, Err *e)
{
    Str file = { 0 };
    int failed = read_picture(w, option, base64, &file, e) ||
                 wish_bytes(w, option, (Bytes){ (const unsigned char *)file.s, file.len }, e);
    str_release(&file);
    return failed ? -1 : 0;
}

int wish_file(Wish *w, const char *what, const char *base64, Str *path, Err *e)
{
    Str file = { 0 };
    int failed = read_picture(w, what, base64, &file, e) ||
                 keep_picture(w, what, (Bytes){ (const unsigned char *)file.s, file.len }, path, e);
    str_release(&file);
    return failed ? -1 : 0;
}

/* ---- the whole ---- */

static int check_limit(Wish *w, const char *field, int value, int most, Err *e)
{
    if (value <= most) return 0;
    name_field(w, field);
    return err_usage(e, "%s: %d is more than one request may ask for, which is %d", field, value, most);
}

/* Words of every kind, of which prompts are the longest; and of all the pictures of a request. */
static int check_words(Wish *w, const Job *j, Err *e)
{
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 };
        bool words = o->type == OPT_STR || (o->type == OPT_LINES && !names_file(o));
        size_t len = words && o->picture && job_get(j, o, &value) ? value.len : 0;
        str_release(&value);
        w->words += len;
        if (len <= MAX_WORDS) continue;
        name_field(w, o->name);
        for (char *c = w->field; *c; c++) *c = *c == '-' ? '_' : *c;
        return err_usage(e, "%s: %zu bytes, at most %d are expected", w->field, len, MAX_WORDS);
    }
    if (w->words <= MAX_ALL_WORDS) return 0;
    name_field(w, "prompt");
    return err_usage(e, "the words of all its pictures are more than %d bytes: send them in several requests",
                     MAX_ALL_WORDS);
}

static int check_limits(Wish *w, const Job *j, Err *e)
{
    if (check_words(w, j, e)) return -1;
    double larger = j->hires > 1 ? j->hires : 1;
    int width = (int)(larger * j->width), height = (int)(larger * j->height);
    return check_limit(w, "width", width, MAX_SIDE, e) || check_limit(w, "height", height, MAX_SIDE, e) ||
                   check_limit(w, "hires-steps", j->hires_steps, MAX_STEPS, e) ||
                   check_limit(w, "steps", j->steps, MAX_STEPS, e) || check_limit(w, "count", j->count, MAX_COUNT, e)
               ? -1
               : 0;
}

/* Files that the prompt names. */
static int check_loras(Wish *w, const Job *j, Err *e)
{
    Loras all;
    int failed = loras_of(j, &all, e);
    loras_release(&all);
    if (failed) snprintf(w->field, sizeof w->field, "prompt");
    return failed;
}

int wish_finish(Wish *w, Err *e)
{
    Job *j = &w->job;
    if (check_limits(w, j, e) || check_loras(w, j, e)) return -1;
    uint32_t seeds[2];
    if (getrandom(seeds, sizeof seeds, 0) != sizeof seeds) return err_set(e, "no random seed: %s", strerror(errno));
    if (!j->has_seed) j->seed = seeds[0];
    j->has_seed = true;
    if (vary_check(j, seeds[1], e)) return -1;
    if (j->seed <= UINT64_MAX - (uint64_t)(j->count - 1)) return 0;
    name_field(w, "seed");
    return err_usage(e, "seed: it leaves no room for so many pictures below 2^64");
}

/* Whether a value is what the server's own options say. */
static bool is_default(const Wish *w, const Option *o, const char *value)
{
    Str usual = { 0 };
    bool same = job_get(&w->job, o, &usual) && strcmp(str_text(&usual), value) == 0;
    str_release(&usual);
    return same;
}

/* Whether it is one of the files that were made of the request's pictures. */
static bool is_input(const Wish *w, const char *path)
{
    const char *at = strchr(path, '\n') ? NULL : strstr(str_text(&w->input), path);
    return at && (at == w->input.s || at[-1] == '\n') && at[strlen(path)] == '\n';
}

static int check_file(Wish *w, Job *j, const Option *o, const char *value, Err *e)
{
    Str path = { 0 };
    bool model = strcmp(o->name, "model") == 0 || strcmp(o->name, "refiner") == 0;
    bool picture = strcmp(o->name, "init-image") == 0 || strcmp(o->name, "mask") == 0;
    name_field(w, o->name);
    if (strcmp(o->name, "hires-with") == 0 && way_find(value)) return 0;
    if (is_default(w, o, value) || (picture && is_input(w, value)) ||
        (strcmp(o->name, "mask") == 0 && strcmp(value, "alpha") == 0))
        return 0;
    int failed =
        model ? catalogue_find(w->server->models, value, &path, e) || job_set(j, o, str_text(&path), e)
              : err_usage(
                    e,
                    "%s: files of this machine are not named over HTTP; pictures are sent as data:image/png;base64,...",
                    o->name);
    str_release(&path);
    return failed ? -1 : 0;
}

int wish_check(Wish *w, Job *j, Err *e)
{
    if (j->sizes) return err_usage(e, "sizes: over HTTP a picture is one file");
    free(j->output);
    j->output = mem_strdup(w->server->folder);
    for (const Option *o = job_options; o->name; o++) {
        bool file = names_file(o);
        Str value = { 0 };
        int failed = file && (o->picture || strcmp(o->name, "model") == 0) && job_get(j, o, &value) &&
                     check_file(w, j, o, str_text(&value), e);
        str_release(&value);
        if (failed) return -1;
    }
    return check_limits(w, j, e) || check_loras(w, j, e) ? -1 : 0;
}

Order *wish_order(Wish *w, const Call *r)
{
    Job *jobs = mem_array(1, sizeof *jobs);
    jobs[0] = w->job;
    job_copy(&w->job, &jobs[0]);
    Order *t = order_new(r->route->api, r->client, jobs, 1);
    t->keep = w->keep;
    *(w->keep ? &t->kept : &t->input) = mem_strdup(str_text(&w->input));
    str_clear(&w->input);
    return t;
}

int order_run(Server *s, Call *r, Order *t, Err *e)
{
    if (queue_add(s->queue, t, e)) {
        order_free(t);
        return -1;
    }
    for (uint64_t seen = 0; !order_ended(s->queue, t);) {
        seen = queue_wait(s->queue, t, seen, 0.25);
        if (call_gone(r)) queue_cancel(s->queue, t);
    }
    return 0;
}

bool order_lost(Server *s, Order *t)
{
    if (t->state == ORDER_DONE || (t->state == ORDER_CANCELLED && t->made_count)) return false;
    if (t->state == ORDER_CANCELLED)
        err_set(&t->error, queue_stopping(s->queue) ? "the server is stopping" : "it was given up");
    return true;
}
