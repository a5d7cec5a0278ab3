/* list.c - limn list: what there is, from the tables. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/wrap.h"
#include "cmd/command.h"
#include "cmd/help.h"
#include "cmd/say.h"
#include "hub/cache.h"
#include "pipeline/describe_adapter.h"
#include "pipeline/describe_embedding.h"
#include "pipeline/library.h"
#include "pipeline/model.h"
#include "scheduler/guide.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"
#include "weights/source.h"

/* Where the rows go: printed as they come, or collected as JSON. */
typedef struct {
    cJSON *array;   /* NULL: printed */
    const Job *job; /* the command line: whose words */
    Err *e;
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
    if (s->only) cJSON_AddStringToObject(o, "only", s->only == NETWORK_FLOW ? "flow matching" : "consistency models");
    cJSON_AddBoolToObject(o, "multistep", s->multistep);
    cJSON_AddNumberToObject(o, "order", s->order);
    cJSON_AddStringToObject(o, "evaluations", evals);
    cJSON_AddNumberToObject(o, "eta", s->eta);
    cJSON_AddBoolToObject(o, "takes_eta", s->takes_eta);
    cJSON_AddStringToObject(o, "paper", s->paper);
    add_aliases(rows, s->aliases);
}

static int list_samplers(Rows *rows)
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
    return 0;
}

static int list_schedules(Rows *rows)
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
    return 0;
}

static int list_guides(Rows *rows)
{
    for (const Guide *g = guides; g->name; g++) {
        if (!rows->array) {
            printf("%s\n    %s\n    %s\n", g->name, g->help, g->paper);
            continue;
        }
        row(rows, g->name, g->help);
        cJSON *o = cJSON_GetArrayItem(rows->array, cJSON_GetArraySize(rows->array) - 1);
        cJSON_AddStringToObject(o, "paper", g->paper);
        cJSON *options = cJSON_AddArrayToObject(o, "options");
        for (int i = 0; i < GUIDE_VALUES && g->options[i]; i++)
            cJSON_AddItemToArray(options, cJSON_CreateString(g->options[i]));
    }
    return 0;
}

static int list_models(Rows *rows)
{
    size_t count;
    for (const char *const *name = source_builtin_names(); *name; name++) row(rows, *name, NULL);
    HubModel *m = hub_models(&count);
    for (size_t i = 0; i < count; i++) row(rows, m[i].name, m[i].path);
    hub_models_release(m, count);
    return 0;
}

/* The files of a folder; where it is not there, that is told. */
static int list_folder(Rows *rows, const char *given, const char *usual, void (*line)(const char *path, Str *out))
{
    Library l;
    int failed = library_open(&l, given, usual, rows->e);
    for (size_t i = 0; !failed && i < l.count; i++) {
        Str text = { 0 };
        if (l.file[i].readable) line(l.file[i].path, &text);
        else str_add(&text, "a pickle, which may run code: limn reads .safetensors");
        if (rows->array) row(rows, l.file[i].name, str_text(&text));
        else say(stdout, "%s\n    %s\n", l.file[i].name, str_text(&text));
        str_release(&text);
    }
    if (!failed && !l.count && !rows->array) {
        char *folder = library_usual(usual);
        say(stderr, "limn: there are none in %s\n", l.folder ? l.folder : folder);
        free(folder);
    }
    library_close(&l);
    return failed;
}

static int list_loras(Rows *rows) { return list_folder(rows, rows->job->lora_dir, "loras", describe_adapter_line); }

static int list_embeddings(Rows *rows)
{
    return list_folder(rows, rows->job->embedding_dir, "embeddings", describe_embedding_line);
}

static int list_options(Rows *rows)
{
    for (const Option *o = job_options; o->name; o++) {
        if (!command_takes(command_find("generate"), o)) continue;
        row(rows, o->name, o->help);
        if (rows->array) add_aliases(rows, o->aliases ? o->aliases : "");
    }
    return 0;
}

static void add_meanings(Rows *rows, const Category *c)
{
    row(rows, c->name, NULL);
    cJSON *o = cJSON_GetArrayItem(rows->array, cJSON_GetArraySize(rows->array) - 1);
    cJSON *words = cJSON_AddObjectToObject(o, "words");
    for (int i = 0; i < c->count; i++) {
        cJSON *phrases = cJSON_AddArrayToObject(words, c->meanings[i].label);
        for (int k = 0; k < c->meanings[i].count; k++)
            cJSON_AddItemToArray(phrases, cJSON_CreateString(c->meanings[i].phrases[k]));
    }
}

static void print_wrapped(const char *name, const char *text)
{
    enum { LEFT = 13 };
    Str out = { 0 };
    str_addf(&out, "%-*s", LEFT, name);
    wrap_add(&out, text, LEFT, help_width());
    fputs(str_text(&out), stdout);
    str_release(&out);
}

static int list_words(Rows *rows)
{
    const Job *j = rows->job;
    Model *m = model_open(&(ModelPaths){ .path = j->model, .no_weights = true }, rows->e);
    if (!m) return -1;
    int failed =
        m->words ? 0
                 : err_set(rows->e, "%s brings no list of its words: it was trained on texts of all kinds", m->path);
    for (int i = 0; !failed && m->words && i < m->words->count; i++) {
        const Category *c = &m->words->categories[i];
        Str line = { 0 };
        words_line(c, true, &line);
        if (rows->array) add_meanings(rows, c);
        else print_wrapped(c->name, str_text(&line));
        str_release(&line);
    }
    model_free(m);
    return failed;
}

static const struct Topic {
    const char *name, *help;
    int (*list)(Rows *rows); /* Error: in rows->e */
} topics[] = {
    { "samplers", "ways from noise to a picture, for --sampler", list_samplers },
    { "schedules", "noise levels that a sampler visits, for --schedule", list_schedules },
    { "guides", "ways to follow the prompt more closely", list_guides },
    { "models", "models inside the program, and those that limn pull has fetched", list_models },
    { "loras", "LoRAs in --lora-dir, for <lora:name> in a prompt", list_loras },
    { "embeddings", "textual inversions in --embedding-dir", list_embeddings },
    { "words", "words that the model inside knows, or that of --model", list_words },
    { "options", "every option of limn generate", list_options },
    { NULL, NULL, NULL },
};

bool list_has(const char *topic)
{
    for (const struct Topic *t = topics; t->name; t++)
        if (strcmp(t->name, topic) == 0) return true;
    return false;
}

static int list_topic(const char *name, Rows *rows, Err *e)
{
    Nearest n = nearest_to(name);
    for (const struct Topic *t = topics; t->name; t++) {
        if (strcmp(t->name, name) == 0) {
            if (rows->job->model && t->list != list_words)
                return err_usage(e, "--model: only limn list words is of a model, limn list %s is not", name);
            return t->list(rows);
        }
        nearest_try(&n, t->name);
    }
    if (n.best) return err_usage(e, "\"%.60s\" cannot be listed; did you mean \"%s\"?", name, n.best);
    return err_usage(e, "\"%.60s\" cannot be listed; limn list shows what can", name);
}

int cmd_list(const Args *a, Err *e)
{
    Rows rows = { a->job.json ? cJSON_CreateArray() : NULL, &a->job, e };
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
