/* choice_parse.c - the parser of choice.h: one function a construct, recursion as deep as the text nests. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "batch/index.h"
#include "batch/node.h"
#include "batch/wildcards.h"

enum {
    MAX_NESTING = 64,
    MAX_PATHS = 1000,        /* names that one __a/{b|c}__ may stand for */
    MAX_ALL_PATHS = 100000,  /* those of a prompt, or of a line, together */
    SHOWN = 60,              /* bytes of a prompt in a message */
    MAX_SELECTION = 1 << 20, /* of {N$$...} */
};

typedef struct {
    char *name;
    Node *value; /* lazy; NULL: in slot */
    int slot;
} Variable;

typedef struct {
    const ChoiceReader *r;
    const char *at;
    int nesting;
    size_t paths; /* names so far that __a/{b|c}__ stand for */
    Variable variables[CHOICE_VARIABLES];
    int variable_count;
} Parser;

static Node *parse_sequence(Parser *p, const char *stops, Err *e);

static bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_name(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '-'; }

static size_t name_length(const char *s)
{
    size_t n = 0;
    while (is_name(s[n])) n++;
    return is_name_start(*s) ? n : 0;
}

static void skip_space(Parser *p) { p->at += strspn(p->at, " \t\n"); }

static Node *text_node(const char *s, size_t len)
{
    Node *n = node_new(NODE_TEXT);
    n->text = mem_strndup(s, len);
    return n;
}

/* ---- {field} ---- */

/* 1: it was one, *out; 0: not a name in braces; -1: a name, and there is no such field. */
static int parse_field(Parser *p, Node **out, Err *e)
{
    size_t len = name_length(p->at + 1);
    const char *near = NULL;
    if (!len || p->at[len + 1] != '}') return 0;
    char *name = mem_strndup(p->at + 1, len);
    bool off = p->r->mode == EXPAND_OFF;
    bool there = p->r->has_field && p->r->has_field(p->r->ctx, name, off ? NULL : &near);
    if (there) {
        *out = node_new(NODE_FIELD);
        (*out)->text = name;
        p->at += len + 2;
        return 1;
    }
    if (!off) {
        if (near) err_usage(e, "{%.60s}: the job has no such field; did you mean {%s}?", name, near);
        else
            err_usage(e,
                      "{%.60s}: the job has no such field (a choice is {a|b}; \\{ is a brace; --expand off leaves "
                      "braces alone)",
                      name);
    }
    free(name);
    return off ? 0 : -1;
}

/* ---- {a|b} ---- */

static bool take_number(const char **s, size_t *out)
{
    size_t len = strspn(*s, "0123456789");
    if (!len) return false;
    *out = len > 6 ? MAX_SELECTION : strtoul(*s, NULL, 10);
    *s += len;
    return true;
}

/* "2$$", "1-3$$", "-3$$", "2-$$", and perhaps a separator and "$$". */
static void parse_bounds(Parser *p, Node *n)
{
    const char *s = p->at;
    size_t low = 1, high = MAX_SELECTION;
    bool lower = take_number(&s, &low), range = *s == '-';
    s += range;
    if (range ? !take_number(&s, &high) && !lower : !lower) return;
    if (!range) high = low;
    if (strncmp(s, "$$", 2) != 0) return;
    n->min = low;
    n->max = high < low ? low : high;
    p->at = s + 2;
    size_t len = strcspn(p->at, "${}");
    if (len && strncmp(p->at + len, "$$", 2) == 0) {
        n->text = mem_strndup(p->at, len);
        p->at += len + 2;
    }
}

/* "0.3::" */
static double take_weight(const char **s)
{
    const char *at = *s;
    size_t len = strspn(at, "0123456789");
    if (at[len] == '.') len += 1 + strspn(at + len + 1, "0123456789");
    if (!len || len > 30 || (len == 1 && *at == '.') || strncmp(at + len, "::", 2) != 0) return 1;
    *s = at + len + 2;
    return strtod(at, NULL);
}

/* In combinatorial mode the same text twice is one option. known: from a text's hash to the kid that has it. */
static bool known_option(const Parser *p, const Node *n, const Node *kid, Index *known)
{
    bool fresh;
    if (p->r->mode != EXPAND_ALL || n->method == '~' || kid->type != NODE_TEXT) return false;
    uint64_t *at = index_add(known, index_hash(kid->text), &fresh);
    if (fresh) *at = n->count;
    return !fresh && strcmp(n->kids[*at]->text, kid->text) == 0;
}

static int parse_method(Parser *p, Node *n, Err *e)
{
    if (!*p->at || !strchr("~!@", *p->at)) return 0;
    n->method = *p->at++;
    if (n->method == '@')
        return err_usage(
            e, "@ (cyclical): limn chooses from the picture's own seed alone, so that one picture can be made again");
    if (n->method == '!' && p->r->mode != EXPAND_ALL)
        return err_usage(e, "! (combinatorial): --expand all does that, for the whole prompt");
    return 0;
}

