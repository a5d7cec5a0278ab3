/*
 * journal.c - see journal.h. Lines of JSON: {"id": 3, "jobs": [{options}, ...]}, {"id": 3, "made": "limn-00007.png"}, {"id": 3,
 * "made": 12} for so many of them, {"id": 3, "end": 2}. The file begins anew with what has not ended: at the start, when nothing is left,
 * and where most of it is of orders that have ended.
 */
#include "serve/journal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/json.h"

static const char name[] = "serve.jsonl";

/* An order that has not ended. */
typedef struct Live {
    uint64_t id, made;
    char *line; /* its jobs */
    struct Live *next;
} Live;

struct Journal {
    int fd;
    const Folder *folder;
    size_t size; /* bytes in the file */
    Live *live;  /* the oldest first */
};

enum { MAX_BYTES = 1 << 30, /* that are read */ TIDY_BYTES = 4 << 20 /* from which the file is looked over */ };

/* ---- jobs as JSON ---- */

static cJSON *job_json(const Job *j)
{
    cJSON *o = cJSON_CreateObject();
    for (const Option *p = job_options; p->name; p++) {
        Str value = { 0 };
        bool wanted = p->picture || strcmp(p->name, "model") == 0 || strcmp(p->name, "count") == 0;
        if (wanted && job_get(j, p, &value)) json_add_text(o, p->name, str_text(&value));
        str_release(&value);
    }
    return o;
}

static int job_read(Job *j, const cJSON *o, Err *e)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, o)
    {
        const Option *p = option_find(item->string, strlen(item->string));
        if (!p || !cJSON_IsString(item)) return err_set(e, "\"%.60s\" is no option", item->string);
        if (job_set(j, p, item->valuestring, e)) return err_in(e, item->string);
    }
    return 0;
}

/* Heap; takes the value. */
static char *line_text(cJSON *line)
{
    char *text = cJSON_PrintUnformatted(line);
    Str out = { 0 };
    str_addf(&out, "%s\n", text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(line);
    return out.s;
}

/* A write that fails loses no picture, only what --resume would know: the server goes on. */
static void append(Journal *j, const char *line)
{
    size_t len = strlen(line);
    if (file_write_all(j->fd, (Bytes){ (const unsigned char *)line, len }) == 0) fdatasync(j->fd);
    j->size += len;
}

static cJSON *line_of(uint64_t id)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", (double)id);
    return o;
}

static char *jobs_line(const Order *t)
{
    cJSON *o = line_of(t->id), *jobs = cJSON_AddArrayToObject(o, "jobs");
    cJSON_AddNumberToObject(o, "api", t->api);
    json_add_text(o, "client", t->client);
    for (size_t i = 0; i < t->job_count; i++) cJSON_AddItemToArray(jobs, job_json(&t->jobs[i]));
    return line_text(o);
}

/* ---- what has not ended ---- */

static Live *add_live(Journal *j, const Order *t)
{
    Live **at = &j->live;
    while (*at) at = &(*at)->next;
    *at = mem_alloc(sizeof **at);
    **at = (Live){ .id = t->id, .made = t->tried, .line = jobs_line(t) };
    return *at;
}

static void drop_live(Journal *j, uint64_t id)
{
    for (Live **at = &j->live; *at; at = &(*at)->next) {
        Live *l = *at;
        if (l->id != id) continue;
        *at = l->next;
        free(l->line);
        free(l);
        return;
    }
}

typedef struct {
    Journal *journal;
    int fd; /* of the new file, with its lock */
    size_t size;
} Fresh;

static int write_live(void *ctx, int fd, Err *e)
{
    Fresh *f = ctx;
    Str text = { 0 };
    for (const Live *l = f->journal->live; l; l = l->next) {
        cJSON *made = line_of(l->id);
        cJSON_AddNumberToObject(made, "made", (double)l->made);
        char *line = line_text(made);
        str_add(&text, l->line);
        if (l->made) str_add(&text, line);
        free(line);
    }
    f->size = text.len;
    int failed = file_write_all(fd, (Bytes){ (const unsigned char *)text.s, text.len });
    f->fd = failed ? -1 : dup(fd);
    str_release(&text);
    return failed || f->fd < 0 ? err_set(e, "%s: %s", name, strerror(errno)) : 0;
}

