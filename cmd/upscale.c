/* upscale.c - limn upscale: pictures made larger by a network, one after the other. */
#include "cmd/upscale.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cores.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha.h"
#include "base/version.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/interrupt.h"
#include "output/output.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "cmd/stdout.h"
#include "cmd/upscale_record.h"
#include "image/load.h"
#include "nn/team.h"
#include "pipeline/precision.h"

typedef struct {
    const Job *job;
    Upscaler *with;
    UpscaleHow how;
    Progress progress;
    int count; /* of pictures */
} Run;

static bool on_tile(void *ctx, int done, int tiles)
{
    progress_step(&((Run *)ctx)->progress, done, tiles);
    return !interrupted();
}

/* ---- where it goes ---- */

static bool is_folder(const char *where) { return str_ends(where, "/") || file_is_dir(where); }

/* "photos/a.jpg" -> "a" */
static void add_stem(Str *out, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    str_addn(out, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

/* A new name: a-x4.png, or a-x4-2.png if that is taken. */
static int write_fresh(const Run *r, const char *source, double factor, Bytes png, Str *path, Err *e)
{
    const char *where = r->job->output ? r->job->output : "";
    Folder folder;
    if (*where && !file_is_dir(where)) {
        if (folder_make(&folder, where, e)) return err_in(e, "--output");
        folder_close(&folder);
    }
    bool exists = true;
    for (int number = 1; exists; number++) {
        str_clear(path);
        str_addf(path, "%s%s", where, *where && !str_ends(where, "/") ? "/" : "");
        add_stem(path, source);
        str_addf(path, "-x%.3g", factor);
        if (number > 1) str_addf(path, "-%d", number);
        str_add(path, ".png");
        if (file_write_new(str_text(path), png, &exists, e) && !exists) return -1;
    }
    return 0;
}

static int put(const Run *r, const char *source, double factor, Bytes png, Str *path, Err *e)
{
    const Job *j = r->job;
    if (output_is_stdout(j)) {
        str_add(path, "-");
        return stdout_picture(png, e);
    }
    if (!j->output || is_folder(j->output)) return write_fresh(r, source, factor, png, path, e);
    str_add(path, j->output);
    return file_write(j->output, png, e);
}

static void report(const Run *r, const char *source, const char *path, const Image *im, double seconds)
{
    char took[32];
    if (output_is_stdout(r->job)) return;
    if (!r->job->json) {
        say_path(path);
        return;
    }
    snprintf(took, sizeof took, "%.3f", seconds);
    cJSON *line = cJSON_CreateObject();
    json_add_text(line, "path", path);
    json_add_text(line, "source", source);
    cJSON_AddNumberToObject(line, "width", im->w);
    cJSON_AddNumberToObject(line, "height", im->h);
    cJSON_AddRawToObject(line, "seconds", took);
    say_json(line);
}

/* ---- a picture ---- */

/* What is wanted of it; w 0: what the network makes, or --factor. */
typedef struct {
    const char *path, *sha256; /* sha256 NULL: whatever it is */
    const char *model_path;
    int w, h;
} Wish;

static int size_of(const Run *r, const Wish *wish, const Image *in, int *w, int *h, Err *e)
{
    double f = r->job->factor > 0 ? r->job->factor : upscaler_factor(r->with);
    *w = wish->w ? wish->w : (int)lround(in->w * f);
    *h = wish->h ? wish->h : (int)lround(in->h * f);
    if (*w >= 1 && *h >= 1 && *w <= PNG_MAX_SIDE && *h <= PNG_MAX_SIDE && (int64_t)*w * *h <= PNG_MAX_PIXELS) return 0;
    return err_set(e, "%g times %dx%d is %dx%d: 1 to %d on a side and at most %d pixels can be written", f, in->w,
                   in->h, *w, *h, PNG_MAX_SIDE, PNG_MAX_PIXELS);
}

static int enlarge(Run *r, const Wish *wish, Bytes file, const char *sha256, Err *e)
{
    Image in, out = { 0 };
    const char *note;
    int w, h;
    double start = clock_now();
    Bytes png = { 0 };
    Str path = { 0 };
    if (image_decode(file, &in, &note, e)) return err_in(e, wish->path);
    if (note && !r->job->quiet) warn_user(note);
    int failed = size_of(r, wish, &in, &w, &h, e) ? err_in(e, wish->path) : 0;
    if (!failed) failed = upscaler_enlarge(r->with, &in, w, h, &r->how, &out, e);
    UpscaleRecord record = { .source = (char *)(size_t)wish->path, .model = (char *)(size_t)wish->model_path };
    record.w = w;
    record.h = h;
    record.precision = r->how.precision;
    snprintf(record.source_sha256, sizeof record.source_sha256, "%s", sha256);
    snprintf(record.model_sha256, sizeof record.model_sha256, "%s", upscaler_sha256(r->with));
    if (!failed) failed = upscale_png(&record, r->with, &out, file, &png, e);
    if (!failed) failed = put(r, wish->path, (double)w / in.w, png, &path, e);
    progress_clear(&r->progress);
    if (!failed) report(r, wish->path, str_text(&path), &out, clock_now() - start);
    free((void *)(size_t)png.data);
    str_release(&path);
    image_release(&in);
    image_release(&out);
    return failed;
}

static int one(Run *r, const Wish *wish, Err *e)
{
    Bytes file;
    char sha256[65];
    if (interrupt_check(e) || file_map(&file, wish->path, e)) return -1;
    sha_hex(file, sha256);
    int failed = 0;
    if (wish->sha256 && strcmp(wish->sha256, sha256) != 0)
        failed = err_set(e, "%s has SHA-256 %.10s..., the picture was made from %.10s...; name that one with -i",
                         wish->path, sha256, wish->sha256);
    if (!failed) failed = enlarge(r, wish, file, sha256, e);
    file_unmap(&file);
    return failed;
}

/* ---- the run ---- */

static int open_network(Run *r, const char *path, const char *precision, Err *e)
{
    static const struct {
        const char *memory;
        size_t bytes;
    } budgets[] = { { "low", 128 << 20 }, { "normal", UPSCALE_MEMORY }, { "high", (size_t)UPSCALE_MEMORY * 4 } };
    const char *why;
    const Kernels *k = kernels_select(&why);
    const Job *j = r->job;
    if (!k) return err_usage(e, "%s", why);
    r->how = (UpscaleHow){ .progress = on_tile, .ctx = r };
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        if (strcmp(j->memory, budgets[i].memory) == 0) r->how.memory = budgets[i].bytes;
    if (precision_choose(&r->how.precision, precision, k, 0, e)) return -1;
    r->how.precision = precision_beside(r->how.precision);
    progress_init(&r->progress, !j->quiet, r->count);
    progress_say(&r->progress, "loading the network");
    r->with = upscaler_open(path, e);
    progress_clear(&r->progress);
    if (!r->with) return err_in(e, "--with");
    r->how.threads = team_start(j->threads ? j->threads : cores_allowed());
    if (j->verbose && !j->quiet) say(stderr, "network  %s: %s\n", upscaler_name(r->with), upscaler_what(r->with));
    return 0;
}

static int check(const Args *a, Err *e)
{
    const Job *j = &a->job;
    if (!a->count) return err_usage(e, "a picture is expected: limn upscale a.png --with MODEL");
    if (!j->with) return err_usage(e, "--with: a network is expected, such as RealESRGAN_x4plus.safetensors");
    if (!j->output) return 0;
    if (output_is_stdout(j) && a->count == 1 && !j->json) return stdout_check_picture(j, e);
    if (output_is_stdout(j))
        return err_usage(e, "--output: stdout takes one picture and nothing else; %d files%s are given", a->count,
                         j->json ? " and --json" : "");
    if (is_folder(j->output)) return 0;
    if (a->count > 1)
        return err_usage(e, "--output: \"%.200s\" is one file, and %d pictures are given; name a folder/", j->output,
                         a->count);
    if (!str_ends(j->output, ".png"))
        return err_usage(e, "--output: \"%.200s\" is neither a folder that exists nor a name that ends in .png",
                         j->output);
    return file_check_writable(j->output, e);
}

/* The others are made even where one cannot be. */
static int run_all(Run *r, const Args *a, Err *e)
{
    int failures = 0;
    for (int i = 0; i < a->count; i++) {
        progress_picture(&r->progress, i + 1);
        if (one(r, &(Wish){ .path = a->words[i], .model_path = a->job.with }, e) == 0) continue;
        progress_clear(&r->progress);
        if (e->code == ERR_INTERRUPTED || a->count == 1) return -1;
        fprintf(stderr, "limn: %s\n", e->text);
        failures++;
    }
    return failures ? err_set(e, "%d of %d pictures could not be made larger", failures, a->count) : 0;
}

int cmd_upscale(const Args *a, Err *e)
{
    Run r = { .job = &a->job, .count = a->count };
    if (check(a, e)) return -1;
    int failed = open_network(&r, a->job.with, a->job.precision, e) || run_all(&r, a, e);
    upscaler_free(r.with);
    return failed ? -1 : 0;
}

/* What may keep the bytes from being the same. */
static int compare_origin(const Run *r, const UpscaleRecord *record, bool named, Err *e)
{
    const char *why;
    const Kernels *k = kernels_select(&why);
    Err w;
    if (strcmp(upscaler_sha256(r->with), record->model_sha256) != 0) {
        err_set(&w, "%s has SHA-256 %.10s..., the picture was made with %.10s...", upscaler_name(r->with),
                upscaler_sha256(r->with), record->model_sha256);
        if (!named) return err_set(e, "%s; name that one with -m, or this one to make another picture", w.text);
        if (!r->job->quiet) warn_user(w.text);
    }
    bool other = strcmp(record->version, LIMN_VERSION) != 0 || (k && strcmp(record->kernels, k->name) != 0);
    if (other && !r->job->quiet) {
        err_set(&w, "it was made by limn %s with the kernels %s: the last bits may differ", record->version,
                record->kernels);
        warn_user(w.text);
    }
    return 0;
}

int upscale_again(const char *json, const Job *j, Err *e)
{
    UpscaleRecord record;
    Run r = { .job = j, .count = 1 };
    if (upscale_record_read(&record, json, e)) return -1;
    const char *model = j->model ? j->model : record.model;
    Wish wish = { j->init_image ? j->init_image : record.source, record.source_sha256, model, record.w, record.h };
    char precision[PRECISION_TEXT];
    int failed = open_network(&r, model, precision_text(record.precision, precision), e);
    if (!failed) failed = compare_origin(&r, &record, j->model != NULL, e);
    if (!failed) failed = one(&r, &wish, e);
    upscaler_free(r.with);
    upscale_record_release(&record);
    return failed ? -1 : 0;
}