static Node *parse_variant(Parser *p, Err *e)
{
    const char *start = p->at++;
    Node *n = node_new(NODE_VARIANT);
    Index known = { 0 };
    skip_space(p);
    if (parse_method(p, n, e)) goto fail;
    parse_bounds(p, n);
    if (!n->text) n->text = mem_strdup(",");
    for (;;) {
        skip_space(p);
        double weight = take_weight(&p->at);
        Node *kid = parse_sequence(p, "|}", e);
        if (!kid) goto fail;
        if (known_option(p, n, kid, &known)) choice_free(kid);
        else node_add(n, kid, weight);
        if (!*p->at) {
            err_usage(e, "\"%.*s\": the { is not closed (\\{ is a brace)", SHOWN, start);
            goto fail;
        }
        if (*p->at++ == '}') break;
    }
    index_release(&known);
    node_settle(n);
    return n;
fail:
    index_release(&known);
    choice_free(n);
    return NULL;
}

/* ---- __wildcard__ ---- */

static Node *wildcard_node(const Parser *p, const char *name, char method, Err *e)
{
    Node *lines = wildcards_get(p->r->wildcards, name, e);
    if (!lines) return NULL;
    Node *n = node_new(NODE_WILDCARD);
    n->borrowed = lines;
    n->method = method;
    node_settle(n);
    return n;
}

/* The number-th of the names. */
static Node *wildcard_named(const Parser *p, Node *names, uint64_t number, char method, Err *e)
{
    Str name = { 0 }, variables[CHOICE_VARIABLES] = { { 0 } };
    ChoiceRun run = { .number = number, .mode = EXPAND_ALL, .variables = variables };
    Node *n = choice_run(names, &run, &name, e) ? NULL : wildcard_node(p, str_text(&name), method, e);
    for (int i = 0; i < CHOICE_VARIABLES; i++) str_release(&variables[i]);
    str_release(&name);
    return n;
}

/* A name with choices in it stands for each of the names. */
static Node *wildcard_choice(Parser *p, const char *path, char method, Err *e)
{
    ChoiceReader reader = { .wildcards = p->r->wildcards, .mode = EXPAND_ALL };
    Node *names = choice_parse(&reader, path, e), *n = NULL;
    if (!names) return NULL;
    uint64_t count = choice_count(names);
    if (count <= MAX_PATHS) p->paths += (size_t)count;
    if (count > MAX_PATHS || p->paths > MAX_ALL_PATHS)
        err_usage(e, "__%.60s__: more than %d names", path, count > MAX_PATHS ? MAX_PATHS : MAX_ALL_PATHS);
    else n = node_new(NODE_VARIANT);
    for (uint64_t k = 0; n && k < count; k++) {
        Node *kid = wildcard_named(p, names, k, method, e);
        if (kid) {
            node_add(n, kid, 1);
            continue;
        }
        choice_free(n);
        n = NULL;
    }
    if (n) n->text = mem_strdup(","), n->method = method, node_settle(n);
    choice_free(names);
    return n;
}

/* 1: *out; 0: two underscores that nothing closes, which are text; -1 */
static int parse_wildcard(Parser *p, Node **out, Err *e)
{
    const char *start = p->at + 2, *close = strstr(start, "__");
    if (!close || close == start || memchr(start, '\n', (size_t)(close - start))) return 0;
    Node method = { .type = NODE_TEXT };
    const char *before = p->at;
    p->at = start;
    if (parse_method(p, &method, e)) return -1;
    char *path = mem_strndup(p->at, (size_t)(close - p->at));
    p->at = close + 2;
    if (strchr(path, '(')) {
        err_usage(e, "__%.60s__: values for variables of a wildcard are not supported", path);
        *out = NULL;
    } else if (strpbrk(path, "{}")) *out = wildcard_choice(p, path, method.method, e);
    else *out = wildcard_node(p, path, method.method, e);
    free(path);
    if (!*out) p->at = before;
    return *out ? 1 : -1;
}

/* ---- ${variable} ---- */

static Variable *find_variable(Parser *p, const char *name, size_t len)
{
    for (int i = p->variable_count; i-- > 0;)
        if (strlen(p->variables[i].name) == len && memcmp(p->variables[i].name, name, len) == 0)
            return &p->variables[i];
    return NULL;
}

