/*
 * emphasis.c - see emphasis.h.
 *
 * Easy to get wrong: A1111 multiplies at each closing bracket all pieces since its opening one, and joins neighbours of equal
 * weight before they become tokens. A number in ComfyUI's brackets stands for all that is around them. BREAK within A1111's
 * brackets is weighted like a word, and then is one.
 */
#include "clip/emphasis.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "clip/unicode.h"

enum {
    MAX_DEPTH = 256,  /* of brackets; 1.1^256 is beyond MAX_WEIGHT */
    NUMBER_ROOM = 64, /* bytes of a weight; more are no number that somebody means */
    SHOWN = 40,       /* bytes of a piece in an error */
};

static const double MAX_WEIGHT = 1e6, STRONGER = 1.1, WEAKER = 1 / 1.1;

static void add_piece(Pieces *p, const char *text, size_t len, double weight)
{
    if (p->count == p->cap) p->at = mem_grow(p->at, (p->cap = 2 * p->cap + 8) * sizeof *p->at);
    p->at[p->count++] = (Piece){ mem_strndup(text, len), weight, false };
}

void pieces_release(Pieces *p)
{
    for (size_t i = 0; i < p->count; i++) free(p->at[i].text);
    free(p->at);
    *p = (Pieces){ 0 };
}

static int too_deep(Err *e) { return err_usage(e, "brackets are nested more than %d deep", MAX_DEPTH); }

static int check_weights(const Pieces *p, Err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const Piece *x = &p->at[i];
        if (fabs(x->weight) <= MAX_WEIGHT) continue; /* NaN is not */
        size_t len = strlen(x->text), shown = len < SHOWN ? len : SHOWN;
        while (shown < len && ((unsigned char)x->text[shown] & 0xC0) == 0x80) shown--; /* no half character */
        return err_usage(e, "the weight of \"%.*s%s\" is %g; it must be from -%.0f to %.0f", (int)shown, x->text,
                         shown < len ? "..." : "", x->weight, MAX_WEIGHT, MAX_WEIGHT);
    }
    return 0;
}

/* ---- A1111 ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t from[MAX_DEPTH]; /* the first piece behind each open bracket */
    int count;
} Open;

static int open_bracket(Open *o, const Pieces *p, Err *e)
{
    if (o->count == MAX_DEPTH) return too_deep(e);
    o->from[o->count++] = p->count;
    return 0;
}

static void multiply(Pieces *p, size_t from, double by)
{
    for (size_t i = from; i < p->count; i++) p->at[i].weight *= by;
}

/* The length of ": 1.2 )" at s, 0: it is something else. *number: where the number begins. */
static size_t weight_length(const char *s, const char **number)
{
    static const char space[] = " \t\n\r\v\f";
    const char *at = s + 1 + strspn(s + 1, space);
    *number = at;
    if (*at == '+' || *at == '-') at++;
    size_t digits = strspn(at, ".0123456789");
    at += digits + strspn(at + digits, space);
    return digits && *at == ')' ? (size_t)(at + 1 - s) : 0;
}

/* What weight_length() found: A1111 stops at "1.2.3" and at ".", and so does this. */
static int read_weight(const char *number, double *weight, Err *e)
{
    size_t len = 1 + strspn(number + 1, ".0123456789");
    char buf[NUMBER_ROOM] = "", *end = buf;
    if (len < sizeof buf) {
        memcpy(buf, number, len);
        buf[len] = '\0';
        *weight = strtod(buf, &end);
    }
    if (end != buf && !*end) return 0;
    return err_usage(e, "the weight \"%.*s\" is not a number", (int)(len < SHOWN ? len : SHOWN), number);
}

static bool is_word(uint32_t cp) { return cp == '_' || unicode_letter(cp) || unicode_number(cp); }

/* Whether the word, ASCII, stands at c[i], and is not part of a longer one. */
static bool word_at(const Chars *c, size_t i, const char *word)
{
    size_t n = strlen(word);
    if (i + n > c->count || (i && is_word(c->at[i - 1].cp)) || (i + n < c->count && is_word(c->at[i + n].cp)))
        return false;
    for (size_t k = 0; k < n; k++)
        if (c->at[i + k].cp != (unsigned char)word[k]) return false;
    return true;
}

