/* list.c - limn list: what there is, from the tables. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "cmd/command.h"
#include "cmd/say.h"
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

/* "2N - 1": what N steps cost, seen from 10 and 12. */
static void evals_text(const Sampler *s, char out[32])
{
    int cost[2];
    for (int k = 0; k < 2; k++) {
        double sigma[13], t[13] = { 0 };
        int steps = 10 + 2 * k;
        for (int i = 0; i <= steps; i++) sigma[i] = steps - i;
        cost[k] = sampler_evals(
            s, &(Timeline){ .steps = steps, .sigma = sigma, .t = t, .to = sigma + 1, .family = s->family });
    }
    int each = (cost[1] - cost[0]) / 2, rest = cost[0] - 10 * each;
    if (s->adaptive) snprintf(out, 32, "its own");
    else if (rest)
        snprintf(out, 32, "%.0dN %c %d", each == 1 ? 0 : each, rest < 0 ? '-' : '+', rest < 0 ? -rest : rest);
    else snprintf(out, 32, "%.0dN", each == 1 ? 0 : each);
}

/* "1 (eta)": fresh noise, and whether it is the user's to choose. */
static void noise_text(const Sampler *s, char out[16])
{
    const char *what = s->kind == SAMPLER_SDE ? "SDE" : s->kind == SAMPLER_ANCESTRAL ? "each step" : "none";
    if (s->kind == SAMPLER_ODE && s->takes_eta) what = "--eta";
    snprintf(out, 16, "%s", what);
}

static const char *kind_name(const Sampler *s)
{
    return s->kind == SAMPLER_SDE ? "sde" : s->kind == SAMPLER_ANCESTRAL ? "ancestral" : "ode";
}

/* Names parted by commas, as an array of the row that was added last. */
static void add_aliases(Rows *rows, const char *aliases)
{
    cJSON *o = cJSON_GetArrayItem(rows->array, cJSON_GetArraySize(rows->array) - 1);
    cJSON *list = cJSON_AddArrayToObject(o, "aliases");
    while (*aliases) {
        size_t n = strcspn(aliases, ",");
        char one[64];
        snprintf(one, sizeof one, "%.*s", (int)n, aliases);
        cJSON_AddItemToArray(list, cJSON_CreateString(one));
        aliases += n + (aliases[n] == ',');
        aliases += strspn(aliases, " ");
    }
}

static void add_sampler(Rows *rows, const Sampler *s)
{
    char evals[32];
    evals_text(s, evals);
    row(rows, s->name, s->help);
    cJSON *o = cJSON_GetArrayItem(rows->array, cJSON_GetArraySize(rows->array) - 1);
    cJSON_AddStringToObject(o, "when", s->when);
    cJSON_AddStringToObject(o, "a1111", s->a1111);
    cJSON_AddStringToObject(o, "kind", kind_name(s));
    cJSON_AddBoolToObject(o, "multistep", s->multistep);
    cJSON_AddNumberToObject(o, "order", s->order);
    cJSON_AddStringToObject(o, "evaluations", evals);
    cJSON_AddNumberToObject(o, "eta", s->eta);
    cJSON_AddBoolToObject(o, "takes_eta", s->takes_eta);
    cJSON_AddStringToObject(o, "paper", s->paper);
    add_aliases(rows, s->aliases);
}

static void list_samplers(Rows *rows)
{
    if (!rows->array) printf("%-26s %-8s %-5s  %-10s  %s\n", "name", "costs", "order", "new noise", "in A1111");
    for (const Sampler *s = samplers; s->name; s++) {
        char evals[32], noise[16];
        if (rows->array) {
            add_sampler(rows, s);
            continue;
        }
        evals_text(s, evals);
        noise_text(s, noise);
        printf("%-26s %-8s %5.0d  %-10s  %s\n    %s\n", s->name, evals, s->order, noise, s->a1111, s->help);
    }
    if (!rows->array)
        puts("costs: evaluations of the network for N steps. Names of A1111, ComfyUI, InvokeAI\n"
             "and diffusers are understood too: \"DPM++ 2M Karras\". docs/samplers.md has more.");
}

static void list_schedules(Rows *rows)
{
    for (const Schedule *s = schedules; s->name; s++) {
        if (!rows->array) {
            printf("%s\n    %s\n", s->name, s->help);
            continue;
        }
        row(rows, s->name, s->help);
        cJSON *o = cJSON_GetArrayItem(rows->array, cJSON_GetArraySize(rows->array) - 1);
        cJSON_AddStringToObject(o, "when", s->when);
        cJSON_AddStringToObject(o, "a1111", s->a1111);
        add_aliases(rows, s->aliases);
    }
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
        say_json(rows.array);
    } else {
        cJSON_Delete(rows.array);
    }
    return failed;
}
