/* expand.c - see expand.h. */
#include "batch/expand.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/slug.h"
#include "batch/plan.h"
#include "output/template.h"

void item_release(Item *i)
{
    job_release(&i->job);
    free(i->id);
    str_release(&i->fields);
    str_release(&i->file);
    *i = (Item){ .index = 0 };
}

Plan *plan_new(Jobs *jobs, const Setup *setup)
{
    Plan *p = mem_alloc(sizeof *p);
    p->jobs = jobs;
    p->setup = setup;
    job_init(&p->usual);
    jobs_rewind(jobs);
    return p;
}

static void clear_record(Plan *p)
{
    for (int i = 0; i < PROMPTS; i++) {
        for (size_t k = 0; k < p->prompts[i].count; k++) choice_free(p->prompts[i].nodes[k]);
        free(p->prompts[i].nodes);
        free(p->prompts[i].before);
        p->prompts[i] = (Prompt){ 0 };
    }
    free(p->digit);
    p->digit = NULL;
    record_release(&p->record);
    p->count = p->next = 0;
}

void plan_free(Plan *p)
{
    if (!p) return;
    clear_record(p);
    job_release(&p->usual);
    free(p);
}

void plan_rewind(Plan *p)
{
    clear_record(p);
    p->index = 0;
    jobs_rewind(p->jobs);
}

/* ---- one picture ----------------------------------------------------------------------------------------------------- */

/* The value of a field for the picture at hand. */
static void own_value(const Plan *p, const Field *f, Str *out) { field_value(f, p->digit[f - p->record.fields], out); }

static void number_text(uint64_t v, Str *out) { str_addf(out, "%llu", (unsigned long long)v); }

static void field_in_prompt(void *ctx, const char *name, Str *out)
{
    const Plan *p = ctx;
    const Field *f = record_find(&p->record, name);
    if (f && !f->option) own_value(p, f, out);
    else if (strcmp(name, "index") == 0) number_text(p->item->index, out);
    else job_get(&p->item->job, option_find(name, strlen(name)), out);
}

/* FNV-1a. */
static uint64_t hash_text(uint64_t h, const char *s)
{
    for (; *s; s++) h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h;
}

/*
 * A job without a seed gets one from its place in the file (or its id): the same file gives the same pictures wherever and in
 * whatever order they are drawn. 32 bits, as `limn generate` takes.
 */
static uint64_t own_seed(const char *id, uint64_t index, uint64_t number)
{
    char place[64];
    snprintf(place, sizeof place, "%llu", (unsigned long long)(id ? number : index));
    uint64_t h = hash_text(UINT64_C(14695981039346656037), place);
    return choice_seed(id ? hash_text(h, id) : h, 0) >> 32;
}

static int set_options(const Plan *p, Item *out, Err *e)
{
    job_copy(&out->job, p->setup->defaults);
    for (size_t i = 0; i < p->record.count; i++) {
        const Field *f = &p->record.fields[i];
        if (!f->option || plan_is_prompt(f->option)) continue;
        Str value = { 0 };
        own_value(p, f, &value);
        if (f->option->type == OPT_LINES) job_open(&out->job, f->option); /* in place of the command line's */
        int failed = job_set(&out->job, f->option, str_text(&value), e);
        str_release(&value);
        if (failed) return err_in(e, f->name);
    }
    return 0;
}

/* The last template whose values begin at or before the digit. */
static size_t template_of(const Prompt *t, uint64_t digit)
{
    size_t low = 0, high = t->count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (t->before[middle] <= digit) low = middle;
        else high = middle;
    }
    return low;
}

static int set_prompt(Plan *p, int which, uint64_t digit, Item *out, Err *e)
{
    const Prompt *t = &p->prompts[which];
    const Option *o = option_find(plan_prompt_names[which], strlen(plan_prompt_names[which]));
    if (!t->field && !plan_is_said(&out->job, o)) return 0; /* it stays open */
    ChoiceRun run = {
        .random = choice_seed(out->job.seed, which + 1), .mode = p->setup->mode, .ctx = p, .field = field_in_prompt
    };
    Str text = { 0 }, variables[CHOICE_VARIABLES] = { { 0 } };
    size_t i = template_of(t, digit);
    run.variables = variables;
    run.number = digit - t->before[i];
    int failed = choice_run(t->nodes[i], &run, &text, e) || job_set(&out->job, o, str_text(&text), e);
    for (int k = 0; k < CHOICE_VARIABLES; k++) str_release(&variables[k]);
    str_release(&text);
    return failed ? err_in(e, o->name) : 0;
}

