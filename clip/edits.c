/*
 * edits.c - see edits.h.
 *
 *   text:  (group | plain | a stray bracket or colon)*         within a group nothing is stray
 *   group: ( within ) | ( within : within ) | [ within ]       emphasis: passes as it is written, what is within is read
 *          [ within : number ] | [ within : within : number ]  the second from that step on
 *          [ within | within | ... ]                           one after the other
 *
 * A group that does not end so is no group; "|" outside of one, or a backslash at the end, make all of the text plain. Each
 * bracket is tried once, whatever is around it, so reading is linear in the text.
 */
#include "clip/edits.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    MAX_DEPTH = 256,
    MAX_TEXTS = 16 << 20, /* bytes of all texts of one prompt */
    NUMBER_ROOM = 64,
};

typedef enum { NODE_TEXT, NODE_SWITCH, NODE_ALTERNATE, NODE_PASSED } NodeKind;

/* Nodes lie in one array; -1: none. The parts of a group are lists of their own. */
typedef struct {
    NodeKind kind;
    size_t from, to;    /* bytes of the text; NODE_PASSED: with its brackets */
    int part, next;     /* the first part, of a part what is in it; the next node of the same list */
    const char *number; /* NODE_SWITCH: when */
} Node;

typedef struct {
    const char *text;
    Node *node;
    int count;
    unsigned char *failed; /* a group cannot begin here */
    int depth;
    bool deep;
} Parser;

