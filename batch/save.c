/* save.c - a picture becomes a file, and then a line of the manifest: in that order, so that the line is true. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/sha.h"
#include "batch/batch.h"
#include "output/picture.h"
#include "output/template.h"
#include "pipeline/metadata.h"

void task_free(Task *t)
{
    if (!t) return;
    item_release(&t->item);
    job_release(&t->job);
    image_release(&t->image);
    str_release(&t->line);
    free(t);
}

/* 2026-11-22T08:19:13.123Z */
static void add_time(cJSON *line)
{
    struct timespec now;
    struct tm tm;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof text - len, ".%03ldZ", now.tv_nsec / 1000000);
    cJSON_AddStringToObject(line, "time", text);
}

/* The options as far as they are known when there was no model to ask. */
static void add_options(cJSON *line, const Job *j)
{
    cJSON *options = cJSON_AddObjectToObject(line, "job");
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 };
        char key[64];
        size_t len = strlen(o->name);
        for (size_t k = 0; k <= len && k < sizeof key; k++) key[k] = o->name[k] == '-' ? '_' : o->name[k];
        if ((o->picture || strcmp(o->name, "model") == 0) && job_get(j, o, &value)) {
            if (o->type == OPT_SEED) {
                str_clear(&value);
                metadata_seed(j->seed, &value);
            }
            if (o->type == OPT_INT || o->type == OPT_FLOAT || o->type == OPT_SEED)
                cJSON_AddRawToObject(options, key, str_text(&value));
            else json_add_text(options, key, str_text(&value));
        }
        str_release(&value);
    }
}

static cJSON *line_of(const Batch *b, const Task *t)
{
    char seconds[32];
    cJSON *line = cJSON_CreateObject();
    json_add_text(line, "file", str_text(&t->item.file));                    /* first: manifest.c finds it there */
    cJSON_AddNumberToObject(line, "seq", (double)manifest_seq(b->manifest)); /* and that behind it */
    cJSON_AddStringToObject(line, "status", t->failed ? "failed" : "done");
    cJSON_AddNumberToObject(line, "index", (double)t->item.index);
    cJSON_AddNumberToObject(line, "line", (double)t->item.line);
    if (t->item.id) json_add_text(line, "id", t->item.id);
    add_time(line);
    snprintf(seconds, sizeof seconds, "%.3f", t->seconds);
    cJSON_AddRawToObject(line, "seconds", seconds);
    cJSON_AddStringToObject(line, "key", t->item.key);
    if (b->names.pattern && template_uses(b->names.pattern, "date")) cJSON_AddStringToObject(line, "date", b->date);
    if (t->failed) json_add_text(line, "error", t->e.text);
    if (t->refused) cJSON_AddTrueToObject(line, "refused");
    return line;
}

/* The job, flat: every option that decides the picture, the model, and the fields of the user's own. */
static void add_job(cJSON *line, const Task *t)
{
    if (t->m) {
        Str settings = { 0 };
        metadata_json(&t->job, t->m, t->job.seed, &settings);
        cJSON *root = cJSON_Parse(str_text(&settings)), *model = cJSON_GetObjectItemCaseSensitive(root, "model");
        cJSON_AddItemToObject(line, "job", cJSON_DetachItemFromObjectCaseSensitive(root, "options"));
        json_add_text(cJSON_GetObjectItemCaseSensitive(line, "job"), "model",
                      cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "path")));
        while (root->child) {
            cJSON *item = cJSON_DetachItemViaPointer(root, root->child);
            cJSON_AddItemToObject(line, item->string, item); /* limn, kernels, model */
        }
        cJSON_Delete(root);
        str_release(&settings);
    } else {
        add_options(line, &t->job);
    }
    cJSON *job = cJSON_GetObjectItemCaseSensitive(line, "job"), *fields = cJSON_Parse(str_text(&t->item.fields));
    while (fields && fields->child) {
        cJSON *item = cJSON_DetachItemViaPointer(fields, fields->child);
        cJSON_AddItemToObject(job, item->string, item);
    }
    cJSON_Delete(fields);
}

/* One file of the picture, told in `about`. side: of a smaller copy, or 0. */
static int save_file(const Batch *b, Task *t, int side, const char *file, cJSON *about)
{
    Bytes png = { 0 };
    char sha[65];
    if (output_png(&t->job, t->m, &t->image, t->job.seed, side, &png, &t->e)) return -1;
    int failed = place_file(&b->place, file, png, &t->fatal, &t->e);
    if (!failed) {
        sha_hex(png, sha);
        cJSON_AddNumberToObject(about, "bytes", (double)png.len);
        cJSON_AddStringToObject(about, "sha256", sha);
    }
    free((void *)(size_t)png.data);
    return failed;
}

static int save_copies(const Batch *b, Task *t, cJSON *line)
{
    int sizes[JOB_MAX_SIZES], count = job_sizes(t->job.sizes, sizes, &t->e), failed = count < 0;
    cJSON *copies = count > 0 ? cJSON_AddArrayToObject(line, "copies") : NULL;
    for (int i = 0; i < count && !failed; i++) {
        Str name = { 0 };
        cJSON *copy = cJSON_CreateObject();
        output_size_name(str_text(&t->item.file), sizes[i], &name);
        json_add_text(copy, "file", str_text(&name));
        failed = save_file(b, t, sizes[i], str_text(&name), copy);
        cJSON_AddItemToArray(copies, copy);
        str_release(&name);
    }
    return failed;
}

/* The copies first: the picture's own name is the last to appear. */
static int save_picture(const Batch *b, Task *t, cJSON *line)
{
    return save_copies(b, t, line) || save_file(b, t, 0, str_text(&t->item.file), line);
}

void batch_save(void *batch, void *task)
{
    Batch *b = batch;
    Task *t = task;
    if (b->full) {
        t->dropped = true;
        return;
    }
    cJSON *line = line_of(b, t);
    if (!t->failed && save_picture(b, t, line)) {
        t->failed = -1;
        cJSON_Delete(line);
        line = line_of(b, t);
    }
    add_job(line, t);
    char *text = cJSON_PrintUnformatted(line);
    str_add(&t->line, text);
    cJSON_free(text);
    cJSON_Delete(line);
    Err e;
    if (!t->fatal && manifest_append(b->manifest, str_text(&t->line), &e)) {
        t->failed = -1;
        t->fatal = true;
        t->e = e;
    }
    b->full = t->fatal;
    image_release(&t->image);
}