/* {name} of a template for names. Options are made harmless; a field of the user's own stands as it is, slashes and all. */
static int name_value(void *ctx, const char *name, const char **near, Str *out, Err *e)
{
    const Plan *p = ctx;
    const Field *f = record_find(&p->record, name);
    const Option *o;
    if (f && !f->option) own_value(p, f, out);
    else if (strcmp(name, "index") == 0) number_text(p->item->index, out);
    else if (strcmp(name, "number") == 0) number_text(p->item->number, out);
    else if (strcmp(name, "line") == 0) number_text(p->item->line, out);
    else if (strcmp(name, "prompt_slug") == 0) slug_add(out, p->item->job.prompt, true);
    else if (strcmp(name, "date") == 0) str_add(out, p->setup->date);
    else if (strcmp(name, "dir") == 0) str_add(out, p->setup->names->stem);
    else if ((o = option_find(name, strlen(name))) && option_is_field(o) && strcmp(o->name, "output") != 0) {
        if (!plan_is_said(&p->item->job, o))
            return err_usage(e, "--output: {%s}: the job does not say it, and the model chooses it later", name);
        template_option(&p->item->job, o, out);
    } else {
        Nearest n = nearest_to(name);
        for (size_t i = 0; i < p->record.count; i++) nearest_try(&n, p->record.fields[i].name);
        static const char *const others[] = { "index", "number", "line",  "prompt_slug",
                                              "date",  "seed",   "steps", "sampler" };
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) nearest_try(&n, others[i]);
        *near = n.best;
        return 0;
    }
    return 1;
}

/* The template that the names of this record come from. */
static void pattern_for(const Plan *p, const Item *item, Str *out)
{
    const Field *own = record_find(&p->record, "output");
    Str place = { 0 };
    if (own) own_value(p, own, &place);
    if (own && str_ends(str_text(&place), ".png")) {
        str_add(out, str_text(&place));
        str_release(&place);
        return;
    }
    if (place.len) str_addf(out, "%s%s", str_text(&place), str_ends(str_text(&place), "/") ? "" : "/");
    str_release(&place);
    if (plan_pattern(p)) str_add(out, plan_pattern(p));
    else if (item->id && p->count == 1) str_add(out, "{id}.png");
    else if (item->id) str_addf(out, "{id}_{number:0%d}.png", snprintf(NULL, 0, "%llu", (unsigned long long)p->count));
    else str_add(out, "{index:05}_{prompt_slug}.png");
}

static int set_name(Plan *p, Item *out, Err *e)
{
    Str pattern = { 0 };
    pattern_for(p, out, &pattern);
    int failed =
        template_format(str_text(&pattern), name_value, p, &out->file, e) || name_check(str_text(&out->file), e);
    str_release(&pattern);
    return failed ? -1 : 0;
}

static void set_fields(const Plan *p, Item *out)
{
    cJSON *fields = NULL;
    for (size_t i = 0; i < p->record.count; i++) {
        const Field *f = &p->record.fields[i];
        Str value = { 0 };
        if (f->option) continue;
        if (!fields) fields = cJSON_CreateObject();
        own_value(p, f, &value);
        if (strcmp(f->name, "id") == 0) out->id = mem_strdup(str_text(&value));
        json_add_text(fields, f->name, str_text(&value));
        str_release(&value);
    }
    if (!fields) return;
    char *text = cJSON_PrintUnformatted(fields);
    str_add(&out->fields, text);
    cJSON_free(text);
    cJSON_Delete(fields);
}

/* The k-th picture's digits: the last field's runs fastest, but for copies, which run faster still. Returns the copy. */
static uint64_t set_digits(Plan *p, uint64_t k, uint64_t prompt[PROMPTS])
{
    uint64_t copy = k % p->copies;
    k /= p->copies;
    for (int i = PROMPTS; i-- > 0;) {
        if (p->prompts[i].field) continue;
        prompt[i] = k % p->prompts[i].values;
        k /= p->prompts[i].values;
    }
    for (size_t i = p->record.count; i-- > 0;) {
        const Field *f = &p->record.fields[i];
        uint64_t n = plan_values(p, f);
        for (int t = 0; t < PROMPTS; t++)
            if (p->prompts[t].field == f) prompt[t] = k % n;
        p->digit[i] = k % n;
        k /= n;
    }
    return copy;
}

static int make_item(Plan *p, Item *out, Err *e)
{
    uint64_t prompt[PROMPTS] = { 0 }, copy = set_digits(p, p->next, prompt);
    *out = (Item){ .index = p->index + 1, .number = p->next + 1, .line = p->record.line };
    p->item = out;
    if (set_options(p, out, e)) return -1;
    set_fields(p, out);
    if (!out->job.has_seed) out->job.seed = own_seed(out->id, out->index - copy, out->number - copy);
    out->job.has_seed = true;
    if (out->job.seed > UINT64_MAX - copy) return err_usage(e, "seed: count leaves no room below 2^64");
    out->job.seed += copy;
    out->job.count = 1;
    for (int i = 0; i < PROMPTS; i++)
        if (set_prompt(p, i, prompt[i], out, e)) return -1;
    if (set_name(p, out, e)) return -1;
    item_set_keys(out, &p->usual);
    return 0;
}

static int blame(const Plan *p, Err *e)
{
    return e->code == ERR_INTERRUPTED ? -1 : jobs_blame(p->jobs, p->record.line, e);
}

int plan_next(Plan *p, Item *out, Err *e)
{
    if (p->setup->cancelled && p->setup->cancelled()) {
        err_set(e, "interrupted");
        e->code = ERR_INTERRUPTED;
        return -1;
    }
    while (p->next == p->count) {
        clear_record(p);
        int got = jobs_next(p->jobs, &p->record, e);
        if (got <= 0) return got;
        if (plan_open_record(p, e)) return blame(p, e);
    }
    int failed = make_item(p, out, e);
    p->item = NULL;
    if (failed) {
        item_release(out);
        return blame(p, e);
    }
    p->next++;
    p->index++;
    return 1;
}