static int new_node(Parser *p, Node n)
{
    if (!(p->count & (p->count - 1))) p->node = mem_grow(p->node, (size_t)(2 * p->count + 1) * sizeof *p->node);
    p->node[p->count] = n;
    return p->count++;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* The length of text without a meaning at s; 0: none. */
static size_t plain_length(const char *s)
{
    size_t n = 0;
    while (s[n]) {
        if (s[n] == '\\') {
            if (!s[n + 1] || s[n + 1] == '\n') break;
            n += 2;
        } else if (strchr("[]():|", s[n])) {
            break;
        } else {
            n++;
        }
    }
    return n;
}

static const char *skip_space(const char *s) { return s + strspn(s, " \t\n\r\v\f"); }

/* The end of a signed number at s, as lark's common.SIGNED_NUMBER has it; NULL: there is none. */
static const char *number_end(const char *s)
{
    static const char digits[] = "0123456789";
    if (*s == '+' || *s == '-') s++;
    size_t whole = strspn(s, digits), part = 0;
    s += whole;
    if (*s == '.') part = strspn(s + 1, digits), s += 1 + part;
    if (!whole && !part) return NULL;
    if (*s == 'e' || *s == 'E') {
        const char *exponent = s + 1 + (s[1] == '+' || s[1] == '-');
        size_t n = strspn(exponent, digits);
        if (n) s = exponent + n;
    }
    return s;
}

static int parse_group(Parser *p, size_t *at);

/* What is within a group up to a character that ends it, or that cannot be there. -1: nothing. */
static int parse_within(Parser *p, size_t *at)
{
    int first = -1, last = -1;
    for (;;) {
        size_t n = plain_length(p->text + *at), from = *at;
        int node = -1;
        if (n) {
            node = new_node(p, (Node){ .kind = NODE_TEXT, .from = from, .to = from + n, .part = -1, .next = -1 });
            *at += n;
        } else if (p->text[*at] == '(' || p->text[*at] == '[') {
            node = parse_group(p, at);
        }
        if (node < 0) return first;
        if (last < 0) first = node;
        else p->node[last].next = node;
        last = node;
    }
}

/* Appends a part to a group, which is a list that may be empty. */
static void add_part(Parser *p, int group, int *last, int list)
{
    int part = new_node(p, (Node){ .kind = NODE_PASSED, .part = list, .next = -1 });
    if (*last < 0) p->node[group].part = part;
    else p->node[*last].next = part;
    *last = part;
}

/* ": 0.5 ]" at the colon *at: goes behind it. */
static bool parse_when(Parser *p, int group, size_t *at)
{
    const char *number = skip_space(p->text + *at + 1), *end = number_end(number);
    if (!end || *skip_space(end) != ']') return false;
    p->node[group].kind = NODE_SWITCH;
    p->node[group].number = number;
    *at = (size_t)(skip_space(end) + 1 - p->text);
    return true;
}

static bool parse_alternatives(Parser *p, int group, int last, size_t *at)
{
    while (p->text[*at] == '|') {
        ++*at;
        add_part(p, group, &last, parse_within(p, at));
    }
    if (p->text[(*at)++] != ']') return false;
    p->node[group].kind = NODE_ALTERNATE;
    return true;
}

/* Behind the opening bracket and what is within up to *at. */
static bool parse_rest(Parser *p, int group, char open, int last, size_t *at)
{
    char c = p->text[*at], close = open == '(' ? ')' : ']';
    if (c == close) {
        ++*at;
        return true;
    }
    if (open == '[' && c == '|') return parse_alternatives(p, group, last, at);
    if (c != ':') return false;
    if (open == '[' && parse_when(p, group, at)) return true;
    ++*at;
    add_part(p, group, &last, parse_within(p, at));
    if (open == '(') return p->text[(*at)++] == ')';
    return p->text[*at] == ':' && parse_when(p, group, at);
}

/* A group at *at, which goes behind it; -1: there is none, and *at stays. */
static int parse_group(Parser *p, size_t *at)
{
    size_t from = *at, to = from + 1;
    if (p->failed[from]) return -1;
    if (p->depth == MAX_DEPTH) {
        p->deep = true;
        return -1;
    }
    p->depth++;
    int group = new_node(p, (Node){ .kind = NODE_PASSED, .from = from, .part = -1, .next = -1 }), last = -1;
    add_part(p, group, &last, parse_within(p, &to));
    bool ends = parse_rest(p, group, p->text[from], last, &to);
    p->depth--;
    p->failed[from] = !ends;
    if (!ends) return -1;
    p->node[group].to = to;
    *at = to;
    return group;
}

/* The text's nodes; -1: it does not parse. */
static int parse_text(Parser *p)
{
    int first = -1, last = -1;
    for (size_t at = 0; p->text[at];) {
        size_t from = at, n = plain_length(p->text + at);
        int node = n || !strchr("([", p->text[at]) ? -1 : parse_group(p, &at);
        if (node < 0) {
            if (!n && (p->text[at] == '|' || p->text[at] == '\\')) return -1;
            at += n ? n : 1;
            node = new_node(p, (Node){ .kind = NODE_TEXT, .from = from, .to = at, .part = -1, .next = -1 });
        }
        if (last < 0) first = node;
        else p->node[last].next = node;
        last = node;
    }
    return first;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

/* The last evaluation of the first part, at most the run's steps; < 1: there is none. */
static int when_of(const char *number, EditSteps s)
{
    char buf[NUMBER_ROOM] = "";
    size_t len = (size_t)(number_end(number) - number);
    double share = s.first ? 1 : 0;
    memcpy(buf, number, len < sizeof buf ? len : sizeof buf - 1);
    double when = strtod(buf, NULL);
    when = memchr(number, '.', len) ? (when - share) * s.steps : when - s.first;
    return when >= s.steps ? s.steps : when <= -1 ? -1 : (int)when;
}

static void mark_steps(const Parser *p, EditSteps s, unsigned char *ends)
{
    for (int i = 0; i < p->count; i++) {
        const Node *n = &p->node[i];
        int when = n->kind == NODE_SWITCH ? when_of(n->number, s) : 0;
        if (when >= 1) ends[when] = 1;
        if (n->kind == NODE_ALTERNATE) memset(ends + 1, 1, (size_t)s.steps);
    }
}

static void write_list(const Parser *p, int list, int step, EditSteps s, Str *out);

/* The part of a switch or an alternation that holds at that step. */
static void write_chosen(const Parser *p, const Node *n, int step, EditSteps s, Str *out)
{
    int part = n->part, count = 0;
    for (int i = part; i >= 0; i = p->node[i].next) count++;
    if (!count) return;
    int index = n->kind == NODE_ALTERNATE       ? (step - 1) % count
                : step <= when_of(n->number, s) ? (count == 2 ? 0 : -1)
                                                : count - 1;
    if (index < 0) return; /* [b:3]: nothing before */
    while (index--) part = p->node[part].next;
    write_list(p, p->node[part].part, step, s, out);
}

/* Emphasis as it is written, but for what is within. */
static void write_passed(const Parser *p, const Node *n, int step, EditSteps s, Str *out)
{
    str_addn(out, p->text + n->from, 1);
    for (int part = n->part; part >= 0; part = p->node[part].next) {
        if (part != n->part) str_add(out, ":");
        write_list(p, p->node[part].part, step, s, out);
    }
    str_addn(out, p->text + n->to - 1, 1);
}

static void write_list(const Parser *p, int list, int step, EditSteps s, Str *out)
{
    for (int i = list; i >= 0; i = p->node[i].next) {
        const Node *n = &p->node[i];
        if (n->kind == NODE_TEXT) str_addn(out, p->text + n->from, n->to - n->from);
        else if (n->kind == NODE_PASSED) write_passed(p, n, step, s, out);
        else write_chosen(p, n, step, s, out);
    }
}

static void add_edit(Edits *out, int until, char *text)
{
    out->at = mem_grow(out->at, (size_t)(out->count + 1) * sizeof *out->at);
    out->at[out->count++] = (Edit){ until, text };
}

static int write_edits(const Parser *p, int list, EditSteps s, Edits *out, Err *e)
{
    unsigned char *ends = mem_alloc((size_t)s.steps + 1);
    size_t bytes = 0;
    int failed = 0;
    mark_steps(p, s, ends);
    ends[s.steps] = 1;
    for (int step = 1; step <= s.steps && !failed; step++) {
        Str text = { 0 };
        if (!ends[step]) continue;
        write_list(p, list, step, s, &text);
        bytes += text.len;
        add_edit(out, step, mem_strdup(str_text(&text)));
        str_release(&text);
        if (bytes > MAX_TEXTS)
            failed = err_usage(e,
                               "so long a prompt of so many texts (%d steps, [a|b] makes one a step) is too much: at "
                               "most %d MB in all",
                               s.steps, MAX_TEXTS >> 20);
    }
    free(ends);
    return failed;
}

int edits_parse(const char *text, EditSteps s, Edits *out, Err *e)
{
    *out = (Edits){ 0 };
    if (s.steps < 1) s.steps = 1;
    if (!strpbrk(text, "[")) {
        add_edit(out, s.steps, mem_strdup(text));
        return 0;
    }
    Parser p = { .text = text, .failed = mem_alloc(strlen(text) + 1) };
    int list = parse_text(&p), failed = 0;
    if (p.deep) failed = err_usage(e, "brackets are nested more than %d deep", MAX_DEPTH);
    else if (list < 0) add_edit(out, s.steps, mem_strdup(text));
    else failed = write_edits(&p, list, s, out, e);
    free(p.failed);
    free(p.node);
    return failed;
}

void edits_release(Edits *x)
{
    for (int i = 0; i < x->count; i++) free(x->at[i].text);
    free(x->at);
    *x = (Edits){ 0 };
}

int edits_at(const Edits *x, int evaluation)
{
    for (int i = 0; i < x->count; i++)
        if (evaluation <= x->at[i].until) return i;
    return 0;
}
