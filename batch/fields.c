/*
 * fields.c - the fields of a record, kept: values, ranges, and finding one by its name. See record.h; record.c says
 * what they are.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "batch/record.h"

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

void field_clear(Field *f)
{
    for (size_t i = 0; i < f->span_count; i++) free(f->spans[i].text);
    free(f->spans);
    f->spans = NULL;
    f->span_count = 0;
    f->count = 0;
}

void field_rename(Field *f, const char *name)
{
    char *copy = mem_strdup(name);
    free(f->name);
    f->name = copy;
}

void record_release(Record *r)
{
    for (size_t i = 0; i < r->count; i++) {
        field_clear(&r->fields[i]);
        free(r->fields[i].name);
    }
    free(r->fields);
    free(r->sorted);
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
    s.before = f->count;
    f->spans[f->span_count++] = s;
    f->count = plus(f->count, s.count);
}

void field_add_text(Field *f, const char *text, ValueKind kind)
{
    add_span(f, (Span){ .text = mem_strdup(text), .kind = kind, .count = 1 });
}

void field_add_range(Field *f, uint64_t first, uint64_t last, uint64_t step)
{
    add_span(f, (Span){ .first = first, .step = step, .kind = VALUE_NUMBER, .count = plus((last - first) / step, 1) });
}

void field_value(const Field *f, uint64_t k, Str *out)
{
    size_t low = 0, high = f->span_count; /* spans[low].before <= k < spans[high].before */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (f->spans[middle].before <= k) low = middle;
        else high = middle;
    }
    const Span *s = &f->spans[low];
    if (s->text) str_add(out, s->text);
    else str_addf(out, "%" PRIu64, s->first + (k - s->before) * s->step);
}

/* ---- by name ---- */

/* As strcmp(), with '_' as '-'. */
static int compare_names(const char *a, const char *b)
{
    for (;; a++, b++) {
        int x = *a == '_' ? '-' : (unsigned char)*a, y = *b == '_' ? '-' : (unsigned char)*b;
        if (x != y || !x) return x - y;
    }
}

bool same_name(const char *a, const char *b) { return compare_names(a, b) == 0; }

static int by_name(const void *a, const void *b)
{
    const Field *x = *(const Field *const *)a, *y = *(const Field *const *)b;
    int order = compare_names(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

const Field *record_sort(Record *r)
{
    free(r->sorted);
    r->sorted = mem_array(r->count + 1, sizeof *r->sorted);
    for (size_t i = 0; i < r->count; i++) r->sorted[i] = &r->fields[i];
    qsort(r->sorted, r->count, sizeof *r->sorted, by_name);
    for (size_t i = 1; i < r->count; i++)
        if (same_name(r->sorted[i - 1]->name, r->sorted[i]->name)) return r->sorted[i];
    return NULL;
}

Field *record_find(const Record *r, const char *name)
{
    for (size_t low = 0, high = r->count; r->sorted && low < high;) {
        size_t middle = (low + high) / 2;
        int order = compare_names(name, r->sorted[middle]->name);
        if (!order) return r->sorted[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}
