/* values.c - see values.h. */
#include "batch/values.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static const double EXACT = 9007199254740992.0;  /* 2^53: whole numbers up to here are exact in a double */
static const double ROUNDED_FROM = 100000000000; /* spreadsheets show larger ones as 1.23457E+11 */

static bool is_whole(const Option *o) { return o->type == OPT_INT || o->type == OPT_SEED; }

bool takes_any_text(const Option *o)
{
    return !o || o->type == OPT_PATH || o->type == OPT_LINES || (o->type == OPT_STR && !o->check);
}

/* ---- cells ---- */

/* pandas writes nan and <NA> where it was told to, or where numbers were made text; spreadsheets #N/A. */
static bool is_empty_word(const char *text)
{
    static const char *const words[] = { "nan", "NaN", "NAN", "<NA>", "NaT", "#N/A", "#NV" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) return true;
    return false;
}

/* "#NAME?", "#DIV/0!" in any language; "Err:502" is LibreOffice's. */
static bool is_formula_error(const char *text)
{
    size_t len = strlen(text), digits = strncmp(text, "Err:", 4) == 0 ? strspn(text + 4, "0123456789") : 0;
    if (digits && !text[4 + digits]) return true;
    bool marked = len > 3 && len < 16 && *text == '#' && (text[len - 1] == '!' || text[len - 1] == '?');
    return marked && strcspn(text, "abcdefghijklmnopqrstuvwxyz ") == len;
}

int values_missing(const Field *f, bool text, Err *e)
{
    const Span *s = f->spans;
    if (f->span_count != 1 || s->kind != VALUE_CELL) return 0;
    if (is_formula_error(s->text))
        return err_usage(e, "%.60s: \"%s\" is a spreadsheet's error, not a value", f->name, s->text);
    if (!is_empty_word(s->text)) return 0;
    if (!text) return 1;
    return err_usage(e, "%.60s: \"%s\" is what programs write for an empty cell: leave the cell empty", f->name,
                     s->text);
}

static void trim(char *text)
{
    size_t from = strspn(text, " \t"), len = strlen(text + from);
    memmove(text, text + from, len + 1);
    while (len && strchr(" \t", text[len - 1])) text[--len] = 0;
}

/* ---- flags and whole numbers ---- */

static void tidy_flag(char *text)
{
    if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcmp(text, "1.0") == 0) memcpy(text, "true", 5);
    if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0 || strcmp(text, "0.0") == 0) memcpy(text, "false", 6);
}

/* "2.0", "1e3", "+5": a number with a sign, a point or an exponent, whatever it comes to. */
static bool is_decimal(const char *text, double *value)
{
    if (!text[strspn(text, "0123456789")] || text[strspn(text, "0123456789+-.eE")]) return false;
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && isfinite(*value);
}

/*
 * A table's "12,0" may be a number with a decimal comma and its "1,234" one with a separator of thousands: spreadsheets write both,
 * and neither is taken for a list.
 */
static int check_commas(const char *text, Err *e)
{
    size_t first = strspn(text, "0123456789");
    const char *p = text + first;
    if (!first || *p != ',') return 0;
    if (p[1] && !p[1 + strspn(p + 1, "0")])
        return err_usage(e, "\"%.60s\" has a decimal comma: a point is expected, or in a list a space after the comma",
                         text);
    while (*p == ',' && strspn(p + 1, "0123456789") == 3) p += 4;
    if (*p || first > 3) return 0;
    return err_usage(e, "\"%.60s\" may be one number: write it without commas, or a list with a space after each",
                     text);
}

/* A number that is whole is written without point and exponent; any other stays for the option to refuse. */
static int tidy_whole(const Option *o, Span *s, Err *e)
{
    double v;
    if (s->kind == VALUE_CELL && check_commas(s->text, e)) return -1;
    if (!is_decimal(s->text, &v) || v != floor(v)) return 0;
    bool exponent = strpbrk(s->text, "eE") != NULL;
    if (o->type == OPT_SEED && s->kind == VALUE_CELL && exponent && v >= ROUNDED_FROM)
        return err_usage(e, "\"%.60s\" was rounded by a spreadsheet: make the column text, so that all digits stay",
                         s->text);
    if (fabs(v) > EXACT) return err_usage(e, "\"%.60s\" is above 2^53: write all its digits", s->text);
    char digits[32];
    snprintf(digits, sizeof digits, "%.0f", v + 0.0); /* no -0 */
    free(s->text);
    s->text = mem_strdup(digits);
    return 0;
}

