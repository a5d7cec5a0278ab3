/*
 * read_csv.c - jobs as a table, as spreadsheets and pandas write it: fields are named in the first row, an empty cell is a field
 * that is not there. RFC 4180: cells in quotes may hold separators, newlines and doubled quotes. The separator is said by Excel's
 * "sep=;" before all else, or is the one of ',' ';' and tab that the first row has most of.
 */
#include <stdlib.h>
#include <string.h>

#include "batch/readers.h"

enum { MAX_COLUMNS = 1000 };

static int too_long(Err *e) { return err_usage(e, "a cell of more than %d bytes", JOBS_MAX_RECORD); }

/* Where a quoted cell's quote is, behind spaces that people put after the separator; NULL: it has none. */
static const char *opening_quote(const Cursor *c)
{
    const char *p = c->at;
    while (p < c->end && *p == ' ') p++;
    return p < c->end && *p == '"' ? p : NULL;
}

/* From the opening quote to behind the closing one. */
static int take_quoted(Cursor *c, Str *cell, size_t *lines, Err *e)
{
    const char *start = c->at, *p = c->at + 1;
    for (;; p++) {
        if (p == c->end) return err_usage(e, "a quote (\") is not closed");
        if (*p == '"' && (p + 1 == c->end || p[1] != '"')) break;
        if (*p == '"') p++;
        if (*p == '\n') ++*lines;
        str_addn(cell, p, 1);
        if (p - start > JOBS_MAX_RECORD) return too_long(e);
    }
    for (p++; p < c->end && *p == ' ';) p++;
    c->at = p;
    if (p < c->end && *p != c->separator && *p != '\n')
        return err_usage(e, "text after a closing quote; a quote within a cell is written twice");
    return 0;
}

/* One cell at the cursor; *more: another follows in the row. *lines counts newlines. */
static int take_cell(Cursor *c, Str *cell, bool *more, size_t *lines, Err *e)
{
    const char *quote = opening_quote(c), *start = c->at;
    str_clear(cell);
    if (quote) {
        c->at = quote;
        if (take_quoted(c, cell, lines, e)) return -1;
    } else {
        while (c->at < c->end && *c->at != c->separator && *c->at != '\n' && c->at - start <= JOBS_MAX_RECORD) c->at++;
        if (c->at - start > JOBS_MAX_RECORD) return too_long(e);
        str_addn(cell, start, (size_t)(c->at - start));
    }
    *more = c->at < c->end && *c->at == c->separator;
    if (c->at < c->end) {
        *lines += *c->at == '\n';
        c->at++;
    }
    return 0;
}

/* ---- the first row ---- */

/* Excel's line, perhaps in quotes and with further separators where it was saved once more. False: there is none. */
static bool take_separator(Cursor *c)
{
    const char *p = c->at, *end = p;
    while (end < c->end && *end != '\n') end++;
    p += p < end && *p == '"';
    if (end - p < 5 || memcmp(p, "sep=", 4) != 0 || !strchr(",;\t|", p[4])) return false;
    for (const char *q = p + 5; q < end; q++)
        if (*q != p[4] && *q != '"') return false;
    c->separator = p[4];
    c->at = end + (end < c->end);
    c->line++;
    return true;
}

static char find_separator(const Cursor *c)
{
    static const char separators[] = ",;\t";
    size_t count[3] = { 0 }, best = 0;
    bool quoted = false;
    for (const char *p = c->at; p < c->end && (quoted || *p != '\n') && p - c->at <= JOBS_MAX_RECORD; p++) {
        if (*p == '"') quoted = !quoted;
        const char *s = quoted || !*p ? NULL : strchr(separators, *p);
        if (s) count[s - separators]++;
    }
    for (size_t i = 1; i < 3; i++)
        if (count[i] > count[best]) best = i;
    return separators[best];
}

/* A column without a name, such as pandas' index, is kept in the manifest under its number. */
static void add_column(Cursor *c, const Str *cell)
{
    const char *name = str_text(cell) + strspn(str_text(cell), " \t");
    size_t len = strlen(name);
    Str unnamed = { 0 };
    while (len && strchr(" \t", name[len - 1])) len--;
    str_addf(&unnamed, "_column_%zu", c->columns.count + 1);
    if (!len || str_starts(name, "Unnamed: ")) record_add(&c->columns, str_text(&unnamed), unnamed.len);
    else record_add(&c->columns, name, len);
    str_release(&unnamed);
}

static int check_columns(const Record *columns, Err *e)
{
    bool named = false;
    for (size_t i = 0; i < columns->count; i++) {
        named = named || !str_starts(columns->fields[i].name, "_column_");
        for (size_t k = 0; k < i; k++)
            if (same_name(columns->fields[k].name, columns->fields[i].name))
                return err_usage(e, "columns %zu and %zu are both called \"%.60s\"", k + 1, i + 1,
                                 columns->fields[i].name);
    }
    return named ? 0 : err_usage(e, "no names of columns: the first row names the fields, such as prompt,seed");
}

static int read_header(Cursor *c, Err *e)
{
    Str cell = { 0 };
    bool more = true;
    size_t lines = 0;
    int failed = 0;
    for (; c->at < c->end && *c->at == '\n'; c->at++) c->line++;
    if (!take_separator(c)) c->separator = find_separator(c);
    while (more && !failed) {
        failed = take_cell(c, &cell, &more, &lines, e);
        if (!failed && c->columns.count == MAX_COLUMNS) failed = err_usage(e, "more than %d columns", MAX_COLUMNS);
        if (!failed) add_column(c, &cell);
    }
    str_release(&cell);
    c->first = false;
    if (failed || check_columns(&c->columns, e)) return -1;
    c->line += lines;
    return 0;
}

/* ---- the rows ---- */

/* *filled: some cell was. Cells that are missing at the end are empty, as in Excel's files. */
static int read_row(Cursor *c, Record *out, bool *filled, size_t *lines, Err *e)
{
    Str cell = { 0 };
    bool more = true;
    int failed = 0;
    *filled = false;
    for (size_t i = 0; more && !failed; i++) {
        failed = take_cell(c, &cell, &more, lines, e);
        if (failed || !cell.len) continue;
        *filled = true;
        if (i >= c->columns.count) {
            failed =
                err_usage(e, "%zu cells or more in a row, the first row has %zu; text with a separator needs quotes",
                          i + 1, c->columns.count);
        } else {
            const char *name = c->columns.fields[i].name;
            field_add_text(record_add(out, name, strlen(name)), str_text(&cell), VALUE_CELL);
        }
    }
    str_release(&cell);
    return failed;
}

int read_csv(Cursor *c, Record *out, Err *e)
{
    if (c->at == c->end) return 0;
    if (c->first && read_header(c, e)) return -1;
    while (c->at < c->end) {
        bool filled;
        size_t lines = 0;
        out->line = c->line;
        if (read_row(c, out, &filled, &lines, e)) return -1;
        c->line += lines;
        if (filled) return 1;
    }
    return 0;
}
