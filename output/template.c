/* template.c - see template.h. */
#include "output/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/slug.h"

enum { WIDEST = 32 }; /* {name:32} */

const char *template_first(const char *pattern)
{
    for (const char *s = pattern; *s; s++) {
        if (*s != '{') continue;
        if (s[1] != '{') return s;
        s++;
    }
    return NULL;
}

/* A {name:05}, parsed. */
typedef struct {
    const char *name, *end; /* end: its '}' */
    size_t len;             /* of the name */
    int width;              /* 0: none; -1: what stands behind the colon is no width */
} Slot;

/* at: behind the '{'. False: there is no '}'. */
static bool slot_at(const char *at, Slot *s)
{
    const char *end = strchr(at, '}');
    if (!end) return false;
    const char *colon = memchr(at, ':', (size_t)(end - at));
    *s = (Slot){ .name = at, .end = end, .len = (size_t)((colon ? colon : end) - at) };
    if (!colon) return true;
    size_t digits = (size_t)(end - colon) - 1;
    s->width = digits && digits <= 2 && strspn(colon + 1, "0123456789") == digits ? atoi(colon + 1) : -1;
    if (s->width > WIDEST) s->width = -1;
    return true;
}

static int add_value(const Slot *s, TemplateFn value, void *ctx, Str *out, Err *e)
{
    char name[64];
    const char *near = NULL;
    Str text = { 0 };
    snprintf(name, sizeof name, "%.*s", s->len < 60 ? (int)s->len : 60, s->name);
    if (s->width < 0)
        return err_usage(e, "--output: {%.*s}: a width from 1 to %d is expected behind the colon, such as {%s:05}",
                         (int)(s->end - s->name) < 60 ? (int)(s->end - s->name) : 60, s->name, WIDEST, name);
    int got = value(ctx, name, &near, &text, e);
    if (got == 0 && near) err_usage(e, "--output: {%s} is unknown here; did you mean {%s}?", name, near);
    else if (got == 0)
        err_usage(e,
                  "--output: {%s} is neither a field of a job nor an option, such as {seed}, {index} or {prompt_slug}",
                  name);
    for (size_t n = text.len; got > 0 && n < (size_t)s->width; n++) str_add(out, "0");
    str_add(out, str_text(&text));
    str_release(&text);
    return got > 0 ? 0 : -1;
}

int template_format(const char *pattern, TemplateFn value, void *ctx, Str *out, Err *e)
{
    for (const char *p = pattern; *p;) {
        if ((*p == '{' || *p == '}') && p[1] == *p) {
            str_addn(out, p, 1);
            p += 2;
        } else if (*p == '{') {
            Slot s;
            if (!slot_at(p + 1, &s))
                return err_usage(e, "--output: \"%.200s\" has a { without a }; {{ stands for a brace", pattern);
            if (add_value(&s, value, ctx, out, e)) return -1;
            p = s.end + 1;
        } else {
            str_addn(out, p++, 1);
        }
    }
    return 0;
}

bool template_uses(const char *pattern, const char *name)
{
    for (const char *p = pattern; p && (p = template_first(p)); p++) {
        Slot s;
        if (slot_at(p + 1, &s) && strlen(name) == s.len && memcmp(p + 1, name, s.len) == 0) return true;
    }
    return false;
}

void template_option(const Job *j, const Option *o, Str *out)
{
    Str value = { 0 };
    job_get(j, o, &value);
    slug_add(out, str_text(&value), false);
    str_release(&value);
}

void template_date(char date[16])
{
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, 16, "%Y-%m-%d", localtime_r(&now, &tm));
}
