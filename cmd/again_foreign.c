/* again_foreign.c - see again_foreign.h: read, found, told, drawn, measured, and with --find tried with other settings. */
#include "cmd/again_foreign.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "again/files.h"
#include "again/foreign_picture.h"
#include "again/near.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/shell.h"
#include "cmd/draw.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "cmd/shown_command.h"
#include "cmd/stdout.h"
#include "image/load.h"
#include "pipeline/library.h"
#include "pipeline/metadata.h"

typedef struct {
    const Args *a;
    Reading r;
    Progress progress;
    Image original; /* rgb NULL: there is none to measure against */
    Nearness near;
    bool measured;
    Trials trials;
    Str best; /* the command that comes nearer; empty: none does, or none was asked for */
} Again;

static bool quiet(const Again *x) { return x->a->job.quiet; }

/* ---- what is found ---- */

static void say_looking(void *ctx, const char *what)
{
    Str line = { 0 };
    str_addf(&line, "looking for it by its hash: %.60s", what);
    progress_say(&((Again *)ctx)->progress, str_text(&line));
    str_release(&line);
}

static void put(char **to, char *path)
{
    free(*to);
    *to = path;
}

/* The model: the one that was named, or the one of the text; whether it is the same is looked at where the text has a hash. */
static int find_model(Again *x, const FilesWatch *w, Err *e)
{
    Reading *r = &x->r;
    const char *given = x->a->job.model;
    if (given) {
        put(&r->job.model, mem_strdup(given));
        if (r->model_hash && file_exists(given) && !file_is_dir(given) && !files_hash_is(given, r->model_hash))
            reading_remark(r, MATTERS_WHOLLY, "the model was %.80s (%.16s): -m names another",
                           r->model ? r->model : "?", r->model_hash);
        return 0;
    }
    char *path = r->model || r->model_hash ? files_model(r, x->a->job.model_dir, w) : NULL;
    if (interrupt_check(e)) {
        free(path);
        return -1;
    }
    if (path) {
        put(&r->job.model, path);
        return 0;
    }
    if (x->a->job.dry_run) {
        if (r->model) put(&r->job.model, mem_strdup(r->model));
        reading_remark(r, MATTERS_WHOLLY,
                       "model %.100s%s%.16s%s: it is in none of the folders that limn knows: -m MODEL",
                       r->model ? r->model : "?", r->model_hash ? " (" : "", r->model_hash ? r->model_hash : "",
                       r->model_hash ? ")" : "");
        return 0;
    }
    if (!r->model && !r->model_hash) return err_set(e, "it does not say which model drew it: -m MODEL");
    return err_set(
        e, "the model %.100s%s%.16s%s is in none of the folders that limn knows: -m MODEL, or --model-dir FOLDER",
        r->model ? r->model : "?", r->model_hash ? " (" : "", r->model_hash ? r->model_hash : "",
        r->model_hash ? ")" : "");
}

static int find_files(Again *x, Err *e)
{
    Reading *r = &x->r;
    FilesWatch w = { x, say_looking, interrupt_asked };
    int failed = find_model(x, &w, e);
    if (!failed && !r->job.vae) put(&r->job.vae, files_vae(r, x->a->job.model_dir, &w));
    if (!failed && !r->job.lora) failed = files_loras(r, r->job.lora_dir, &w, e);
    if (!failed && r->refiner && !r->job.refiner)
        reading_remark(r, MATTERS_WHOLLY, "refiner %.100s: --refiner MODEL; limn draws without", r->refiner);
    progress_clear(&x->progress);
    return failed || interrupt_check(e) ? -1 : 0;
}

/* The picture that it started from is never in it. */
static int check_start(Again *x, Err *e)
{
    Reading *r = &x->r;
    if (!r->from_picture || r->job.init_image) return 0;
    if (!x->a->job.dry_run)
        return err_set(e, "it started from a picture%s%.100s, which is not in it: --init-image FILE",
                       r->init ? ", " : "", r->init ? r->init : "");
    reading_remark(r, MATTERS_WHOLLY, "it started from a picture%s%.100s: --init-image FILE", r->init ? ", " : "",
                   r->init ? r->init : "");
    return 0;
}

/* What stands over the picture's own, as with limn's pictures: lines replace it, they are not added. */
static int apply_line(Again *x, Err *e)
{
    for (const Option *o = job_options; o->name; o++) {
        Str given = { 0 };
        if (o->type == OPT_LINES && job_get(&x->a->job, o, &given)) job_open(&x->r.job, o);
        str_release(&given);
    }
    if (!x->a->job.refiner) job_reset(&x->r.job, option_find("refiner-at", 10)); /* its share alone is an error */
    return args_apply(x->a, command_find("again"), &x->r.job, e);
}

/* ---- what is said ---- */

