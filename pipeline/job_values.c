/* job_values.c - values of options as text, strictly read, and as text again. See job.h. */
#include "pipeline/job_internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "pipeline/foreign.h"
#include "scheduler/names.h"

bool parse_long(const char *s, long *out)
{
    const char *digits = s + (*s == '-' || *s == '+');
    if (!*digits || digits[strspn(digits, "0123456789")]) return false;
    errno = 0;
    *out = strtol(s, NULL, 10);
    return errno == 0;
}

bool parse_double(const char *s, double *out)
{
    if (!*s || s[strspn(s, "0123456789+-.eE")]) return false;
    char *end;
    *out = strtod(s, &end);
    return end != s && !*end;
}

/* The choice that is meant, "a|b" being all of them, as the table writes it; "": none. Case, '-', '_' and spaces do not count. */
static void find_choice(const char *choices, const char *text, char out[32])
{
    *out = '\0';
    for (const char *c = choices; *c && !*out; c += strspn(c, "|")) {
        size_t len = strcspn(c, "|");
        char one[32] = "";
        memcpy(one, c, len < sizeof one ? len : 0);
        if (names_have(one, text)) memcpy(out, one, sizeof one);
        c += len;
    }
}

int parse_int(int *out, const Option *o, const char *text, Err *e)
{
    long v;
    if (!parse_long(text, &v) || (double)v < o->min || (double)v > o->max)
        return err_usage(e, "\"%.60s\" is not a whole number from %.0f to %.0f", text, o->min, o->max);
    *out = (int)v;
    return 0;
}

static int set_float(double *out, const Option *o, const char *text, Err *e)
{
    double v;
    if (!parse_double(text, &v) || !(v >= o->min && v <= o->max))
        return err_usage(e, "\"%.60s\" is not a number from %g to %g", text, o->min, o->max);
    *out = v;
    return 0;
}

static int set_seed(Job *j, const char *text, Err *e)
{
    j->has_seed = false;
    if (strcmp(text, "random") == 0 || strcmp(text, "-1") == 0) return 0; /* -1: as A1111 has it */
    errno = 0;
    unsigned long long v = strtoull(text, NULL, 10);
    if (!*text || text[strspn(text, "0123456789")] || errno || v > UINT64_MAX)
        return err_usage(e, "\"%.60s\" is not a whole number from 0 to %llu, nor \"random\"", text,
                         (unsigned long long)UINT64_MAX);
    j->seed = v;
    j->has_seed = true;
    return 0;
}

static int set_text(char **out, const Option *o, const char *text, Err *e)
{
    size_t len = strlen(text);
    Str s = { 0 };
    if (o->type == OPT_PATH) {
        if (!len) return err_usage(e, "\"\" is not the name of a file or folder");
        str_addn(&s, text, len); /* a file name may be any bytes */
    } else {
        if (len <= JOB_MAX_TEXT) utf8_add(&s, text, len);
        if (s.len > len) len = s.len; /* U+FFFD has three bytes where one may have been */
        if (len > JOB_MAX_TEXT) {
            str_release(&s);
            return err_usage(e, "%zu bytes of text, at most %d are expected", len, JOB_MAX_TEXT);
        }
    }
    free(*out);
    *out = s.s ? s.s : mem_strdup("");
    return 0;
}

static int set_choice(char **out, const Option *o, const char *text, Err *e)
{
    char choice[32];
    find_choice(o->value, text, choice);
    if (!*choice) return err_usage(e, "\"%.60s\" is not one of %s", text, o->value);
    return set_text(out, o, choice, e);
}

/* A line more. */
static int add_line(char **out, const Option *o, const char *text, Err *e)
{
    char *old = *out;
    *out = NULL;
    int failed = set_text(out, o, text, e);
    if (!failed && old) {
        Str both = { 0 };
        str_addf(&both, "%s\n%s", old, *out);
        free(*out);
        *out = both.s;
        free(old);
    } else if (failed) {
        *out = old;
    }
    return failed;
}

void job_open(Job *j, const Option *o)
{
    assert(option_is_text(o) && !o->dflt);
    free(*(char **)option_field(j, o));
    *(char **)option_field(j, o) = NULL;
}