/* After "${name=". */
static Node *parse_definition(Parser *p, const char *name, size_t len, bool keep, Err *e)
{
    bool immediate = *p->at == '!';
    p->at += immediate;
    skip_space(p);
    Node *value = parse_sequence(p, "}", e);
    if (!value) return NULL;
    if (keep && find_variable(p, name, len)) {
        choice_free(value);
        return text_node("", 0);
    }
    Node *n = node_new(immediate ? NODE_SET : NODE_DEFINE);
    node_add(n, value, 1);
    node_settle(n);
    if (p->variable_count == CHOICE_VARIABLES) {
        err_usage(e, "more than %d variables in a prompt", CHOICE_VARIABLES);
        choice_free(n);
        return NULL;
    }
    n->slot = p->variable_count;
    p->variables[p->variable_count++] = (Variable){ mem_strndup(name, len), immediate ? NULL : value, n->slot };
    return n;
}

static Node *parse_reference(Parser *p, const char *name, size_t len, Err *e)
{
    Variable *v = find_variable(p, name, len);
    Node *dflt = NULL;
    skip_space(p);
    if (*p->at == ':') {
        p->at++;
        skip_space(p);
        if (!(dflt = parse_sequence(p, "}", e))) return NULL;
    }
    if (!v) {
        if (!dflt) err_usage(e, "${%.*s}: no value was given before it", len < SHOWN ? (int)len : SHOWN, name);
        return dflt;
    }
    choice_free(dflt);
    Node *n = node_new(v->value ? NODE_REFERENCE : NODE_GET);
    n->borrowed = v->value;
    n->slot = v->slot;
    if (v->value) node_settle(n);
    return n;
}

static Node *parse_variable(Parser *p, Err *e)
{
    const char *start = p->at;
    p->at += 2;
    skip_space(p);
    const char *name = p->at;
    size_t len = name_length(name);
    p->at += len;
    skip_space(p);
    if (!len) {
        err_usage(e, "\"%.*s\": a variable's name is expected after ${", SHOWN, start);
        return NULL;
    }
    bool keep = *p->at == '?';
    Node *n = p->at[keep] == '=' ? (p->at += keep + 1, parse_definition(p, name, len, keep, e))
                                 : parse_reference(p, name, len, e);
    if (n && *p->at == '}') {
        p->at++;
        return n;
    }
    if (n) err_usage(e, "\"%.*s\": the ${ is not closed", SHOWN, start);
    choice_free(n);
    return NULL;
}

/* ---- a row of all that ---- */

/* The construct that begins here. 1: *out; 0: plain text; -1 */
static int parse_construct(Parser *p, Node **out, Err *e)
{
    const char *s = p->at;
    *out = NULL;
    int field = s[0] == '{' ? parse_field(p, out, e) : 0;
    if (field || p->r->mode == EXPAND_OFF) return field;
    if (s[0] == '{') {
        *out = parse_variant(p, e);
    } else if (s[0] == '$' && s[1] == '{') {
        *out = parse_variable(p, e);
    } else if (s[0] == '_' && s[1] == '_') {
        return parse_wildcard(p, out, e);
    } else {
        return 0;
    }
    return *out ? 1 : -1;
}

static void flush(Node *sequence, Str *text)
{
    if (!text->len) return;
    node_add(sequence, text_node(str_text(text), text->len), 1);
    str_clear(text);
}

/* Up to one of `stops` or the end. */
static Node *parse_sequence(Parser *p, const char *stops, Err *e)
{
    Node *n = node_new(NODE_SEQUENCE);
    Str text = { 0 };
    int got = 0;
    if (++p->nesting > MAX_NESTING) got = err_usage(e, "choices nested more than %d deep", MAX_NESTING);
    while (got >= 0 && *p->at && !strchr(stops, *p->at)) {
        Node *kid = NULL;
        bool escaped = p->r->mode != EXPAND_OFF && *p->at == '\\' && p->at[1] && strchr("{}|_$", p->at[1]);
        if (escaped) p->at++;
        got = escaped ? 0 : parse_construct(p, &kid, e);
        if (got == 0) str_addn(&text, p->at++, 1);
        if (got > 0) {
            flush(n, &text);
            node_add(n, kid, 1);
        }
    }
    flush(n, &text);
    str_release(&text);
    p->nesting--;
    if (got < 0) {
        choice_free(n);
        return NULL;
    }
    if (n->count == 0) node_add(n, text_node("", 0), 1);
    if (n->count > 1) {
        node_settle(n);
        return n;
    }
    Node *only = n->kids[0];
    n->count = 0;
    choice_free(n);
    return only;
}

Node *choice_parse(const ChoiceReader *r, const char *text, Err *e)
{
    Parser p = { .r = r, .at = text };
    Node *n = parse_sequence(&p, "", e);
    for (int i = 0; i < p.variable_count; i++) free(p.variables[i].name);
    return n;
}

/* ---- a line of a wildcard's file ---- */

Node *choice_parse_line(const ChoiceReader *r, const char *line, double *weight, Err *e)
{
    *weight = take_weight(&line);
    return choice_parse(r, line, e);
}