/* The file, with what has not ended alone. What was there stays where it cannot be written. */
static int begin_anew(Journal *j, Err *e)
{
    Fresh f = { j, -1, 0 };
    if (!j->live && ftruncate(j->fd, 0) == 0) {
        j->size = 0;
        return 0;
    }
    int failed = folder_write_made(j->folder, name, &(FileMaker){ &f, write_live }, NULL, e);
    if (!failed) {
        close(j->fd);
        fcntl(f.fd, F_SETFL, O_APPEND);
        j->fd = f.fd;
        j->size = f.size;
    } else if (f.fd >= 0) {
        close(f.fd);
    }
    return failed;
}

/* ---- what is told ---- */

static void on_added(void *ctx, const Order *t) { append(ctx, add_live(ctx, t)->line); }

static void on_made(void *ctx, const Order *t, const Made *m)
{
    Journal *j = ctx;
    cJSON *o = line_of(t->id);
    json_add_text(o, "made", m->file ? m->file : "");
    char *line = line_text(o);
    append(j, line);
    free(line);
    for (Live *l = j->live; l; l = l->next) l->made += l->id == t->id;
}

static void on_ended(void *ctx, const Order *t)
{
    Journal *j = ctx;
    Err e;
    size_t wanted = 0;
    cJSON *o = line_of(t->id);
    cJSON_AddNumberToObject(o, "end", t->state);
    char *line = line_text(o);
    append(j, line);
    free(line);
    drop_live(j, t->id);
    if (!t->made_count) input_remove(t->kept);
    for (const Live *l = j->live; l; l = l->next) wanted += strlen(l->line);
    if (!j->live || (j->size > TIDY_BYTES && j->size > 2 * wanted)) begin_anew(j, &e);
}

/* ---- what an earlier run left ---- */

/* Those of its pictures that requests sent; heap. */
static char *kept_of(const Job *jobs, int n, const char *folder)
{
    Str inputs = { 0 }, all = { 0 };
    str_addf(&inputs, "%s/inputs/", folder);
    for (int i = 0; i < n; i++) {
        const char *const paths[] = { jobs[i].init_image, jobs[i].mask };
        for (int k = 0; k < 2; k++)
            if (paths[k] && str_starts(paths[k], str_text(&inputs))) str_addf(&all, "%s\n", paths[k]);
    }
    str_release(&inputs);
    return all.s;
}

/* The order of a line, or NULL. */
static Order *read_order(const cJSON *o, const Job *options, const char *folder, Err *e)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "jobs"), *one;
    const cJSON *client = cJSON_GetObjectItemCaseSensitive(o, "client");
    int n = cJSON_GetArraySize(list), i = 0, failed = n < 1;
    Job *jobs = mem_array((size_t)n + 1, sizeof *jobs);
    cJSON_ArrayForEach(one, list)
    {
        job_copy(&jobs[i], options);
        free(jobs[i].output);
        jobs[i].output = mem_strdup(folder);
        failed = failed || job_read(&jobs[i], one, e);
        i++;
    }
    Order *t = order_new(API_OWN, cJSON_IsString(client) ? client->valuestring : "", jobs, (size_t)n);
    t->keep = true;
    t->kept = kept_of(jobs, n, folder);
    if (!failed) return t;
    order_free(t);
    return NULL;
}

typedef struct {
    Order **at;
    size_t count;
    uint64_t last;
} Left;

static Order *find(const Left *l, uint64_t id)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i] && l->at[i]->id == id) return l->at[i];
    return NULL;
}

static void drop(Left *l, const Order *t)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->at[i] != t) continue;
        order_free(l->at[i]);
        l->at[i] = NULL;
    }
}

/* A picture of it is there. */
static void skip_picture(Order *t)
{
    t->tried++;
    if (t->job < t->job_count && ++t->picture >= t->jobs[t->job].count) {
        t->job++;
        t->picture = 0;
    }
}

