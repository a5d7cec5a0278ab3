/* own_jobs.c - limn's own interface: POST /jobs takes a batch file, GET /jobs/ID tells what becomes of it, as JSON or as events. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "batch/expand.h"
#include "output/template.h"
#include "serve/server.h"

enum { MAX_PICTURES = 1000 /* of one request */ };

/* ---- a batch file ---- */

/* Pictures as base64 in a job's fields become files. */
static int take_pictures(Wish *w, cJSON *job, Err *e)
{
    static const char *const names[][2] = { { "init_image", "init-image" },
                                            { "init-image", "init-image" },
                                            { "mask", "mask" } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cJSON *v = cJSON_GetObjectItemCaseSensitive(job, names[i][0]);
        if (!cJSON_IsString(v) || !str_starts(v->valuestring, "data:")) continue;
        char **at = strcmp(names[i][1], "mask") == 0 ? &w->job.mask : &w->job.init_image;
        if (wish_picture(w, names[i][1], v->valuestring, e)) return -1;
        cJSON_ReplaceItemInObjectCaseSensitive(job, names[i][0], cJSON_CreateString(*at));
        free(*at);
        *at = NULL;
    }
    return 0;
}

/* A body of JSON (one job, or an array of them) as text, with files in place of pictures. */
static int read_body(Wish *w, const Call *r, Str *out, Err *e)
{
    Str whole = { 0 };
    str_add(&whole, "{\"jobs\":");
    str_addn(&whole, str_text(&r->body), r->body.len);
    str_add(&whole, "}");
    cJSON *o = json_parse((Bytes){ (const unsigned char *)whole.s, whole.len }, e);
    cJSON *jobs = cJSON_GetObjectItemCaseSensitive(o, "jobs"), *job;
    int failed = !o;
    if (!failed && !cJSON_IsObject(jobs) && !cJSON_IsArray(jobs))
        failed = err_usage(e, "a job is expected, {\"prompt\": \"a red potion\"}, or an array of them");
    if (!failed && cJSON_IsObject(jobs)) failed = take_pictures(w, jobs, e);
    else cJSON_ArrayForEach(job, jobs) failed = failed || take_pictures(w, job, e);
    char *text = failed ? NULL : cJSON_PrintUnformatted(jobs);
    if (text) str_add(out, text);
    cJSON_free(text);
    cJSON_Delete(o);
    str_release(&whole);
    return failed ? -1 : 0;
}

typedef struct {
    Job *at;
    size_t count;
} Drawn;

static int read_plan(Wish *w, Plan *plan, Drawn *out, Err *e)
{
    Item item;
    int got;
    while ((got = plan_next(plan, &item, e)) > 0) {
        int failed = out->count == MAX_PICTURES ? err_usage(e, "more than %d pictures", MAX_PICTURES) : 0;
        if (!failed) {
            out->at = mem_grow(out->at, (out->count + 1) * sizeof *out->at);
            job_copy(&out->at[out->count++], &item.job);
            failed = wish_check(w, &out->at[out->count - 1], e);
        }
        item_release(&item);
        if (failed) return -1;
    }
    if (got < 0) return -1;
    return out->count ? 0 : err_usage(e, "there is no job in it");
}

/* What the jobs begin with; a seed that is not the same each time. */
static int set_defaults(Wish *w, Job *defaults, Err *e)
{
    uint32_t seed;
    job_copy(defaults, &w->job);
    free(defaults->output);
    defaults->output = NULL;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) return err_set(e, "no random seed: %s", strerror(errno));
    defaults->seed = seed;
    defaults->has_seed = true;
    return 0;
}

static int read_jobs(Wish *w, Bytes text, JobsFormat format, Drawn *out, Err *e)
{
    Job defaults;
    NamePlan names = { 0 };
    Str folder = { 0 };
    char date[16];
    template_date(date);
    str_addf(&folder, "%s/wildcards", w->server->folder);
    int failed = set_defaults(w, &defaults, e) || name_plan(&names, NULL, "jobs", e);
    Wildcards *wildcards = wildcards_new(str_text(&folder), EXPAND_RANDOM, NULL);
    Jobs *jobs = failed ? NULL : jobs_of(text, format, "jobs", NULL, e);
    Setup setup = { &defaults, wildcards, EXPAND_RANDOM, &names, date, NULL };
    Plan *plan = jobs ? plan_new(jobs, &setup) : NULL;
    failed = !plan || read_plan(w, plan, out, e);
    plan_free(plan);
    jobs_free(jobs);
    wildcards_free(wildcards);
    name_plan_release(&names);
    job_release(&defaults);
    str_release(&folder);
    return failed ? -1 : 0;
}

static int read_call(Wish *w, const Call *r, Drawn *out, Err *e)
{
    const char *type = call_header(r, "Content-Type");
    Bytes body = { (const unsigned char *)str_text(&r->body), r->body.len };
    if (type && strncasecmp(type, "text/csv", 8) == 0) return read_jobs(w, body, JOBS_CSV, out, e);
    if (type && strncasecmp(type, "application/json", 16) != 0) return read_jobs(w, body, JOBS_JSONL, out, e);
    Str text = { 0 };
    int failed = read_body(w, r, &text, e) ||
                 read_jobs(w, (Bytes){ (const unsigned char *)str_text(&text), text.len }, JOBS_JSON, out, e);
    str_release(&text);
    return failed ? -1 : 0;
}