static void tell_remarks(const Again *x)
{
    Str line = { 0 };
    if (quiet(x)) return;
    str_addf(&line, "made by %s%s%.100s", x->r.tool, x->r.model ? ", with the model " : "",
             x->r.model ? x->r.model : "");
    note_user(str_text(&line));
    for (int how = MATTERS_WHOLLY; how >= MATTERS_LITTLE; how--)
        for (size_t i = 0; i < x->r.remarks; i++) {
            if ((int)x->r.remark[i].how != how) continue;
            str_clear(&line);
            str_addf(&line, "not honoured (%s): %s", matters_words[how], x->r.remark[i].text);
            note_user(str_text(&line));
        }
    str_clear(&line);
    str_addf(&line, "passed over, since limn does not know it: %s", str_text(&x->r.unknown));
    if (x->r.unknown.len) note_user(str_text(&line));
    str_release(&line);
}

static void add_number(cJSON *to, const char *key, double v)
{
    char text[JSON_NUMBER];
    if (isinf(v)) cJSON_AddStringToObject(to, key, "infinite");
    else if (json_number(v, text)) cJSON_AddRawToObject(to, key, text);
    else cJSON_AddNullToObject(to, key);
}

static void add_nearness(cJSON *to, const Nearness *n)
{
    add_number(to, "psnr", n->psnr);
    add_number(to, "ssim", n->ssim);
    add_number(to, "flip", n->flip);
    cJSON_AddStringToObject(to, "verdict", nearness_words(n));
}

static void add_trials(cJSON *to, const Trials *t)
{
    cJSON *list = cJSON_AddArrayToObject(to, "tried");
    for (int i = 0; i < t->count; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "option", t->trial[i].option);
        json_add_text(one, "value", t->trial[i].value);
        if (t->trial[i].error) json_add_text(one, "error", t->trial[i].error);
        else add_nearness(one, &t->trial[i].near);
        cJSON_AddBoolToObject(one, "best", i == t->best);
        cJSON_AddItemToArray(list, one);
    }
}

/* One line of JSON: whose it is, what is not honoured, the command, and how near it came. */
static void say_all(const Again *x, const char *command)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "tool", x->r.tool);
    if (x->r.model) json_add_text(root, "model", x->r.model);
    if (x->r.model_hash) json_add_text(root, "model_hash", x->r.model_hash);
    json_add_text(root, "command", command);
    cJSON *list = cJSON_AddArrayToObject(root, "not_honoured");
    for (size_t i = 0; i < x->r.remarks; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "matters", matters_words[x->r.remark[i].how]);
        json_add_text(one, "text", x->r.remark[i].text);
        cJSON_AddItemToArray(list, one);
    }
    if (x->r.unknown.len) json_add_text(root, "unknown", x->r.unknown.s);
    cJSON *options = cJSON_AddObjectToObject(root, "options");
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 };
        if (o->picture && job_get(&x->r.job, o, &value)) json_add_text(options, o->name, str_text(&value));
        str_release(&value);
    }
    if (x->measured) add_nearness(cJSON_AddObjectToObject(root, "near"), &x->near);
    if (x->trials.count) add_trials(root, &x->trials);
    if (x->best.len) json_add_text(root, "nearer", x->best.s);
    say_json(root);
}

/* ---- measured and tried ---- */

/* The original's pixels; a text file has none, and other programs may have enlarged the picture. */
static void load_original(Again *x, const char *path)
{
    const char *note;
    Err why;
    Bytes file;
    if (file_map(&file, path, &why)) return;
    if (image_decode(file, &x->original, &note, &why)) x->original = (Image){ 0 };
    file_unmap(&file);
}

static void seen(void *ctx, const Image *im)
{
    Again *x = ctx;
    Err why;
    Str line = { 0 };
    if (!x->original.rgb) return;
    x->measured = nearness_take(&x->near, im, &x->original, &why) == 0;
    if (x->measured) {
        str_add(&line, "against the original: ");
        nearness_text(&x->near, &line);
    } else {
        str_addf(&line, "not measured against the original: it has %dx%d pixels, this one %dx%d", x->original.w,
                 x->original.h, im->w, im->h);
    }
    if (!quiet(x)) note_user(str_text(&line));
    str_release(&line);
}

static void say_trying(void *ctx, const Trial *t, int index, int count)
{
    Str line = { 0 };
    str_addf(&line, "trying --%s %.60s", t->option, t->value);
    progress_share(&((Again *)ctx)->progress, str_text(&line), (double)index / count);
    str_release(&line);
}

