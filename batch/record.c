/* record.c - what the fields of a record are: options by their names and by other tools', or fields of the user's own. See record.h. */
#include "batch/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "batch/values.h"

/* ---- names ---- */

/* A1111's and other tools' words for limn's options. */
static const struct {
    const char *theirs, *ours;
} aliases[] = {
    { "sampler_name", "sampler" }, { "scheduler", "schedule" },
    { "sd_model", "model" },       { "sd_model_checkpoint", "model" },
    { "n_iter", "count" },         { "outpath_samples", "output" },
    { "cfg", "cfg-scale" },        { "guidance_scale", "cfg-scale" },
    { "batch_size", "count" },     { "negative", "negative-prompt" },
};

/* What A1111's lines may say and limn has no use for, with the values that change no picture; NULL: any. */
static const struct {
    const char *name, *neutral;
} ignored[] = {
    { "prompt_for_display", NULL },
    { "do_not_save_grid", NULL },
    { "outpath_grids", NULL },
    { "do_not_save_samples", "|false|" },
    { "restore_faces", "|false|" },
    { "subseed", NULL },
    { "subseed_strength", "|0|0.0|" },
    { "seed_resize_from_w", "|0|-1|" },
    { "seed_resize_from_h", "|0|-1|" },
    { "styles", "||none|None|[]|" },
    { "tiling", "|false|" },
};

bool option_is_field(const Option *o)
{
    static const char *const also[] = { "model", "count", "output", "sizes" };
    if (o->picture) return true;
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        if (strcmp(o->name, also[i]) == 0) return true;
    return false;
}

/* 1: the field is to be left out. */
static int check_ignored(const Field *f, Err *e)
{
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        if (!same_name(ignored[i].name, f->name)) continue;
        if (!ignored[i].neutral) return 1;
        for (size_t k = 0; k < f->span_count; k++) {
            char value[64];
            snprintf(value, sizeof value, "|%.60s|", f->spans[k].text);
            if (strcasecmp(value, "|false|") == 0) strcpy(value, "|false|");
            if (!strstr(ignored[i].neutral, value))
                return err_usage(e, "%s %.60s: limn does not do that", f->name, f->spans[k].text);
        }
        return 1;
    }
    return 0;
}

/* A1111's tiling is limn's --tile both. */
static void translate_tiling(Field *f)
{
    if (!same_name(f->name, "tiling") || f->count != 1 || strcasecmp(f->spans[0].text, "true") != 0) return;
    if (!option_find("tile", 4)) return;
    field_clear(f);
    field_add_text(f, "both", VALUE_TEXT);
    field_rename(f, "tile");
}

/* limn's name for a field that another tool calls so; NULL: none does. */
static const char *alias(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (same_name(aliases[i].theirs, name)) return aliases[i].ours;
    return NULL;
}

static bool has_template(const char *text, const char *name, size_t len)
{
    for (const char *p = text; p && (p = strchr(p, '{')); p++)
        if (strncmp(p + 1, name, len) == 0 && (p[1 + len] == '}' || p[1 + len] == ':')) return true;
    return false;
}

/* Whether a prompt or a name has {name}: then it is a field of the user's own, also where another tool's option is called so. */
static bool used(const Record *r, const JobsHost *host, const char *name)
{
    static const char *const templates[] = { "prompt", "negative-prompt", "negative", "output", "outpath_samples" };
    size_t len = strlen(name);
    if (has_template(host->prompt, name, len) || has_template(host->output, name, len)) return true;
    for (size_t i = 0; i < r->count; i++) {
        const Field *f = &r->fields[i];
        for (size_t t = 0; t < sizeof templates / sizeof *templates; t++)
            for (size_t k = 0; same_name(f->name, templates[t]) && k < f->span_count; k++)
                if (f->spans[k].text && has_template(f->spans[k].text, name, len)) return true;
    }
    return false;
}

static int name_field(const Record *r, Field *f, const JobsHost *host, Err *e)
{
    const char *ours = alias(f->name);
    if (!ours) ours = f->name;
    const Option *o = option_find(ours, strlen(ours));
    bool own = !o || (!option_is_field(o) && host->takes && !host->takes(o));
    if (own || (!same_name(o->name, f->name) && used(r, host, f->name))) return 0;
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

/* Every field is named; those that say nothing go. */
static int name_fields(Record *r, const JobsHost *host, Err *e)
{
    Field *count = NULL;
    size_t kept = 0;
    int failed = 0;
    for (size_t i = 0; i < r->count; i++) {
        Field *f = &r->fields[i];
        bool a1111_count = same_name(f->name, "n_iter") || same_name(f->name, "batch_size");
        translate_tiling(f);
        int gone = failed ? 0 : check_ignored(f, e);
        if (gone == 0 && !failed) failed = name_field(r, f, host, e);
        if (gone == 0 && !failed) gone = values_missing(f, e);
        if (gone < 0) failed = -1;
        if (gone == 0 && !failed && is_count(f)) {
            gone = count && a1111_count && join_counts(count, f);
            if (!gone) count = &r->fields[kept];
        }
        if (gone > 0) {
            field_clear(f);
            free(f->name);
        } else {
            r->fields[kept++] = *f;
        }
    }
    r->count = kept;
    return failed;
}

int record_resolve(Record *r, const JobsHost *host, Err *e)
{
    if (name_fields(r, host, e)) return -1;
    const Field *twice = record_sort(r);
    if (twice) return err_usage(e, "%.60s: the field is there twice", twice->name);
    for (size_t i = 0; i < r->count; i++) {
        Field *f = &r->fields[i];
        if (!f->count) return err_usage(e, "%.60s: an empty list leaves nothing to draw", f->name);
        if (f->option && values_read(f, e)) return -1;
        if (is_count(f) && f->count != 1) return err_usage(e, "count: one number is expected, not a list");
    }
    return 0;
}
