/*
 * record.c - what the fields of a record are: options by their names and by other tools', or fields of the user's own.
 * See record.h.
 */
#include "batch/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "batch/values.h"
#include "pipeline/foreign.h"

/* ---- names ---- */

bool option_is_field(const Option *o)
{
    static const char *const also[] = { "model", "count", "output", "sizes" };
    if (o->picture) return true;
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        if (strcmp(o->name, also[i]) == 0) return true;
    return false;
}

static bool has_template(const char *text, const char *name, size_t len)
{
    for (const char *p = text; p && (p = strchr(p, '{')); p++)
        if (strncmp(p + 1, name, len) == 0 && (p[1 + len] == '}' || p[1 + len] == ':')) return true;
    return false;
}

enum { TEMPLATES = 8 }; /* fields of a record that are prompts or names; more would be there twice */

typedef struct {
    const JobsHost *host;
    const Field *fields[TEMPLATES];
    size_t count;
} Templates;

static Templates find_templates(const Record *r, const JobsHost *host)
{
    static const char *const names[] = { "prompt",       "negative-prompt",       "prompt-2", "negative-prompt-2",
                                         "hires-prompt", "hires-negative-prompt", "output" };
    Templates t = { .host = host };
    for (size_t i = 0; i < r->count && t.count < TEMPLATES; i++) {
        const Option *o = option_find(r->fields[i].name, strlen(r->fields[i].name));
        for (size_t k = 0; o && k < sizeof names / sizeof *names; k++)
            if (strcmp(o->name, names[k]) == 0 && t.count < TEMPLATES) t.fields[t.count++] = &r->fields[i];
    }
    return t;
}

/* Whether a prompt or a name has {name}: then it is a field of the user's own, also where another tool's option is called so. */
static bool used(const Templates *t, const char *name)
{
    size_t len = strlen(name);
    if (has_template(t->host->prompt, name, len) || has_template(t->host->output, name, len)) return true;
    for (size_t i = 0; i < t->count; i++)
        for (size_t k = 0; k < t->fields[i]->span_count; k++)
            if (has_template(t->fields[i]->spans[k].text, name, len)) return true;
    return false;
}

/* What another tool's option means, as the field of limn's that it becomes. */
typedef struct {
    Field *field;
    bool set;
} Meaning;

static int set_meant(void *ctx, const char *option, const char *value, Err *e)
{
    Meaning *m = ctx;
    (void)e;
    m->set = true;
    field_rename(m->field, option);
    field_clear(m->field);
    field_add_text(m->field, value, VALUE_TEXT);
    return 0;
}

/* Where only one value makes sense it is looked at; a plain rename keeps all that there are. 1: the field is to be left out. */
static int translate(Field *f, const Foreign *row, Err *e)
{
    if (row->becomes && !strchr(row->becomes, '=') && (!row->neutral || f->count != 1)) {
        field_rename(f, row->becomes);
        return 0;
    }
    if (f->count > 1 || (f->count && !f->spans[0].text))
        return err_usage(e, "%.60s: one value is expected, not a list", f->name);
    Meaning m = { .field = f };
    char *name = mem_strdup(f->name), *value = mem_strdup(f->count ? f->spans[0].text : "[]");
    int failed = foreign_apply(row, value, &(ForeignSink){ &m, set_meant }, e);
    if (failed) err_in(e, name);
    free(value);
    free(name);
    return failed ? -1 : !m.set;
}

/* limn's option that the field means, by whatever tool's name; the user's own field has none. 1: it is to be left out. */
static int name_field(const Templates *t, Field *f, Err *e)
{
    const Option *o = option_find(f->name, strlen(f->name));
    if (o && !option_is_field(o) && t->host->takes && !t->host->takes(o)) o = NULL;
    bool field = o && option_is_field(o);
    const Foreign *row = field ? NULL : foreign_find(f->name, strlen(f->name), false);
    if ((row || (o && !same_name(o->name, f->name))) && used(t, f->name)) return 0;
    if (row) {
        int gone = values_missing(f, false, e);
        if (!gone) gone = translate(f, row, e);
        if (gone) return gone;
        o = option_find(f->name, strlen(f->name));
    }
    if (!o) return 0;
    if (!option_is_field(o))
        return err_usage(e, "%.60s: that is for the whole batch: give it on the command line, --%s", f->name, o->name);
    f->option = o;
    field_rename(f, o->name);
    return 0;
}

/* A1111 draws n_iter times batch_size pictures. */
static bool join_counts(Field *a, const Field *b)
{
    if (a->count != 1 || b->count != 1 || !a->spans[0].text || !b->spans[0].text) return false;
    char text[32];
    snprintf(text, sizeof text, "%llu",
             (unsigned long long)times(strtoull(a->spans[0].text, NULL, 10), strtoull(b->spans[0].text, NULL, 10)));
    field_clear(a);
    field_add_text(a, text, VALUE_TEXT);
    return true;
}

static bool is_count(const Field *f) { return f->option && strcmp(f->option->name, "count") == 0; }

/* Leaves out the fields that say nothing. */
static void drop(Record *r, const bool *gone)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (!gone[i]) {
            r->fields[kept++] = r->fields[i];
            continue;
        }
        field_clear(&r->fields[i]);
        free(r->fields[i].name);
    }
    r->count = kept;
}

/* Every field is named; those that say nothing go. */
static int name_fields(Record *r, const JobsHost *host, Err *e)
{
    bool *gone = mem_array(r->count + 1, sizeof *gone);
    Templates templates = find_templates(r, host);
    Field *count = NULL;
    int failed = 0;
    for (size_t i = 0; i < r->count && failed >= 0; i++) {
        Field *f = &r->fields[i];
        bool own = same_name(f->name, "count");
        failed = name_field(&templates, f, e);
        if (failed == 0) failed = values_missing(f, takes_any_text(f->option), e);
        gone[i] = failed > 0;
        if (failed || !is_count(f)) continue;
        gone[i] = count && !own && join_counts(count, f); /* calls, and pictures of each */
        if (!gone[i]) count = f;
    }
    drop(r, gone);
    free(gone);
    return failed < 0 ? -1 : 0;
}

static int check_twice(Record *r, Err *e)
{
    const Field *twice = record_sort(r);
    return twice ? err_usage(e, "%.60s: the field is there twice", twice->name) : 0;
}

int record_resolve(Record *r, const JobsHost *host, Err *e)
{
    if (check_twice(r, e) || name_fields(r, host, e) || check_twice(r, e)) return -1; /* as written, and as named */
    for (size_t i = 0; i < r->count; i++) {
        Field *f = &r->fields[i];
        if (!f->count) return err_usage(e, "%.60s: an empty list leaves nothing to draw", f->name);
        if (f->option && values_read(f, e)) return -1;
        if (is_count(f) && f->count != 1) return err_usage(e, "count: one number is expected, not a list");
    }
    return 0;
}