static void tell_trials(const Again *x)
{
    const Trials *t = &x->trials;
    Str line = { 0 };
    for (int i = 0; i < t->count; i++) {
        const Trial *one = &t->trial[i];
        str_clear(&line);
        str_addf(&line, "with --%s %.200s: ", one->option, one->value);
        if (one->error) str_addf(&line, "not drawn: %.300s", one->error);
        else nearness_text(&one->near, &line);
        note_user(str_text(&line));
    }
    str_clear(&line);
    bool near = x->best.len && !nearness_far(&t->trial[t->best].near);
    if (near) str_addf(&line, "the nearest is with one setting changed: %s", x->best.s);
    else
        str_addf(&line,
                 "none of %d settings brings it near, alone: the model, the prompt or what is not honoured may be "
                 "another",
                 t->count);
    if (x->best.len && !near) str_addf(&line, "; the least far: %s", x->best.s);
    note_user(str_text(&line));
    str_release(&line);
}

/* VAEs of limn's own folder. */
static char **list_vaes(void)
{
    Library l;
    Err ignored;
    char **list = mem_array(TRIAL_VAES + 1, sizeof *list);
    int n = 0;
    if (library_open(&l, NULL, "vae", &ignored) == 0)
        for (size_t i = 0; i < l.count && n < TRIAL_VAES; i++)
            if (l.file[i].readable) list[n++] = files_vae_of(l.file[i].path);
    library_close(&l);
    return list;
}

static void free_list(char **list)
{
    for (char **p = list; *p; p++) free(*p);
    free(list);
}

/* The given line with the one option, to be pasted. */
static void best_command(Again *x)
{
    if (x->trials.best < 0) return;
    const Trial *t = &x->trials.trial[x->trials.best];
    Job j;
    Err ignored;
    job_copy(&j, &x->r.job);
    if (job_set(&j, option_find(t->option, strlen(t->option)), t->value, &ignored) == 0) {
        str_add(&x->best, "limn again");
        for (char **p = x->a->argv; *p; p++) {
            if (strcmp(*p, "--find") == 0) continue;
            str_add(&x->best, " ");
            shell_add(&x->best, *p);
        }
        str_addf(&x->best, " --%s ", t->option);
        shell_add(&x->best, t->value);
    }
    job_release(&j);
}

static int find_nearer(Again *x, Err *e)
{
    if (!x->measured || !nearness_far(&x->near)) return 0;
    if (!x->a->job.find) {
        if (!quiet(x))
            note_user("--find draws it with other settings, one at a time, and tells which brings it nearer");
        return 0;
    }
    Watch watch = { .ctx = x, .cancelled = interrupt_asked };
    TrialWatch w = { x, say_trying };
    char **vaes = list_vaes();
    Engine *engine = engine_new(&watch);
    int failed = trials_run(&x->trials, engine, &x->r.job, &x->original, &x->near, vaes, &w, e);
    engine_free(engine);
    free_list(vaes);
    progress_clear(&x->progress);
    if (failed) return -1;
    best_command(x);
    if (!quiet(x)) tell_trials(x);
    return 0;
}

/* ---- all of it ---- */

static bool counts(const Option *o) { return o->picture || strcmp(o->name, "model") == 0; }

static int read_it(Again *x, const PngTexts *texts, Err *e)
{
    const char *path = x->a->words[0];
    PngTexts beside = { 0 };
    char *from = NULL;
    int failed = foreign_read(texts, x->a->job.node, &x->r, e);
    if (failed && e->code == ERR_FAILED && strcmp(x->r.tool, "?") == 0 && foreign_beside(path, &beside, &from)) {
        reading_release(&x->r);
        failed = foreign_read(&beside, x->a->job.node, &x->r, e);
        if (failed) err_in(e, from);
    }
    png_texts_release(&beside);
    free(from);
    return failed ? err_in(e, path) : 0;
}

static int draw_it(Again *x, const char *command, Err *e)
{
    DrawEye eye = { x, seen };
    load_original(x, x->a->words[0]);
    int failed = draw_seen(&x->r.job, &eye, e) || find_nearer(x, e);
    if (!failed && x->a->job.json) say_all(x, command);
    return failed ? -1 : 0;
}

int again_foreign(const Args *a, const PngTexts *texts, Err *e)
{
    Again x = { .a = a };
    Str command = { 0 };
    progress_init(&x.progress, !a->job.quiet, 1);
    int failed = read_it(&x, texts, e) || apply_line(&x, e);
    if (!failed && !x.r.job.has_seed)
        reading_remark(&x.r, MATTERS_WHOLLY, "it does not say its seed: --seed N; limn takes one at random");
    if (!failed && (find_files(&x, e) || check_start(&x, e))) failed = err_in(e, a->words[0]);
    if (!failed) {
        tell_remarks(&x);
        shown_command(&x.r.job, counts, &command);
        if (a->job.dry_run && a->job.json) say_all(&x, str_text(&command));
        else if (a->job.dry_run) say(stdout, "%s\n", str_text(&command));
        failed = a->job.dry_run ? stdout_flush("the command", e) : draw_it(&x, str_text(&command), e);
    }
    image_release(&x.original);
    trials_release(&x.trials);
    str_release(&command);
    str_release(&x.best);
    reading_release(&x.r);
    return failed ? -1 : 0;
}
