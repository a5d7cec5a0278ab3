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
        if (bad)
            return err_usage(e, "\"%.60s\": a double quote where none is expected, or one that does not end", text);
        if (empty) return err_usage(e, "\"%.60s\": a value is missing; values are parted by one comma", text);
        if (!*p) return 0;
    }
}

void list_release(List *l)
{
    for (int i = 0; i < l->count; i++) free(l->items[i]);
    free(l->items);
    *l = (List){ 0 };
}
