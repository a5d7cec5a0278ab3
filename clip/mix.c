/* mix.c - see mix.h. */
#include "clip/mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/marks.h"

enum { QUOTED_MAX = 16 }; /* texts of one blend */
static const double MAX_WEIGHT = 1e6;

/* ---- sums ------------------------------------------------------------------------------------------------------------- */

static void add_term(Mix *m, Term t)
{
    m->term = mem_grow(m->term, (size_t)(m->count + 1) * sizeof *m->term);
    m->term[m->count++] = t;
}

void mix_release(Mix *m)
{
    for (int i = 0; i < m->count; i++) ids_release(&m->term[i].ids);
    free(m->term);
    *m = (Mix){ 0 };
}

static void scale(Mix *m, double by)
{
    for (int i = 0; i < m->count; i++) m->term[i].weight *= by;
}

/* Moves the terms of `from` into m: from its row `at` on, at most `rows` of them. */
static void take(Mix *m, Mix *from, int at, int rows)
{
    for (int i = 0; i < from->count; i++) {
        Term t = from->term[i];
        int room = rows - t.at;
        if (room <= 0) {
            ids_release(&t.ids);
            continue;
        }
        t.at += at;
        t.pooled = t.pooled && at == 0;
        if (t.rows > room) t.rows = room;
        add_term(m, t);
    }
    free(from->term);
    *from = (Mix){ 0 };
}

static int read_leaf(const char *text, size_t len, const MixReader *r, Mix *out, Err *e)
{
    Term t = { .weight = 1, .pooled = true };
    char *copy = mem_strndup(text, len);
    int failed = r->read(r->ctx, copy, &t.ids, e);
    free(copy);
    *out = (Mix){ 0 };
    if (failed) return -1;
    t.rows = t.ids.rows;
    out->rows = t.rows;
    add_term(out, t);
    return 0;
}

int mix_pad(Mix *m, int rows, const MixReader *r, Err *e)
{
    for (; m->rows < rows; m->rows++) {
        Mix empty;
        if (read_leaf("", 0, r, &empty, e)) return -1;
        take(m, &empty, m->rows, 1);
        if (!m->count) continue;
        m->term[m->count - 1].pooled = false;
        m->term[m->count - 1].filler = true;
    }
    return 0;
}

/* ---- AVERAGE and CONCAT ------------------------------------------------------------------------------------------------ */

static const char *skip_space(const char *s) { return s + strspn(s, " \t\n\r\v\f"); }

/* A number at s as C reads it, finite and not too large; *end behind it. */
static int read_number(const char *s, double *out, char **end, Err *e)
{
    s = skip_space(s);
    *out = strtod(s, end);
    if (*end > s && fabs(*out) <= MAX_WEIGHT) return 0;
    return err_usage(e, "\"%.20s\" is not a number from -%.0f to %.0f", s, MAX_WEIGHT, MAX_WEIGHT);
}

/* "a CONCAT b CONCAT c" */
static int parse_concat(const char *text, size_t len, const MixReader *r, Mix *out, Err *e)
{
    size_t at;
    *out = (Mix){ 0 };
    for (size_t from = 0; from <= len;) {
        size_t next = mark_find(text, from, "CONCAT", &at), end = next && next <= len ? at : len;
        Mix part;
        if (read_leaf(text + from, end - from, r, &part, e)) return -1;
        int rows = part.rows, had = out->rows;
        take(out, &part, had, rows);
        out->rows = had + rows;
        from = end < len ? next : len + 1;
    }
    return 0;
}

/* The next "AVERAGE(0.7)" or "AVG(0.7)": where it begins and ends, and its number. False: there is none. */
static int find_average(const char *text, size_t from, size_t *begin, size_t *end, double *share, Err *e)
{
    static const char *const words[] = { "AVERAGE", "AVG" };
    *begin = *end = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t at, behind = from;
        while ((behind = mark_find(text, behind, words[i], &at)) && text[behind] != '(') continue;
        if (!behind || (*end && at > *begin)) continue;
        char *stop;
        if (read_number(text + behind + 1, share, &stop, e)) return err_in(e, words[i]);
        stop = (char *)(size_t)skip_space(stop);
        if (*stop != ')' || *share < 0 || *share > 1)
            return err_usage(e, "%s: a share from 0 to 1 is expected, such as %s(0.7)", words[i], words[i]);
        *begin = at;
        *end = (size_t)(stop + 1 - text);
    }
    return 0;
}

/* ComfyUI: the second is cut to the length of the first, or continued by zeros. */
static int parse_words(const char *text, const MixReader *r, Mix *out, Err *e)
{
    size_t from = 0, begin, end;
    double share = 1, next_share = 1;
    *out = (Mix){ 0 };
    bool first = true;
    for (;;) {
        Mix part;
        if (find_average(text, from, &begin, &end, &next_share, e)) return -1;
        size_t stop = end ? begin : strlen(text);
        if (parse_concat(text + from, stop - from, r, first ? out : &part, e)) {
            if (!first) mix_release(&part);
            return -1;
        }
        if (!first) {
            scale(out, share);
            scale(&part, 1 - share);
            take(out, &part, 0, out->rows);
        }
        if (!end) return 0;
        first = false;
        from = end;
        share = next_share;
    }
}

