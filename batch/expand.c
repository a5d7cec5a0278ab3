/* expand.c - see expand.h. */
#include "batch/expand.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "batch/folders.h"
#include "base/slug.h"
#include "output/template.h"
#include "pipeline/foreign.h"

/* A prompt's templates: one, or those of a list; in combinatorial mode each has as many values as it has choices. */
typedef struct {
    Field *field;     /* NULL: the command line's */
    Node **nodes;     /* [count] */
    uint64_t *before; /* [count]: values of the nodes before each */
    size_t count;
    uint64_t values;
} Prompt;

enum { PROMPT, NEGATIVE, PROMPT_2, NEGATIVE_2, PROMPTS };

static const char *const prompt_names[PROMPTS] = { "prompt", "negative-prompt", "prompt-2", "negative-prompt-2" };

struct Plan {
    Jobs *jobs;
    const Setup *setup;
    Job usual;      /* every option at its default */
    uint64_t index; /* pictures so far */

    Record record;
    Prompt prompts[PROMPTS];
    uint64_t count, next; /* pictures of the record */
    uint64_t copies;      /* its `count` */
    uint64_t *digit;      /* [record.count]: the value of each field for the picture at hand */
    const Item *item;     /* at hand, for the names in templates */
};

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

/* ---- a new record: its prompts parsed, its pictures counted --------------------------------------------------------- */

/* Whether its text may have choices and fields in it. */
static bool is_prompt(const Option *o)
{
    for (int i = 0; o && i < PROMPTS; i++)
        if (strcmp(o->name, prompt_names[i]) == 0) return true;
    return false;
}

/* Whether the option has a value before the model is asked for one. */
static bool is_said(const Job *j, const Option *o)
{
    Str value = { 0 };
    bool said = o->type == OPT_SEED || job_get(j, o, &value);
    str_release(&value);
    return said;
}

/* For prompts: fields, options that are part of the picture, {index}. */
static bool has_field(void *ctx, const char *name, const char **near)
{
    Plan *p = ctx;
    Field *f = record_find(&p->record, name);
    const Option *o = option_find(name, strlen(name));
    if (f && !is_prompt(f->option)) {
        f->used = true;
        return true;
    }
    if (o && o->picture && !is_prompt(o) && is_said(p->setup->defaults, o)) return true;
    if (strcmp(name, "index") == 0) return true;
    if (!near) return false;
    Nearest n = nearest_to(name);
    for (size_t i = 0; i < p->record.count; i++)
        if (!is_prompt(p->record.fields[i].option)) nearest_try(&n, p->record.fields[i].name);
    *near = n.best;
    return false;
}

static int no_prompt(const Plan *p, Err *e)
{
    enum { SHOWN = 5 };
    Str fields = { 0 };
    for (size_t i = 0; i < p->record.count; i++) {
        const char *name = p->record.fields[i].name;
        Nearest n = nearest_to(name);
        nearest_try(&n, "prompt");
        if (n.best && !p->record.fields[i].option) {
            str_release(&fields);
            return err_usage(e, "unknown field \"%.60s\"; did you mean \"prompt\"?", name);
        }
        if (i < SHOWN) str_addf(&fields, "%s%.60s", i ? ", " : "", name);
    }
    err_usage(e, "the job has no prompt (its fields: %s%s)", str_text(&fields), p->record.count > SHOWN ? ", ..." : "");
    str_release(&fields);
    return -1;
}

static int read_prompt(Plan *p, int which, Err *e)
{
    Prompt *t = &p->prompts[which];
    ChoiceReader r = { .wildcards = p->setup->wildcards, .mode = p->setup->mode, .ctx = p, .has_field = has_field };
    const Option *o = option_find(prompt_names[which], strlen(prompt_names[which]));
    Str text = { 0 };
    int failed = 0;
    t->field = record_find(&p->record, o->name);
    if (!t->field) job_get(p->setup->defaults, o, &text);
    if (!t->field && which == PROMPT && !text.len) failed = no_prompt(p, e);
    size_t count = t->field ? t->field->count : 1;
    t->nodes = mem_array(count, sizeof *t->nodes);
    t->before = mem_array(count, sizeof *t->before);
    for (size_t i = 0; i < count && !failed; i++) {
        if (t->field) {
            str_clear(&text);
            field_value(t->field, i, &text);
        }
        t->nodes[i] = choice_parse(&r, str_text(&text), e);
        if (!t->nodes[i]) {
            failed = e->code == ERR_INTERRUPTED ? -1 : err_in(e, o->name);
            break;
        }
        t->count++;
        t->before[i] = t->values;
        t->values = plus(t->values, p->setup->mode == EXPAND_ALL ? choice_count(t->nodes[i]) : 1);
    }
    str_release(&text);
    return failed;
}

static const char *pattern_of(const Plan *p) { return p->setup->names->pattern; }

