/* record.c - see record.h. */
#include "batch/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "scheduler/samplers.h"

uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t c;
    return __builtin_mul_overflow(a, b, &c) ? UINT64_MAX : c;
}

uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t c;
    return __builtin_add_overflow(a, b, &c) ? UINT64_MAX : c;
}

static void field_clear(Field *f)
{
    for (size_t i = 0; i < f->span_count; i++) free(f->spans[i].text);
    free(f->spans);
    f->spans = NULL;
    f->span_count = 0;
    f->count = 0;
}

void record_release(Record *r)
{
    for (size_t i = 0; i < r->count; i++) {
        field_clear(&r->fields[i]);
        free(r->fields[i].name);
    }
    free(r->fields);
    *r = (Record){ 0 };
}

Field *record_add(Record *r, const char *name, size_t len)
{
    if (!(r->count & (r->count - 1))) r->fields = mem_grow(r->fields, (2 * r->count + 1) * sizeof *r->fields);
    Field *f = &r->fields[r->count++];
    *f = (Field){ .name = mem_strndup(name, len) };
    return f;
}

static void add_span(Field *f, Span s)
{
    if (!(f->span_count & (f->span_count - 1)))
        f->spans = mem_grow(f->spans, (2 * f->span_count + 1) * sizeof *f->spans);
    f->spans[f->span_count++] = s;
    f->count = plus(f->count, s.count);
}

void field_add_text(Field *f, const char *text) { add_span(f, (Span){ .text = mem_strdup(text), .count = 1 }); }

void field_add_range(Field *f, uint64_t first, uint64_t last, uint64_t step)
{
    add_span(f, (Span){ .first = first, .step = step, .count = plus((last - first) / step, 1) });
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) return false;
    return *a == *b;
}

Field *record_find(const Record *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (same_name(r->fields[i].name, name)) return &r->fields[i];
    return NULL;
}

void field_value(const Field *f, uint64_t k, Str *out)
{
    const Span *s = f->spans;
    for (; k >= s->count; s++) k -= s->count;
    if (s->text) str_add(out, s->text);
    else str_addf(out, "%" PRIu64, s->first + k * s->step);
}

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
    if (!same_name(f->name, "tiling") || f->count != 1 || strcmp(f->spans[0].text, "true") != 0) return;
    if (!option_find("tile", 4)) return;
    field_clear(f);
    field_add_text(f, "both");
    free(f->name);
    f->name = mem_strdup("tile");
}

static int name_field(Field *f, Err *e)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (!same_name(aliases[i].theirs, f->name)) continue;
        free(f->name);
        f->name = mem_strdup(aliases[i].ours);
        break;
    }
    f->option = option_find(f->name, strlen(f->name));
    if (!f->option) return 0;
    if (!option_is_field(f->option))
        return err_usage(e, "%.60s: that is for the whole batch: give it on the command line, --%s", f->name,
                         f->option->name);
    free(f->name);
    f->name = mem_strdup(f->option->name);
    return 0;
}

/* ---- values ---- */

static bool digits(const char **p, uint64_t *out)
{
    size_t len = strspn(*p, "0123456789");
    if (!len) return false;
    errno = 0;
    *out = strtoull(*p, NULL, 10);
    *p += len;
    return errno == 0;
}

static void skip_space(const char **p) { *p += strspn(*p, " \t"); }

/* "1", "1-100", "1-9:2", and several with commas, in place of the text. False: it is none of these. */
static bool split_numbers(Field *f, const char *text)
{
    const char *p = text;
    do {
        uint64_t first, last, step = 1;
        skip_space(&p);
        if (!digits(&p, &first)) return false;
        last = first;
        skip_space(&p);
        if (*p == '-') {
            p++;
            skip_space(&p);
            if (!digits(&p, &last) || last < first) return false;
            if (*p == ':') {
                p++;
                if (!digits(&p, &step) || !step) return false;
            }
        }
        skip_space(&p);
        field_add_range(f, first, last, step);
    } while (*p++ == ',');
    return !p[-1];
}

