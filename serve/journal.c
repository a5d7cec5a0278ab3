/*
 * journal.c - see journal.h. Lines of JSON: {"id": 3, "jobs": [{options}, ...]}, {"id": 3, "made": "limn-00007.png"}, {"id": 3,
 * "passed": true}, {"id": 3, "end": "done"}. A server that finds
 * nothing to go on with begins the file anew.
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

struct Journal {
    int fd;
};

enum { MAX_BYTES = 64 << 20 };

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

/* A write that fails loses no picture, only what --resume would know: the server goes on. */
static void append(const Journal *j, cJSON *line)
{
    char *text = cJSON_PrintUnformatted(line);
    Str out = { 0 };
    str_addf(&out, "%s\n", text ? text : "{}");
    if (file_write_all(j->fd, (Bytes){ (const unsigned char *)out.s, out.len }) == 0) fdatasync(j->fd);
    str_release(&out);
    cJSON_free(text);
    cJSON_Delete(line);
}

static cJSON *line_of(const Order *t)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", (double)t->id);
    return o;
}

static void on_added(void *ctx, const Order *t)
{
    cJSON *o = line_of(t), *jobs = cJSON_AddArrayToObject(o, "jobs");
    cJSON_AddNumberToObject(o, "api", t->api);
    json_add_text(o, "client", t->client);
    for (size_t i = 0; i < t->job_count; i++) cJSON_AddItemToArray(jobs, job_json(&t->jobs[i]));
    append(ctx, o);
}

static void on_made(void *ctx, const Order *t, const Made *m)
{
    cJSON *o = line_of(t);
    json_add_text(o, "made", m->file ? m->file : "");
    append(ctx, o);
}

static void on_ended(void *ctx, const Order *t)
{
    cJSON *o = line_of(t);
    cJSON_AddNumberToObject(o, "end", t->state);
    append(ctx, o);
}

/* ---- what an earlier run left ---- */

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
    if (cJSON_GetObjectItemCaseSensitive(o, "end")) drop(l, t);
    else skip_picture(t);
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
    if (st.st_size > MAX_BYTES) return err_set(e, "%s%s is larger than 64 MB: move it away", folder->path, name);
    if (!st.st_size) return 0;
    if (file_map_fd(&text, fd, name, e)) return -1;
    size_t whole = text.len; /* a line that was being written is no line */
    while (whole && text.data[whole - 1] != '\n') whole--;
    int failed = read_lines(l, (Bytes){ text.data, whole }, options, folder->path, e);
    file_unmap(&text);
    if (!failed && ftruncate(fd, (off_t)whole)) failed = err_set(e, "%s: %s", name, strerror(errno));
    return failed;
}

/* Into the queue; their lines are in the file already. */
static int add_left(Left *l, Queue *q, int *count, Err *e)
{
    for (size_t i = 0; i < l->count; i++) {
        Order *t = l->at[i];
        if (!t || t->tried >= t->pictures || t->job >= t->job_count) continue;
        t->again = true;
        if (queue_add(q, t, e)) return -1;
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
    j->fd = open_file(folder, e);
    int failed = j->fd < 0 || read_left(&left, j->fd, folder, options, e);
    queue_number(q, left.last);
    if (!failed && options->resume) failed = add_left(&left, q, count, e);
    else if (!failed) *count = left_count(&left);
    if (!failed && (!options->resume || !*count) && ftruncate(j->fd, 0))
        failed = err_set(e, "%s: %s", name, strerror(errno));
    if (!failed) queue_watch(q, &(QueueWatch){ j, on_added, on_made, on_ended });
    release(&left);
    if (!failed) return j;
    journal_close(j);
    return NULL;
}

void journal_close(Journal *j)
{
    if (!j) return;
    if (j->fd >= 0) close(j->fd);
    free(j);
}
