/*
 * yaml.c - see yaml.h. Line by line: a stack holds the mappings and lists that are open, each with the column of its keys or dashes
 * and its path; a key or a dash with nothing behind it opens one more where the next line stands deeper.
 */
#include "weights/yaml.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

typedef struct {
    size_t column; /* of its keys, or of its dashes */
    size_t path;   /* how much of Reader.path is its own */
    bool list;
    int count; /* entries of a list so far */
} Level;

typedef struct {
    Yaml *out;
    Str path;
    Level level[YAML_MAX_DEPTH];
    int depth;
    bool marked, begun; /* "---" was there; a mapping or list was */
    bool pending;       /* nothing was behind the last key or dash, whose path is in `path` */
    size_t line;
    Err *e;
} Reader;

/* Part of a line. */
typedef struct {
    const char *s;
    size_t len;
} Text;

__attribute__((format(printf, 2, 3))) static int wrong(const Reader *r, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(r->e, "line %zu: %s", r->line, text);
}

static Text trim(Text t)
{
    while (t.len && (t.s[0] == ' ' || t.s[0] == '\t')) t = (Text){ t.s + 1, t.len - 1 };
    while (t.len && (t.s[t.len - 1] == ' ' || t.s[t.len - 1] == '\t' || t.s[t.len - 1] == '\r')) t.len--;
    return t;
}

static bool is_text(Text t, const char *s) { return t.len == strlen(s) && memcmp(t.s, s, t.len) == 0; }

/* ---- values ---------------------------------------------------------------------------------------------------------- */

static int put(Reader *r, Text value)
{
    Yaml *y = r->out;
    if (y->count == YAML_MAX_VALUES) return wrong(r, "more than %d values", YAML_MAX_VALUES);
    if (y->count == y->cap) {
        y->cap = y->cap ? 2 * y->cap : 64;
        y->items = mem_grow(y->items, y->cap * sizeof *y->items);
    }
    y->items[y->count++] =
        (YamlValue){ mem_strdup(str_text(&r->path)), mem_strndup(value.len ? value.s : "", value.len) };
    return 0;
}

/* What is behind the last key is nothing. */
static int put_pending(Reader *r)
{
    if (!r->pending) return 0;
    r->pending = false;
    return put(r, (Text){ "", 0 });
}

/* The end of a quoted text at t.s[0], behind its last quote; 0: it does not end here, or has an escape. */
static size_t quoted_length(Text t)
{
    for (size_t i = 1; i < t.len; i++) {
        if (t.s[i] == '\\' && t.s[0] == '"') return 0;
        if (t.s[i] == t.s[0]) return i + 1;
    }
    return 0;
}

/* The text of a scalar without quotes, and without a comment behind it. */
static int read_scalar(Reader *r, Text t, Text *out)
{
    char buf[SHOWN_MAX], begin[41] = { 0 };
    memcpy(begin, t.s, t.len < 40 ? t.len : 40);
    if (t.len && (t.s[0] == '"' || t.s[0] == '\'')) {
        size_t len = quoted_length(t);
        Text rest = len ? trim((Text){ t.s + len, t.len - len }) : t;
        if (!len || (rest.len && rest.s[0] != '#'))
            return wrong(r, "a quoted text that limn cannot read: %s", shown(begin, buf));
        *out = (Text){ t.s + 1, len - 2 };
        return 0;
    }
    for (size_t i = 0; i < t.len; i++)
        if (t.s[i] == '#' && (i == 0 || t.s[i - 1] == ' ')) t.len = i;
    t = trim(t);
    if (is_text(t, "{}") || is_text(t, "~") || is_text(t, "null")) t.len = 0;
    if (t.len && strchr("&*!|>%@`{}", t.s[0]))
        return wrong(r, "%s: limn reads mappings, lists and plain texts alone", shown(begin, buf));
    *out = t;
    return 0;
}

/* "[1, 2, 4]" on one line: an entry each. */
static int read_flow_list(Reader *r, Text t)
{
    const char *end = memchr(t.s, ']', t.len);
    size_t path = r->path.len;
    if (!end) return wrong(r, "a list in brackets that does not end on its line");
    Text rest = trim((Text){ end + 1, t.len - (size_t)(end + 1 - t.s) });
    if (rest.len && rest.s[0] != '#') return wrong(r, "something behind a list's bracket");
    t = trim((Text){ t.s + 1, (size_t)(end - t.s) - 1 });
    if (!t.len) return put(r, t);
    for (int i = 0; t.len; i++) {
        const char *comma = memchr(t.s, ',', t.len);
        size_t len = comma ? (size_t)(comma - t.s) : t.len;
        Text item = trim((Text){ t.s, len });
        if (!item.len || item.s[0] == '[') return wrong(r, "a list in a list, or an empty entry");
        str_addf(&r->path, ".%d", i);
        if (read_scalar(r, item, &item) || put(r, item)) return -1;
        r->path.s[r->path.len = path] = 0;
        t = comma ? (Text){ comma + 1, t.len - len - 1 } : (Text){ t.s, 0 };
    }
    return 0;
}

static int read_value(Reader *r, Text t)
{
    Text scalar = { "", 0 };
    if (t.len && t.s[0] == '[') return read_flow_list(r, t);
    if (read_scalar(r, t, &scalar)) return -1;
    r->pending = !t.len || t.s[0] == '#';
    return r->pending ? 0 : put(r, scalar);
}