static int read_line(Left *l, const cJSON *o, const Job *options, const char *folder, Err *e)
{
    uint64_t id;
    if (!json_whole(cJSON_GetObjectItemCaseSensitive(o, "id"), &id) || !id)
        return err_set(e, "a line without a number");
    if (id > l->last) l->last = id;
    if (cJSON_GetObjectItemCaseSensitive(o, "jobs")) {
        const cJSON *api = cJSON_GetObjectItemCaseSensitive(o, "api");
        if (!cJSON_IsNumber(api) || api->valueint != API_OWN) return 0; /* whoever waited for it has gone */
        Order *t = read_order(o, options, folder, e);
        if (!t) return -1;
        t->id = id;
        l->at = mem_grow(l->at, (l->count + 1) * sizeof *l->at);
        l->at[l->count++] = t;
        return 0;
    }
    Order *t = find(l, id);
    if (!t) return 0;
    const cJSON *made = cJSON_GetObjectItemCaseSensitive(o, "made");
    double count = cJSON_IsNumber(made) ? made->valuedouble : 1;
    if (cJSON_GetObjectItemCaseSensitive(o, "end")) drop(l, t);
    else
        while (count-- > 0 && t->tried < t->pictures) skip_picture(t);
    return 0;
}

static int read_lines(Left *l, Bytes text, const Job *options, const char *folder, Err *e)
{
    const char *at = (const char *)text.data, *end = at + text.len, *stop;
    for (; at < end && (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
        cJSON *o = json_parse((Bytes){ (const unsigned char *)at, (size_t)(stop - at) }, e);
        int failed = !o || read_line(l, o, options, folder, e);
        cJSON_Delete(o);
        if (failed) return err_in(e, name);
    }
    return 0;
}

static void release(Left *l)
{
    for (size_t i = 0; i < l->count; i++) order_free(l->at[i]);
    free(l->at);
}

/* ---- the file ---- */

static int open_file(const Folder *folder, Err *e)
{
    bool made;
    int fd = folder_open_own(folder, name, O_RDWR | O_APPEND, &made, e);
    if (fd < 0) return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    err_set(e, "%s%s: another limn serve has this folder; -o chooses another", folder->path, name);
    close(fd);
    return -1;
}

static int read_left(Left *l, int fd, const Folder *folder, const Job *options, Err *e)
{
    struct stat st;
    Bytes text = { 0 };
    if (fstat(fd, &st)) return err_set(e, "%s: %s", name, strerror(errno));
    if (st.st_size > MAX_BYTES) return err_set(e, "%s%s is larger than 1 GB: move it away", folder->path, name);
    if (!st.st_size) return 0;
    if (file_map_fd(&text, fd, name, e)) return -1;
    size_t whole = text.len; /* a line that was being written is no line */
    while (whole && text.data[whole - 1] != '\n') whole--;
    int failed = read_lines(l, (Bytes){ text.data, whole }, options, folder->path, e);
    file_unmap(&text);
    if (!failed && ftruncate(fd, (off_t)whole)) failed = err_set(e, "%s: %s", name, strerror(errno));
    return failed;
}

/* Into the queue, and among what has not ended. */
static int add_left(Journal *j, Left *l, Queue *q, int *count, Err *e)
{
    for (size_t i = 0; i < l->count; i++) {
        Order *t = l->at[i];
        if (!t || t->tried >= t->pictures || t->job >= t->job_count) continue;
        t->again = true;
        if (queue_add(q, t, e)) return -1;
        add_live(j, t);
        l->at[i] = NULL;
        queue_drop(q, t);
        ++*count;
    }
    return 0;
}

static int left_count(const Left *l)
{
    int n = 0;
    for (size_t i = 0; i < l->count; i++) n += l->at[i] && l->at[i]->tried < l->at[i]->pictures;
    return n;
}

Journal *journal_open(const Folder *folder, Queue *q, const Job *options, int *count, Err *e)
{
    Left left = { 0 };
    Journal *j = mem_alloc(sizeof *j);
    *count = 0;
    j->folder = folder;
    j->fd = open_file(folder, e);
    int failed = j->fd < 0 || read_left(&left, j->fd, folder, options, e);
    queue_number(q, left.last);
    if (!failed && options->resume) failed = add_left(j, &left, q, count, e);
    else if (!failed) *count = left_count(&left);
    failed = failed || begin_anew(j, e);
    if (!failed) queue_watch(q, &(QueueWatch){ j, on_added, on_made, on_ended });
    release(&left);
    if (!failed) return j;
    journal_close(j);
    return NULL;
}

void journal_close(Journal *j)
{
    if (!j) return;
    while (j->live) drop_live(j, j->live->id);
    if (j->fd >= 0) close(j->fd);
    free(j);
}