static int tidy(const Option *o, Span *s, Err *e)
{
    if (takes_any_text(o) && (s->kind == VALUE_NUMBER || s->kind == VALUE_BOOL))
        return err_usage(e, "a text is expected, not %s", s->text);
    if (s->kind == VALUE_CELL && !takes_any_text(o)) trim(s->text);
    if (o->type == OPT_FLAG) {
        s->text = mem_grow(s->text, strlen(s->text) + sizeof "false");
        tidy_flag(s->text);
    }
    if (is_whole(o)) return tidy_whole(o, s, e);
    const char *comma = o->type == OPT_FLOAT ? strchr(s->text, ',') : NULL;
    if (comma && !s->text[strspn(s->text, "+-0123456789,")] && !strchr(comma + 1, ','))
        return err_usage(e, "\"%.60s\" has a decimal comma: a point is expected", s->text);
    return 0;
}

/* ---- ranges ---- */

static bool take_digits(const char **p, uint64_t *out)
{
    size_t len = strspn(*p, "0123456789");
    if (!len) return false;
    errno = 0;
    *out = strtoull(*p, NULL, 10);
    *p += len;
    return errno == 0;
}

static void skip_space(const char **p) { *p += strspn(*p, " \t"); }

/* "1", "1-100", "1-9:2", and several with commas. False: it is none of these. */
static bool add_ranges(Field *f, const char *text)
{
    const char *p = text;
    do {
        uint64_t first, last, step = 1;
        skip_space(&p);
        if (!take_digits(&p, &first)) return false;
        last = first;
        skip_space(&p);
        if (*p == '-') {
            p++;
            skip_space(&p);
            if (!take_digits(&p, &last) || last < first) return false;
            if (*p == ':') {
                p++;
                if (!take_digits(&p, &step) || !step) return false;
            }
        }
        skip_space(&p);
        field_add_range(f, first, last, step);
    } while (*p++ == ',');
    return !p[-1];
}

/* Numbers that were written as text become spans; the field's own list stays in order. */
static int read_ranges(Field *f, Err *e)
{
    Field out = { 0 };
    int failed = 0;
    for (size_t i = 0; i < f->span_count && !failed; i++) {
        const char *text = f->spans[i].text;
        bool range = strpbrk(text + (*text == '-'), "-,:") != NULL;
        if (!range) field_add_text(&out, text, f->spans[i].kind);
        else if (!add_ranges(&out, text))
            failed = err_usage(e, "\"%.60s\" is neither a number nor a range such as 1-100, 1-9:2 or 1,2,5-8", text);
    }
    field_clear(failed ? &out : f);
    if (failed) return -1;
    f->spans = out.spans;
    f->span_count = out.span_count;
    f->count = out.count;
    return 0;
}

/* ---- all of a field ---- */

/* Every text that is written out is tried, and both ends of a range. */
static int check(const Field *f, Job *j, Err *e)
{
    for (size_t i = 0; i < f->span_count; i++) {
        const Span *s = &f->spans[i];
        char ends[2][24] = { "", "" };
        if (!s->text) {
            snprintf(ends[0], sizeof ends[0], "%" PRIu64, s->first);
            snprintf(ends[1], sizeof ends[1], "%" PRIu64, s->first + (s->count - 1) * s->step);
        }
        if (job_set(j, f->option, s->text ? s->text : ends[0], e)) return -1;
        if (!s->text && s->count < UINT64_MAX && job_set(j, f->option, ends[1], e)) return -1;
    }
    return 0;
}

int values_read(Field *f, Err *e)
{
    int failed = 0;
    for (size_t i = 0; i < f->span_count && !failed; i++) failed = tidy(f->option, &f->spans[i], e);
    if (!failed && is_whole(f->option)) failed = read_ranges(f, e);
    if (!failed) {
        Job j;
        job_init(&j);
        failed = check(f, &j, e);
        job_release(&j);
    }
    return failed ? err_in(e, f->name) : 0;
}