bool option_implied(const Option *o, char out[32])
{
    if (!o->value || *o->value != '[') return false;
    const char *is = strchr(o->value, '=') + 1;
    snprintf(out, 32, "%.*s", (int)strcspn(is, "]"), is);
    return true;
}

/* "true" and "false" for an option that may stand without a value. False: the text is another. */
static bool set_implied(Job *j, const Option *o, const char *text, int *failed, Err *e)
{
    char implied[32];
    bool on = strcmp(text, "true") == 0;
    if (!option_implied(o, implied) || (!on && strcmp(text, "false") != 0)) return false;
    *failed = on ? job_set(j, o, implied, e) : 0;
    if (!on && o->type == OPT_INT) *(int *)option_field(j, o) = 0;
    else if (!on) *(double *)option_field(j, o) = -1;
    return true;
}

static bool is_choice(const Option *o, const char *text)
{
    char choice[32] = "";
    if (o->type == OPT_CHOICE) find_choice(o->value, text, choice);
    return *choice;
}

int job_set(Job *j, const Option *o, const char *text, Err *e)
{
    int failed;
    if (!is_choice(o, text))
        text = foreign_value(o->name, text, e); /* another command's option of that name may know it */
    if (!text) return -1;
    if (set_implied(j, o, text, &failed, e)) return failed;
    if (text == FOREIGN_OPEN) {
        job_open(j, o);
        return 0;
    }
    if (o->check && o->check(text, e)) return -1;
    if (o->offset == offsetof(Job, negative_prompt)) j->negative_given = true;
    switch (o->type) {
    case OPT_INT: return parse_int(option_field(j, o), o, text, e);
    case OPT_FLOAT: return set_float(option_field(j, o), o, text, e);
    case OPT_SEED: return set_seed(j, text, e);
    case OPT_STR:
    case OPT_PATH: return set_text(option_field(j, o), o, text, e);
    case OPT_LINES: return add_line(option_field(j, o), o, text, e);
    case OPT_CHOICE: return set_choice(option_field(j, o), o, text, e);
    case OPT_FLAG:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return err_usage(e, "\"%.60s\" is not true or false", text);
        *(bool *)option_field(j, o) = *text == 't';
        return 0;
    }
    return -1;
}

/* The shortest decimal text that reads back as the same number. */
static void add_double(Str *out, double v)
{
    char buf[32];
    for (int digits = 6; digits <= 17; digits++) { /* %g leaves out zeros at the end: 6 serve the shorter ones too */
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        if (strtod(buf, NULL) == v) break;
    }
    str_add(out, buf);
}

bool job_get(const Job *j, const Option *o, Str *out)
{
    const void *p = option_field(j, o);
    switch (o->type) {
    case OPT_INT:
        if (*(const int *)p == 0) return false;
        str_addf(out, "%d", *(const int *)p);
        return true;
    case OPT_FLOAT:
        if (*(const double *)p < 0) return false;
        add_double(out, *(const double *)p);
        return true;
    case OPT_SEED:
        if (j->has_seed) str_addf(out, "%llu", (unsigned long long)j->seed);
        else str_add(out, "random");
        return true;
    case OPT_FLAG: str_add(out, *(const bool *)p ? "true" : "false"); return true;
    case OPT_STR:
    case OPT_PATH:
    case OPT_CHOICE:
    case OPT_LINES:
        if (!*(char *const *)p) return false;
        if (o->offset == offsetof(Job, negative_prompt) && !j->negative_given && !j->negative_prompt[0]) return false;
        str_add(out, *(char *const *)p);
        return true;
    }
    return false;
}

double job_number(const Job *j, const char *name)
{
    const Option *o = option_find(name, strlen(name));
    assert(o && (o->type == OPT_INT || o->type == OPT_FLOAT || o->type == OPT_FLAG));
    if (o->type == OPT_FLAG) return *(const bool *)option_field(j, o);
    if (o->type == OPT_INT) return *(const int *)option_field(j, o);
    return fmax(*(const double *)option_field(j, o), 0);
}