/* ---- compel's ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *text[QUOTED_MAX];
    double weight[QUOTED_MAX];
    int count, weights;
    bool and, raw; /* .and(); no_normalize */
} Blend;

static void blend_release(Blend *b)
{
    for (int i = 0; i < b->count; i++) free(b->text[i]);
}

/* A text in quotes at *s, \" being one; NULL: there is none, or it does not end. */
static char *read_quoted(const char **s)
{
    const char *p = *s;
    if (*p++ != '"') return NULL;
    char *out = mem_alloc(strlen(p) + 1), *to = out;
    while (*p && *p != '"') {
        if (*p == '\\' && p[1] == '"') p++;
        *to++ = *p++;
    }
    *to = 0;
    if (*p != '"') {
        free(out);
        return NULL;
    }
    *s = p + 1;
    return out;
}

/* ("a", "b").blend( or .and( and nothing before: *s goes behind it. False: something else. */
static bool read_texts(const char **s, Blend *b)
{
    const char *p = skip_space(*s);
    if (*p != '(') return false;
    do {
        p = skip_space(p + 1);
        if (b->count == QUOTED_MAX || !(b->text[b->count] = read_quoted(&p))) return false;
        b->count++;
        p = skip_space(p);
    } while (*p == ',');
    if (*p != ')') return false;
    b->and = strncmp(p, ").and(", 6) == 0;
    if (!b->and &&strncmp(p, ").blend(", 8) != 0) return false;
    *s = strchr(p + 1, '(') + 1;
    return true;
}

/* "0.7, 0.3)" and the text's end. */
static int read_weights(const char *s, Blend *b, Err *e)
{
    static const char raw[] = "no_normalize";
    const char *what = b->and ? ".and()" : ".blend()";
    for (s = skip_space(s); *s && *s != ')';) {
        char *end;
        if (!b->and &&strncmp(s, raw, sizeof raw - 1) == 0) {
            b->raw = true;
            end = (char *)(size_t)s + sizeof raw - 1;
        } else if (b->weights == QUOTED_MAX || read_number(s, &b->weight[b->weights++], &end, e)) {
            return err_in(e, what);
        }
        s = skip_space(end);
        if (*s == ',') s = skip_space(s + 1);
        else if (*s != ')') break;
    }
    if (*s != ')' || *skip_space(s + 1))
        return err_usage(e, "%s: numbers and a bracket are expected at \"%.20s\", and nothing behind", what, s);
    while (b->and &&b->weights < b->count) b->weight[b->weights++] = 1;
    if (b->weights != b->count)
        return err_usage(e, "%s: %d texts and %d weights; as many are expected", what, b->count, b->weights);
    return 0;
}

static int normalize(Blend *b, Err *e)
{
    double sum = 0;
    for (int i = 0; i < b->count; i++) sum += b->weight[i];
    if (sum == 0) return err_usage(e, ".blend(): the weights' sum is 0 (no_normalize takes them as they are)");
    for (int i = 0; i < b->count; i++) b->weight[i] /= sum;
    return 0;
}

/* The parts' rows on top of each other, the shorter ones continued by the empty prompt's. */
static int blend(Blend *b, const MixReader *r, Mix *out, Err *e)
{
    Mix part[QUOTED_MAX] = { { 0 } };
    int failed = b->raw ? 0 : normalize(b, e), rows = 0;
    for (int i = 0; i < b->count && !failed; i++) {
        failed = read_leaf(b->text[i], strlen(b->text[i]), r, &part[i], e);
        if (part[i].rows > rows) rows = part[i].rows;
    }
    for (int i = 0; i < b->count && !failed; i++) {
        failed = mix_pad(&part[i], rows, r, e);
        scale(&part[i], b->weight[i]);
    }
    out->rows = rows;
    for (int i = 0; i < b->count; i++) {
        if (!failed) take(out, &part[i], 0, rows);
        mix_release(&part[i]);
    }
    return failed ? -1 : 0;
}

/* One after the other: empty + weight (part - empty). */
static int join(const Blend *b, const MixReader *r, Mix *out, Err *e)
{
    for (int i = 0; i < b->count; i++) {
        Mix part, empty = { 0 };
        int failed = read_leaf(b->text[i], strlen(b->text[i]), r, &part, e);
        int rows = part.rows, had = out->rows;
        if (!failed && b->weight[i] != 1) failed = mix_pad(&empty, rows, r, e);
        if (!failed) {
            scale(&part, b->weight[i]);
            scale(&empty, 1 - b->weight[i]);
            take(out, &part, had, rows);
            take(out, &empty, had, rows);
            out->rows = had + rows;
        }
        mix_release(&part);
        mix_release(&empty);
        if (failed) return -1;
    }
    return 0;
}

int mix_parse(const char *text, MixWords words, const MixReader *r, Mix *out, Err *e)
{
    Blend b = { .count = 0 };
    const char *s = text;
    *out = (Mix){ 0 };
    int failed;
    if (words.blends && read_texts(&s, &b))
        failed = read_weights(s, &b, e) || (b.and ? join(&b, r, out, e) : blend(&b, r, out, e));
    else if (words.words) failed = parse_words(text, r, out, e);
    else failed = read_leaf(text, strlen(text), r, out, e);
    blend_release(&b);
    return failed ? -1 : 0;
}