/* Numbers that were written as text become spans; the field's own list stays in order. */
static int read_numbers(Field *f, Err *e)
{
    Field out = { .name = f->name };
    for (size_t i = 0; i < f->span_count; i++) {
        const char *text = f->spans[i].text;
        if (text && strpbrk(text, "-,:") && strcmp(text, "-1") != 0) {
            if (split_numbers(&out, text)) continue;
            out.name = NULL;
            field_clear(&out);
            return err_usage(e, "%s: \"%.60s\" is neither a number nor a range such as 1-100, 1-9:2 or 1,2,5-8",
                             f->name, text);
        }
        field_add_text(&out, text);
    }
    for (size_t i = 0; i < f->span_count; i++) free(f->spans[i].text);
    free(f->spans);
    f->spans = out.spans;
    f->span_count = out.span_count;
    f->count = out.count;
    return 0;
}

/* Every text that is written out is tried, and both ends of a range. */
static int check_values(const Field *f, Err *e)
{
    Job j;
    int failed = 0;
    job_init(&j);
    for (size_t i = 0; i < f->span_count && !failed; i++) {
        const Span *s = &f->spans[i];
        Str value = { 0 };
        if (s->text) str_add(&value, s->text);
        else str_addf(&value, "%llu", (unsigned long long)s->first);
        failed = job_set(&j, f->option, str_text(&value), e);
        str_clear(&value);
        if (!failed && !s->text && s->count < UINT64_MAX) {
            str_addf(&value, "%" PRIu64, s->first + (s->count - 1) * s->step);
            failed = job_set(&j, f->option, str_text(&value), e);
        }
        str_release(&value);
    }
    job_release(&j);
    return failed ? err_in(e, f->name) : 0;
}

/* "DPM++ 2M Karras": A1111 once had sampler and schedule in one name. */
static void split_sampler(Record *r, size_t at)
{
    static const struct {
        const char *ending, *schedule;
    } endings[] = { { " Karras", "karras" }, { " Exponential", "exponential" } };
    Field *f = &r->fields[at];
    if (f->count != 1 || sampler_find(f->spans[0].text) || record_find(r, "schedule")) return;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *text = f->spans[0].text;
        if (!str_ends(text, endings[i].ending)) continue;
        text[strlen(text) - strlen(endings[i].ending)] = 0;
        Field *schedule = record_add(r, "schedule", 8);
        field_add_text(schedule, endings[i].schedule);
        return;
    }
}

/* A1111 draws n_iter times batch_size pictures. */
static bool join_counts(Field *a, const Field *b)
{
    if (strcmp(a->name, "count") != 0 || a->count != 1 || b->count != 1 || !a->spans[0].text || !b->spans[0].text)
        return false;
    char text[32];
    snprintf(text, sizeof text, "%llu",
             (unsigned long long)times(strtoull(a->spans[0].text, NULL, 10), strtoull(b->spans[0].text, NULL, 10)));
    field_clear(a);
    field_add_text(a, text);
    return true;
}

static void drop(Record *r, size_t i)
{
    field_clear(&r->fields[i]);
    free(r->fields[i].name);
    memmove(&r->fields[i], &r->fields[i + 1], (--r->count - i) * sizeof *r->fields);
}

static Field *find_before(Record *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (same_name(r->fields[k].name, r->fields[i].name)) return &r->fields[k];
    return NULL;
}

int record_resolve(Record *r, Err *e)
{
    for (size_t i = 0; i < r->count;) {
        Field *f = &r->fields[i];
        bool a1111_count = same_name(f->name, "n_iter") || same_name(f->name, "batch_size");
        translate_tiling(f);
        int ignore = check_ignored(f, e);
        if (ignore < 0 || name_field(f, e)) return -1;
        Field *before = find_before(r, i);
        if (before && !ignore && !(a1111_count && join_counts(before, f)))
            return err_usage(e, "%.60s: the field is there twice", f->name);
        if (ignore || before) {
            drop(r, i);
            continue;
        }
        if (!f->count) return err_usage(e, "%.60s: an empty list leaves nothing to draw", f->name);
        if (f->option && strcmp(f->name, "sampler") == 0) split_sampler(r, i);
        f = &r->fields[i];
        bool whole = f->option && (f->option->type == OPT_INT || f->option->type == OPT_SEED);
        if (whole && read_numbers(f, e)) return -1;
        if (f->option && check_values(f, e)) return -1;
        if (f->option && strcmp(f->name, "count") == 0 && f->count != 1)
            return err_usage(e, "count: one number is expected, not a list");
        i++;
    }
    return 0;
}