/* Plain text, cut at each BREAK, which takes the white space around it along. */
static void add_text(Pieces *p, const char *text, size_t len)
{
    static const char word[] = "BREAK";
    size_t from = 0;
    Chars c = { 0 };
    chars_decode(&c, text, len);
    for (size_t i = 0; i < c.count; i++) {
        if (!word_at(&c, i, word)) continue;
        size_t end = i, next = i + strlen(word);
        while (end > 0 && c.at[end - 1].from >= from && unicode_space(c.at[end - 1].cp)) end--;
        while (next < c.count && unicode_space(c.at[next].cp)) next++;
        size_t stop = c.at[end].from;
        add_piece(p, text + from, stop - from, 1);
        add_piece(p, word, strlen(word), -1);
        from = next < c.count ? c.at[next].from : len;
        i = next - 1;
    }
    add_piece(p, text + from, len - from, 1);
    chars_release(&c);
}

/* Neighbours of equal weight become one: "(a)(b)" is "ab". What is BREAK then, is one. */
static void join(Pieces *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count;) {
        size_t next = i + 1, len = 0;
        while (next < p->count && p->at[next].weight == p->at[i].weight) next++;
        for (size_t k = i; k < next; k++) len += strlen(p->at[k].text);
        char *text = mem_alloc(len + 1), *to = text;
        double weight = p->at[i].weight;
        for (; i < next; i++) {
            size_t n = strlen(p->at[i].text);
            memcpy(to, p->at[i].text, n);
            to += n;
            free(p->at[i].text);
        }
        p->at[kept++] = (Piece){ text, weight, weight == -1 && strcmp(text, "BREAK") == 0 };
    }
    p->count = kept;
}

/* One part of the text, which is at s: returns its length, 0: an error. */
static size_t a1111_part(Pieces *p, Open *round, Open *square, const char *s, Err *e)
{
    const char *number;
    size_t len = 1;
    double weight = 1;

    if (*s == '\\') {
        len += s[1] != '\0' && strchr("()[]\\", s[1]) != NULL;
        add_piece(p, s + 1, len - 1, 1);
    } else if (*s == '(') {
        if (open_bracket(round, p, e)) return 0;
    } else if (*s == '[') {
        if (open_bracket(square, p, e)) return 0;
    } else if (*s == ':' && round->count && weight_length(s, &number)) {
        if (read_weight(number, &weight, e)) return 0;
        len = weight_length(s, &number);
        multiply(p, round->from[--round->count], weight);
    } else if (*s == ')' && round->count) {
        multiply(p, round->from[--round->count], STRONGER);
    } else if (*s == ']' && square->count) {
        multiply(p, square->from[--square->count], WEAKER);
    } else {
        if (*s == ':' && weight_length(s, &number)) len = weight_length(s, &number);
        else if (!strchr(":)]", *s)) len = strcspn(s, "\\()[]:");
        add_text(p, s, len);
    }
    return len;
}

static int parse_a1111(const char *text, Pieces *p, Err *e)
{
    Open round = { .count = 0 }, square = { .count = 0 };
    while (*text) {
        size_t len = a1111_part(p, &round, &square, text, e);
        if (!len) return -1;
        text += len;
    }
    for (int i = 0; i < round.count; i++) multiply(p, round.from[i], STRONGER);
    for (int i = 0; i < square.count; i++) multiply(p, square.from[i], WEAKER);
    join(p);
    return 0;
}

/* ---- ComfyUI --------------------------------------------------------------------------------------------------------- */

/* Brackets that were escaped, while the others are looked for: bytes that no UTF-8 has. */
enum { ESCAPED_OPEN = 0xFE, ESCAPED_CLOSE = 0xFF };

