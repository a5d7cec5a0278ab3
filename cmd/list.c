/* list.c - limn list: what there is, from the tables. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "cmd/command.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"
#include "weights/source.h"

/* Where the rows go: printed as they come, or collected as JSON. */
typedef struct {
    cJSON *array; /* NULL: printed */
} Rows;

static void row(Rows *rows, const char *name, const char *help)
{
    if (!rows->array) {
        printf(help ? "%-16s %s\n" : "%s\n", name, help);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", name);
    if (help) cJSON_AddStringToObject(o, "help", help);
    cJSON_AddItemToArray(rows->array, o);
}

static void list_samplers(Rows *rows)
{
    for (const Sampler *s = samplers; s->name; s++) row(rows, s->name, s->help);
}

static void list_schedules(Rows *rows)
{
    for (const Schedule *s = schedules; s->name; s++) row(rows, s->name, s->help);
}

static void list_models(Rows *rows)
{
    for (const char *const *name = source_builtin_names(); *name; name++) row(rows, *name, NULL);
}

static void list_options(Rows *rows)
{
    for (const Option *o = job_options; o->name; o++)
        if (command_takes(command_find("generate"), o)) row(rows, o->name, o->help);
}

static const struct Topic {
    const char *name, *help;
    void (*list)(Rows *rows);
} topics[] = {
    { "samplers", "ways from noise to a picture, for --sampler", list_samplers },
    { "schedules", "noise levels that a sampler visits, for --schedule", list_schedules },
    { "models", "models inside the program, for --model", list_models },
    { "options", "every option of limn generate", list_options },
    { NULL, NULL, NULL },
};

static int list_topic(const char *name, Rows *rows, Err *e)
{
    Nearest n = nearest_to(name);
    for (const struct Topic *t = topics; t->name; t++) {
        if (strcmp(t->name, name) == 0) {
            t->list(rows);
            return 0;
        }
        nearest_try(&n, t->name);
    }
    if (n.best) return err_usage(e, "\"%.60s\" cannot be listed; did you mean \"%s\"?", name, n.best);
    return err_usage(e, "\"%.60s\" cannot be listed; limn list shows what can", name);
}

int cmd_list(const Args *a, Err *e)
{
    Rows rows = { .array = a->job.json ? cJSON_CreateArray() : NULL };
    int failed = 0;
    if (a->count) failed = list_topic(a->words[0], &rows, e);
    else
        for (const struct Topic *t = topics; t->name; t++) row(&rows, t->name, t->help);
    if (!failed && rows.array) {
        char *text = cJSON_PrintUnformatted(rows.array);
        puts(text);
        cJSON_free(text);
    }
    cJSON_Delete(rows.array);
    return failed;
}
