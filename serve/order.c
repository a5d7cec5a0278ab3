/* order.c - an order by itself: made, and freed with its files. See queue.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/queue.h"

Order *order_new(Api api, const char *client, Job *jobs, size_t count)
{
    Order *t = mem_alloc(sizeof *t);
    t->api = api;
    t->client = mem_strdup(client);
    t->jobs = jobs;
    t->job_count = count;
    for (size_t i = 0; i < count; i++) t->pictures += (uint64_t)jobs[i].count;
    return t;
}

static void made_release(Made *m)
{
    free((void *)(size_t)m->png.data);
    free(m->file);
    free(m->infotext);
    free(m->settings);
}

void input_remove(const char *files)
{
    for (const char *end; files && (end = strchr(files, '\n')); files = end + 1) {
        char *path = mem_strndup(files, (size_t)(end - files));
        unlink(path);
        free(path);
    }
}

void order_free(Order *t)
{
    if (!t) return;
    input_remove(t->input);
    for (size_t i = 0; i < t->job_count; i++) job_release(&t->jobs[i]);
    for (size_t i = 0; i < t->made_count; i++) made_release(&t->made[i]);
    free(t->jobs);
    free(t->made);
    free(t->client);
    free(t->input);
    free(t->kept);
    str_release(&t->words);
    image_release(&t->preview);
    free(t);
}
