/* compose.c - see compose.h. */
#include "clip/compose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/marks.h"

enum { NUMBER_ROOM = 400 };
static const double MAX_WEIGHT = 1e6;

static bool is_space(char c) { return c && strchr(" \t\n\r\v\f", c); }

/* Where a number without exponent that ends at `end` begins; end: there is none. */
static size_t number_before(const char *s, size_t end)
{
    static const char digits[] = "0123456789";
    size_t at = end, fraction = 0, whole = 0;
    while (at && strchr(digits, s[at - 1])) at--, fraction++;
    if (at && s[at - 1] == '.') {
        at--;
        while (at && strchr(digits, s[at - 1])) at--, whole++;
        if (!whole && !fraction) return end;
    } else if (!fraction) {
        return end;
    }
    return at && (s[at - 1] == '+' || s[at - 1] == '-') ? at - 1 : at;
}

/* The text without what is behind it: white space, and with `weighted` ": 1.2". */
static int read_clause(const char *s, size_t len, bool weighted, Clause *out, Err *e)
{
    size_t end = len, from;
    out->weight = 1;
    while (end && is_space(s[end - 1])) end--;
    from = weighted ? number_before(s, end) : end;
    size_t colon = from;
    while (colon && is_space(s[colon - 1])) colon--;
    if (from < end && colon && s[colon - 1] == ':') {
        char number[NUMBER_ROOM] = "";
        size_t n = end - from;
        memcpy(number, s + from, n < sizeof number ? n : sizeof number - 1);
        out->weight = strtod(number, NULL);
        end = colon - 1;
        while (end && is_space(s[end - 1])) end--;
    }
    out->text = mem_strndup(s, end);
    if (fabs(out->weight) <= MAX_WEIGHT) return 0;
    return err_usage(e, "the weight %g is too large: it must be from -%.0f to %.0f", out->weight, MAX_WEIGHT,
                     MAX_WEIGHT);
}

int clauses_parse(const char *text, bool alone, Clauses *out, Err *e)
{
    *out = (Clauses){ .count = 0 };
    size_t found, next = mark_find(text, 0, "AND", &found);
    bool weighted = alone || next;
    for (size_t from = 0;; from = next, next = mark_find(text, from, "AND", &found)) {
        size_t end = next ? found : strlen(text);
        if (out->count == CLAUSES_MAX) return err_usage(e, "more than %d parts with AND between them", CLAUSES_MAX);
        Clause *c = &out->at[out->count++];
        if (!weighted) c->text = mem_strdup(text), c->weight = 1;
        else if (read_clause(text + from, end - from, weighted, c, e)) return -1;
        if (!next) return 0;
    }
}

void clauses_release(Clauses *c)
{
    for (int i = 0; i < c->count; i++) free(c->at[i].text);
    *c = (Clauses){ .count = 0 };
}