/* ---- structure ------------------------------------------------------------------------------------------------------- */

/* The mapping or list whose keys or dashes stand in that column is on top afterwards, and `path` is its own. */
static int enter(Reader *r, size_t column, bool list)
{
    while (r->depth && r->level[r->depth - 1].column > column) r->depth--;
    Level *top = r->depth ? &r->level[r->depth - 1] : NULL;
    bool deeper = !top || top->column < column;
    bool under_key =
        list && top && !top->list && top->column == column && r->pending; /* dashes may stand below their key */
    if (deeper && top && !r->pending) return wrong(r, "it stands deeper than what is above it");
    if (deeper && !top && r->begun) return wrong(r, "it stands less deep than the first line");
    if (deeper || under_key) {
        if (r->depth == YAML_MAX_DEPTH) return wrong(r, "more than %d levels", YAML_MAX_DEPTH);
        r->level[r->depth++] = (Level){ column, r->path.len, list, 0 };
        r->pending = false;
        r->begun = true;
        return 0;
    }
    if (put_pending(r)) return -1;
    if (top->list && !list) { /* behind a list whose dashes stand below their key */
        r->depth--;
        top = r->depth ? &r->level[r->depth - 1] : NULL;
    }
    if (!top || top->column != column || top->list != list)
        return wrong(r, "a key among the entries of a list, or the reverse");
    if (r->path.s) r->path.s[r->path.len = top->path] = 0;
    return 0;
}

/* The length of a key at the beginning of t, whose ':' follows; 0: there is none. */
static size_t key_length(Text t)
{
    for (size_t i = 0; i < t.len; i++) {
        if (strchr("\"'[]{}#,", t.s[i])) return 0;
        if (t.s[i] == ':' && (i + 1 == t.len || t.s[i + 1] == ' ' || t.s[i + 1] == '\t')) return i;
    }
    return 0;
}

/* Whether there is a value already at `path` or below it. */
static bool is_there(const Reader *r)
{
    for (size_t i = 0; i < r->out->count; i++) {
        const char *rest = r->out->items[i].path + r->path.len;
        if (str_starts(r->out->items[i].path, str_text(&r->path)) && (*rest == 0 || *rest == '.')) return true;
    }
    return false;
}

static bool is_entry(Text t) { return t.s[0] == '-' && (t.len == 1 || t.s[1] == ' '); }

static int read_content(Reader *r, size_t column, Text t)
{
    char buf[SHOWN_MAX], begin[41] = { 0 };
    if (is_entry(t)) {
        if (enter(r, column, true)) return -1;
        Text rest = trim((Text){ t.s + 1, t.len - 1 });
        str_addf(&r->path, "%s%d", r->path.len ? "." : "", r->level[r->depth - 1].count++);
        r->pending = true;
        if (!rest.len || rest.s[0] == '#') return 0;
        size_t inner = column + (size_t)(rest.s - t.s);
        if (key_length(rest) || is_entry(rest)) return read_content(r, inner, rest);
        r->pending = false;
        return read_value(r, rest);
    }
    size_t len = key_length(t);
    if (!len) {
        memcpy(begin, t.s, t.len < 40 ? t.len : 40);
        return wrong(r, "neither \"key: value\" nor \"- entry\": %s", shown(begin, buf));
    }
    if (enter(r, column, false)) return -1;
    str_addf(&r->path, "%s%.*s", r->path.len ? "." : "", (int)trim((Text){ t.s, len }).len, t.s);
    if (is_there(r)) return wrong(r, "\"%s\" is there twice", shown(str_text(&r->path), buf));
    return read_value(r, trim((Text){ t.s + len + 1, t.len - len - 1 }));
}

static int read_line(Reader *r, Text t)
{
    size_t column = 0;
    while (column < t.len && t.s[column] == ' ') column++;
    Text content = trim((Text){ t.s + column, t.len - column });
    if (!content.len || content.s[0] == '#') return 0;
    if (t.s[column] == '\t') return wrong(r, "a tab before its text: YAML is indented with spaces");
    if (is_text(content, "---") && !r->begun && !r->marked) {
        r->marked = true;
        return 0;
    }
    return read_content(r, column, content);
}

int yaml_parse(Yaml *y, Bytes file, Err *e)
{
    Reader r = { .out = y, .e = e };
    const char *at = (const char *)file.data, *end = at + file.len;
    *y = (Yaml){ 0 };
    if (!file.len) return 0;
    if (file.len > YAML_MAX_BYTES) return err_set(e, "%zu bytes: more than a configuration has", file.len);
    if (memchr(file.data, 0, file.len)) return err_set(e, "a NUL byte: this is not text");
    if (file.len >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3;
    int failed = 0;
    while (at < end && !failed) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        Text line = { at, newline ? (size_t)(newline - at) : (size_t)(end - at) };
        r.line++;
        failed = read_line(&r, line);
        at += line.len + 1;
    }
    if (!failed) failed = put_pending(&r);
    str_release(&r.path);
    return failed;
}

void yaml_release(Yaml *y)
{
    for (size_t i = 0; i < y->count; i++) {
        free(y->items[i].path);
        free(y->items[i].text);
    }
    free(y->items);
    *y = (Yaml){ 0 };
}

const char *yaml_get(const Yaml *y, const char *path)
{
    for (size_t i = 0; i < y->count; i++)
        if (strcmp(y->items[i].path, path) == 0) return y->items[i].text;
    return NULL;
}
