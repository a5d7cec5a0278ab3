/* open_record.c - a new record: its prompts parsed, its pictures counted. See plan.h. */
#include "batch/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "batch/folders.h"
#include "output/template.h"
#include "pipeline/foreign.h"

const char *const plan_prompt_names[PROMPTS] = { "prompt",       "negative-prompt",
                                                 "prompt-2",     "negative-prompt-2",
                                                 "hires-prompt", "hires-negative-prompt" };

/* Whether its text may have choices and fields in it. */
bool plan_is_prompt(const Option *o)
{
    for (int i = 0; o && i < PROMPTS; i++)
        if (strcmp(o->name, plan_prompt_names[i]) == 0) return true;
    return false;
}

/* Whether the option has a value before the model is asked for one. */
bool plan_is_said(const Job *j, const Option *o)
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
    if (f && !plan_is_prompt(f->option)) {
        f->used = true;
        return true;
    }
    if (o && o->picture && !plan_is_prompt(o) && plan_is_said(p->setup->defaults, o)) return true;
    if (strcmp(name, "index") == 0) return true;
    if (!near) return false;
    Nearest n = nearest_to(name);
    for (size_t i = 0; i < p->record.count; i++)
        if (!plan_is_prompt(p->record.fields[i].option)) nearest_try(&n, p->record.fields[i].name);
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
    const Option *o = option_find(plan_prompt_names[which], strlen(plan_prompt_names[which]));
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

const char *plan_pattern(const Plan *p) { return p->setup->names->pattern; }

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
            (plan_pattern(p) && template_uses(plan_pattern(p), f->name)) || template_uses(str_text(&output), f->name);
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

uint64_t plan_values(const Plan *p, const Field *f)
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
        uint64_t n = plan_values(p, &p->record.fields[i]);
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

int plan_open_record(Plan *p, Err *e)
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
