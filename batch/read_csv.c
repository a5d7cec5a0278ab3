/*
 * read_csv.c - jobs as a table: fields are named in the first row, an empty cell is a field that is not there. RFC 4180: cells in
 * quotes may hold separators, newlines and doubled quotes. The separator is ',' or else ';' or a tab, as the first row has it.
 */
#include <stdlib.h>
#include <string.h>

#include "batch/readers.h"

enum { MAX_COLUMNS = 1000 };

/* One cell at the cursor; *more: another follows in the row. *lines counts newlines. */
static int take_cell(Cursor *c, Str *cell, bool *more, size_t *lines, Err *e)
{
    const char *start = c->at;
    str_clear(cell);
    if (c->at < c->end && *c->at == '"') {
        for (c->at++;; c->at++) {
            if (c->at == c->end) return err_usage(e, "a quote (\") is not closed");
            if (*c->at == '"' && (c->at + 1 == c->end || c->at[1] != '"')) break;
            if (*c->at == '"') c->at++;
            if (*c->at == '\n') ++*lines;
            str_addn(cell, c->at, 1);
            if (c->at - start > JOBS_MAX_RECORD) return err_usage(e, "a cell of more than %d bytes", JOBS_MAX_RECORD);
        }
        c->at++;
        if (c->at < c->end && *c->at == '\r') c->at++;
        if (c->at < c->end && *c->at != c->separator && *c->at != '\n')
            return err_usage(e, "text after a closing quote; a quote within a cell is written twice");
    } else {
        while (c->at < c->end && *c->at != c->separator && *c->at != '\n' && c->at - start <= JOBS_MAX_RECORD) c->at++;
        size_t len = (size_t)(c->at - start);
        if (len && start[len - 1] == '\r') len--;
        if (len > JOBS_MAX_RECORD) return err_usage(e, "a cell of more than %d bytes", JOBS_MAX_RECORD);
        str_addn(cell, start, len);
    }
    if (memchr(str_text(cell), 0, cell->len)) return err_usage(e, "a NUL byte: this is not text");
    *more = c->at < c->end && *c->at == c->separator;
    if (c->at < c->end) {
        *lines += *c->at == '\n';
        c->at++;
    }
    return 0;
}

static char find_separator(const Cursor *c)
{
    size_t len = (size_t)(c->end - c->at);
    if (len > JOBS_MAX_RECORD) len = JOBS_MAX_RECORD;
    const char *line_end = memchr(c->at, '\n', len);
    if (line_end) len = (size_t)(line_end - c->at);
    return memchr(c->at, ',', len) ? ',' : memchr(c->at, ';', len) ? ';' : memchr(c->at, '\t', len) ? '\t' : ',';
}

static int read_header(Cursor *c, Err *e)
{
    Str cell = { 0 };
    bool more = true;
    size_t lines = 0;
    int failed = 0;
    c->separator = find_separator(c);
    while (more && !failed) {
        failed = take_cell(c, &cell, &more, &lines, e);
        const char *name = str_text(&cell) + strspn(str_text(&cell), " \t");
        size_t len = strlen(name);
        while (len && strchr(" \t", name[len - 1])) len--;
        if (!failed && !len) failed = err_usage(e, "column %zu has no name in the first row", c->columns.count + 1);
        if (!failed && c->columns.count == MAX_COLUMNS) failed = err_usage(e, "more than %d columns", MAX_COLUMNS);
        if (!failed) record_add(&c->columns, name, len);
    }
    str_release(&cell);
    c->first = false;
    if (!failed) c->line += lines;
    return failed;
}

/* *filled: some cell was. */
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
        if (i >= c->columns.count)
            failed =
                err_usage(e, "%zu cells or more in a row, the first row has %zu; text with a separator needs quotes",
                          i + 1, c->columns.count);
        else
            field_add_text(record_add(out, c->columns.fields[i].name, strlen(c->columns.fields[i].name)),
                           str_text(&cell));
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