static char *escape(const char *text)
{
    char *out = mem_alloc(strlen(text) + 1), *to = out;
    for (; *text; text++) {
        if (*text == '\\' && (text[1] == '(' || text[1] == ')'))
            *to++ = (char)(*++text == '(' ? ESCAPED_OPEN : ESCAPED_CLOSE);
        else *to++ = *text;
    }
    return out;
}

static void add_unescaped(Pieces *p, const char *s, size_t len, double weight)
{
    add_piece(p, s, len, weight);
    for (char *c = p->at[p->count - 1].text; *c; c++) {
        if ((unsigned char)*c == ESCAPED_OPEN) *c = '(';
        if ((unsigned char)*c == ESCAPED_CLOSE) *c = ')';
    }
}

/* A number as Python's float() takes it, but for "_"; hexadecimal is none. */
static bool python_float(const char *s, size_t len, double *out)
{
    static const char space[] = " \t\n\r\v\f";
    char buf[NUMBER_ROOM], *end;
    while (len && strchr(space, *s)) s++, len--;
    while (len && strchr(space, s[len - 1])) len--;
    if (!len || len >= sizeof buf) return false;
    memcpy(buf, s, len);
    buf[len] = '\0';
    if (strpbrk(buf, "xX(")) return false; /* strtod() knows 0x10 and nan(1) */
    double number = strtod(buf, &end);
    if (*end) return false;
    *out = number;
    return true;
}

/* The end of the item that begins at s: a pair of brackets of the outer level, or what is before the next. level: goes on. */
static size_t item_length(const char *s, size_t len, long *level)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '(') {
            if (*level == 0 && i > 0) return i;
            (*level)++;
        } else if (s[i] == ')' && --*level == 0) {
            return i + 1;
        }
    }
    return len;
}

static int parse_comfyui(const char *s, size_t len, double weight, int depth, Pieces *p, Err *e)
{
    long level = 0;
    for (size_t n; len; s += n, len -= n) {
        n = item_length(s, len, &level);
        if (n < 2 || s[0] != '(' || s[n - 1] != ')') {
            add_unescaped(p, s, n, weight);
            continue;
        }
        if (depth == MAX_DEPTH) return too_deep(e);
        size_t inner = n - 2, colon = inner;
        while (colon > 0 && s[colon] != ':') colon--; /* the last one in s + 1, where it is not first */
        double within = weight * STRONGER;
        if (colon > 1 && python_float(s + colon + 1, n - 2 - colon, &within)) inner = colon - 1;
        if (parse_comfyui(s + 1, inner, within, depth + 1, p, e)) return -1;
    }
    return 0;
}

/* ---- both ------------------------------------------------------------------------------------------------------------ */

int emphasis_parse(Emphasis kind, const char *text, Pieces *out, Err *e)
{
    int failed = 0;
    if (kind == EMPHASIS_NONE) {
        add_piece(out, text, strlen(text), 1);
    } else if (kind == EMPHASIS_A1111) {
        failed = parse_a1111(text, out, e);
    } else {
        char *escaped = escape(text);
        failed = parse_comfyui(escaped, strlen(escaped), 1, 0, out, e);
        free(escaped);
    }
    return failed || check_weights(out, e) ? -1 : 0;
}

static double mean(const float *z, size_t len)
{
    double sum = 0;
    for (size_t i = 0; i < len; i++) sum += z[i];
    return sum / (double)len;
}

void emphasis_scale(float *z, const float *weight, size_t tokens, size_t width, bool restore)
{
    bool weighted = false;
    for (size_t i = 0; i < tokens; i++) weighted |= weight[i] != 1;
    if (!weighted) return;
    double before = mean(z, tokens * width);
    for (size_t i = 0; i < tokens * width; i++) z[i] *= weight[i / width];
    if (!restore) return;
    float factor = (float)(before / mean(z, tokens * width));
    for (size_t i = 0; i < tokens * width; i++) z[i] *= factor;
}

void emphasis_blend(float *z, const float *empty, const float *weight, size_t tokens, size_t width)
{
    for (size_t i = 0; i < tokens * width; i++)
        if (weight[i / width] != 1) z[i] = (z[i] - empty[i]) * weight[i / width] + empty[i];
}