/* A field that nothing uses is a slip of the pen more often than not. */
static int check_used(const Plan *p, Err *e)
{
    for (size_t i = 0; i < p->record.count; i++) {
        const Field *f = &p->record.fields[i];
        if (f->option || f->used || *f->name == '_' || strcmp(f->name, "id") == 0) continue;
        const Field *own = record_find(&p->record, "output");
        Str output = { 0 };
        if (own) field_value(own, 0, &output);
        bool used =
            (pattern_of(p) && template_uses(pattern_of(p), f->name)) || template_uses(str_text(&output), f->name);
        str_release(&output);
        if (used) continue;
        Nearest n = nearest_to(f->name);
        for (const Option *o = job_options; o->name; o++)
            if (option_is_field(o)) nearest_try(&n, o->name);
        const Foreign *theirs = foreign_find(f->name, strlen(f->name), true);
        if (theirs) {
            Err why;
            foreign_tell(theirs, &why);
            return err_usage(e, "unknown field \"%.60s\": %s", f->name, why.text);
        }
        if (n.best) return err_usage(e, "unknown field \"%.60s\"; did you mean \"%s\"?", f->name, n.best);
        return err_usage(
            e,
            "unknown field \"%.60s\": no option is called so, and neither a prompt nor --output has {%.60s} "
            "(a field whose name begins with _ is only kept in the manifest)",
            f->name, f->name);
    }
    return 0;
}

/* What is put into a prompt is put there as it stands; choices in it would be drawn literally. */
static int check_literal(const Plan *p, Err *e)
{
    for (size_t i = 0; i < p->record.count && p->setup->mode != EXPAND_OFF; i++) {
        const Field *f = &p->record.fields[i];
        for (size_t k = 0; f->used && !f->option && k < f->span_count; k++) {
            const char *text = f->spans[k].text, *under = text ? strstr(text, "__") : NULL;
            if (text && (strpbrk(text, "{}") || (under && strstr(under + 2, "__"))))
                return err_usage(
                    e, "%.60s: \"%.60s\" has a choice in it; choices stand in the prompt itself, a list in the field",
                    f->name, text);
        }
    }
    return 0;
}

static uint64_t values_of(const Plan *p, const Field *f)
{
    for (int i = 0; i < PROMPTS; i++)
        if (p->prompts[i].field == f) return p->prompts[i].values;
    return f->option && strcmp(f->name, "count") == 0 ? 1 : f->count;
}

static void add_count(Str *out, uint64_t n)
{
    if (n < UINT64_MAX) str_addf(out, "%llu", (unsigned long long)n);
    else str_add(out, "2^64 or more");
}

/* The product of all lists, refused when it is beyond what a batch may have. */
static int count_pictures(Plan *p, Err *e)
{
    Field *copies = record_find(&p->record, "count");
    Str factors = { 0 };
    p->copies = (uint64_t)p->setup->defaults->count;
    if (copies) {
        Str text = { 0 };
        field_value(copies, 0, &text);
        p->copies = strtoull(str_text(&text), NULL, 10);
        str_release(&text);
    }
    p->count = p->copies;
    for (size_t i = 0; i < p->record.count; i++) {
        uint64_t n = values_of(p, &p->record.fields[i]);
        if (n > 1 && factors.len < 200) {
            str_add(&factors, factors.len ? " x " : "");
            add_count(&factors, n);
            str_addf(&factors, " %s", p->record.fields[i].name);
        }
        p->count = times(p->count, n);
    }
    for (int i = 0; i < PROMPTS; i++)
        if (!p->prompts[i].field) p->count = times(p->count, p->prompts[i].values);
    int failed = 0;
    if (plus(p->index, p->count) > EXPAND_MAX) {
        Str sum = { 0 };
        add_count(&sum, plus(p->index, p->count));
        failed = err_usage(e, "%s pictures up to here (%s); a batch has at most %llu", str_text(&sum),
                           str_text(&factors), (unsigned long long)EXPAND_MAX);
        str_release(&sum);
    }
    str_release(&factors);
    return failed;
}

static int open_record(Plan *p, Err *e)
{
    if (folders_open(&p->record, p->setup->defaults, e)) return -1;
    for (int i = 0; i < PROMPTS; i++)
        if (read_prompt(p, i, e)) return -1;
    if (check_literal(p, e) || check_used(p, e) || count_pictures(p, e)) return -1;
    Field *id = record_find(&p->record, "id");
    if (id && id->count > 1) return err_usage(e, "id: one id is expected, not a list");
    p->digit = mem_array(p->record.count + 1, sizeof *p->digit);
    return 0;
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
        if (!f->option || is_prompt(f->option)) continue;
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
    const Option *o = option_find(prompt_names[which], strlen(prompt_names[which]));
    if (!t->field && !is_said(&out->job, o)) return 0; /* it stays open */
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
        if (!is_said(&p->item->job, o))
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
    if (pattern_of(p)) str_add(out, pattern_of(p));
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
        uint64_t n = values_of(p, f);
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
        if (open_record(p, e)) return blame(p, e);
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