static void post_jobs(Call *r, Reply *out)
{
    Server *s = r->server;
    Wish w;
    Drawn drawn = { 0 };
    Err e = { .code = ERR_FAILED };
    const char *preview = call_query(r, "preview");
    wish_init(&w, s);
    w.keep = true;
    if ((preview && wish_set(&w, "preview", preview, &e)) || read_call(&w, r, &drawn, &e)) {
        for (size_t i = 0; i < drawn.count; i++) job_release(&drawn.at[i]);
        free(drawn.at);
        reply_error(r, out, 400, NULL, e.text);
    } else {
        Order *t = order_new(API_OWN, r->client, drawn.at, drawn.count);
        t->keep = true;
        t->kept = mem_strdup(str_text(&w.input));
        if (queue_add(s->queue, t, &e)) {
            order_free(t);
            reply_err(r, out, &e);
        } else {
            str_clear(&w.input); /* they stay: limn again wants them */
            reply_json(out, 202, queue_describe(s->queue, t, 0));
            queue_drop(s->queue, t);
        }
    }
    wish_release(&w);
}

/* ---- what becomes of it ---- */

static void list_jobs(Call *r, Reply *out) { reply_json(out, 200, queue_list(r->server->queue)); }

/* "17" or "17/cancel"; *verb: behind the slash, "" without. */
static Order *find_order(Call *r, Reply *out, const char **verb)
{
    char *end;
    unsigned long long id = *r->tail >= '0' && *r->tail <= '9' ? strtoull(r->tail, &end, 10) : 0;
    Order *t = id && (!*end || *end == '/') ? queue_find(r->server->queue, id) : NULL;
    if (!t) reply_error(r, out, 404, NULL, "there is no such job, or it is forgotten");
    else *verb = *end ? end + 1 : "";
    return t;
}

typedef struct {
    Server *server;
    Order *order;
    uint64_t seen;
    size_t pictures; /* that were told of */
    double sent;
} Events;

/*
 * At most ten a second, each with the pictures that are new; a comment where nothing happens, so that nobody in between
 * takes the connection for dead.
 */
static bool next_event(void *ctx, Str *out)
{
    enum { A_SECOND = 10, QUIET_SECONDS = 10 };
    Events *v = ctx;
    Queue *q = v->server->queue;
    double rest = 1.0 / A_SECOND - (clock_now() - v->sent);
    if (v->seen && rest > 0) nanosleep(&(struct timespec){ .tv_nsec = (long)(rest * 1e9) }, NULL);
    uint64_t version = queue_wait(q, v->order, v->seen, 1);
    bool over = order_ended(q, v->order);
    if (version == v->seen && !over) {
        if (clock_now() - v->sent > QUIET_SECONDS) {
            str_add(out, ": wait\n\n");
            v->sent = clock_now();
        }
        return true;
    }
    v->seen = version;
    v->sent = clock_now();
    cJSON *o = queue_describe(q, v->order, v->pictures);
    v->pictures += (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(o, "made"));
    char *text = cJSON_PrintUnformatted(o);
    str_addf(out, "event: %s\ndata: %s\n\n", over ? "end" : "progress", text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(o);
    return !over;
}

static void end_events(void *ctx)
{
    Events *v = ctx;
    queue_drop(v->server->queue, v->order);
    free(v);
}

static void start_events(Call *r, Reply *out, Order *t)
{
    Events *v = mem_alloc(sizeof *v);
    *v = (Events){ .server = r->server, .order = t };
    out->status = 200;
    out->type = "text/event-stream";
    out->stream = next_event;
    out->end = end_events;
    out->ctx = v;
}

static void get_preview(const Call *r, Reply *out, const Order *t)
{
    Bytes png;
    if (!queue_preview_png(r->server->queue, t, &png)) {
        reply_text(out, 204, "text/plain", ""); /* none now: POST /jobs?preview=4 asks for one every 4 steps */
        return;
    }
    out->status = 200;
    out->type = "image/png";
    str_addn(&out->body, (const char *)png.data, png.len);
    free((void *)(size_t)png.data);
}

static void get_job(Call *r, Reply *out)
{
    const char *verb, *accept = call_header(r, "Accept");
    Order *t = find_order(r, out, &verb);
    if (!t) return;
    if (!*verb && accept && strstr(accept, "text/event-stream")) {
        start_events(r, out, t);
        return;
    }
    const char *from = call_query(r, "made");
    size_t first = from ? strtoul(from, NULL, 10) : 0;
    if (first > MAX_PICTURES) first = MAX_PICTURES;
    if (!*verb) reply_json(out, 200, queue_describe(r->server->queue, t, first));
    else if (strcmp(verb, "preview") == 0) get_preview(r, out, t);
    else reply_error(r, out, 404, NULL, "there is nothing of that name");
    queue_drop(r->server->queue, t);
}

static void cancel(Call *r, Reply *out, Order *t)
{
    if (queue_cancel(r->server->queue, t)) reply_json(out, 200, queue_describe(r->server->queue, t, 0));
    else reply_error(r, out, 409, NULL, "it has ended");
    queue_drop(r->server->queue, t);
}

static void post_job(Call *r, Reply *out)
{
    const char *verb;
    Order *t = find_order(r, out, &verb);
    if (t && strcmp(verb, "cancel") == 0) cancel(r, out, t);
    else if (t) {
        reply_error(r, out, 404, NULL, "there is nothing of that name");
        queue_drop(r->server->queue, t);
    }
}

static void delete_job(Call *r, Reply *out)
{
    const char *verb;
    Order *t = find_order(r, out, &verb);
    if (t) cancel(r, out, t);
}

const Route own_jobs[] = {
    { "POST", "/jobs", post_jobs, ROUTE_JSON | ROUTE_TEXT, API_OWN },
    { "GET", "/jobs", list_jobs, 0, API_OWN },
    { "GET", "/jobs/*", get_job, 0, API_OWN },
    { "POST", "/jobs/*", post_job, ROUTE_JSON, API_OWN },
    { "DELETE", "/jobs/*", delete_job, 0, API_OWN },
    { .method = NULL },
};
