/* list.c - see list.h. */
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char *skip_spaces(const char *p) { return p + strspn(p, " "); }

/* What stands in quotes; returns what follows the closing one, NULL: there is none. */
static const char *quoted(Str *out, const char *p)
{
    for (;; p++) {
        size_t n = strcspn(p, "\"");
        str_addn(out, p, n);
        p += n;
        if (!*p) return NULL;
        if (*++p != '"') return p;
        str_add(out, "\"");
    }
}

static void add(List *l, const Str *value)
{
    l->items = mem_grow(l->items, ((size_t)l->count + 1) * sizeof *l->items);
    l->items[l->count++] = mem_strdup(str_text(value));
}

int list_split(List *l, const char *text, Err *e)
{
    *l = (List){ 0 };
    for (const char *p = skip_spaces(text);; p = skip_spaces(p + 1)) {
        Str value = { 0 };
        bool in_quotes = *p == '"';
        if (in_quotes) {
            p = quoted(&value, p + 1);
            if (p) p = skip_spaces(p);
        } else {
            size_t n = strcspn(p, ",");
            str_addn(&value, p, n);
            p += n;
            while (value.len && value.s[value.len - 1] == ' ') value.s[--value.len] = 0;
        }
        bool bad = !p || (*p && *p != ',');
        bool empty = !bad && !value.len && !in_quotes;
        if (!bad && !empty) add(l, &value);
        str_release(&value);
        if (bad || empty) list_release(l);
        if (bad)
            return err_usage(e, "\"%.60s\": a double quote where none is expected, or one that does not end", text);
        if (empty) return err_usage(e, "\"%.60s\": a value is missing; values are parted by one comma", text);
        if (!*p) return 0;
    }
}

/* "5-20:5"; false: the value is no range. */
static bool range_of(const char *value, long *first, long *last, long *step)
{
    char *end;
    if (value[strspn(value, "0123456789-:")] || *value == '-' || !strchr(value, '-')) return false;
    *first = strtol(value, &end, 10);
    if (*end != '-' || end[1] < '0' || end[1] > '9') return false;
    *last = strtol(end + 1, &end, 10);
    *step = 1;
    if (*end == ':' && end[1] >= '0' && end[1] <= '9') *step = strtol(end + 1, &end, 10);
    return !*end;
}

static int add_range(List *l, const char *value, Err *e)
{
    long first, last, step;
    if (!range_of(value, &first, &last, &step)) {
        Str own = { 0 };
        str_add(&own, value);
        add(l, &own);
        str_release(&own);
        return 0;
    }
    if (last < first || step < 1 || (last - first) / step >= LIST_MOST_COUNTS)
        return err_usage(e, "\"%.60s\": a range is written 5-20 or 5-20:5, and stands for %d numbers at most", value,
                         LIST_MOST_COUNTS);
    for (long n = first;; n += step) {
        Str text = { 0 };
        str_addf(&text, "%ld", n);
        add(l, &text);
        str_release(&text);
        if (n > last - step) break; /* the sum might not fit */
    }
    return 0;
}

int list_split_counts(List *l, const char *text, Err *e)
{
    List written;
    *l = (List){ 0 };
    int failed = list_split(&written, text, e);
    for (int i = 0; i < written.count && !failed; i++) failed = add_range(l, written.items[i], e);
    if (!failed && l->count > LIST_MOST_COUNTS)
        failed = err_usage(e, "\"%.60s\" stands for more than %d numbers", text, LIST_MOST_COUNTS);
    list_release(&written);
    if (failed) list_release(l);
    return failed ? -1 : 0;
}

void list_release(List *l)
{
    for (int i = 0; i < l->count; i++) free(l->items[i]);
    free(l->items);
    *l = (List){ 0 };
}
