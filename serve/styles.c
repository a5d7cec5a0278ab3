/* styles.c - see styles.h. */
#include "serve/styles.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "batch/jobs.h"

enum { MOST = 10000 };

/* A cell of a row; "": it is empty, or there is no such column. */
static char *cell(const Record *row, const char *name)
{
    Str text = { 0 };
    for (size_t i = 0; i < row->count; i++)
        if (same_name(row->fields[i].name, name) && row->fields[i].count) field_value(&row->fields[i], 0, &text);
    return text.s ? text.s : mem_strdup("");
}

static void release(Style *s)
{
    free(s->name);
    free(s->prompt);
    free(s->negative);
}

/* Before 1.1 the prompt's column was called text. */
static int add(Styles *s, const Record *row, Err *e)
{
    Style one = { cell(row, "name"), cell(row, "prompt"), cell(row, "negative_prompt") };
    if (!*one.prompt) {
        free(one.prompt);
        one.prompt = cell(row, "text");
    }
    int failed =
        !*one.name
            ? err_usage(e, "a style without a name: columns called name, prompt and negative_prompt are expected")
        : s->count == MOST ? err_usage(e, "more than %d styles", MOST)
                           : 0;
    if (failed) {
        release(&one);
        return -1;
    }
    s->at = mem_grow(s->at, (s->count + 1) * sizeof *s->at);
    s->at[s->count++] = one;
    return 0;
}

int styles_read(const char *path, Styles *out, Err *e)
{
    *out = (Styles){ 0 };
    if (!path) return 0;
    Jobs *table = jobs_open(path, "csv", NULL, e);
    int got = table ? 1 : -1;
    while (got > 0) {
        Record row = { 0 };
        got = jobs_next_row(table, &row, e);
        if (got > 0 && add(out, &row, e)) got = jobs_blame(table, row.line, e);
        record_release(&row);
    }
    jobs_free(table);
    return got < 0 ? err_in(e, "--styles-file") : 0;
}

void styles_release(Styles *s)
{
    for (size_t i = 0; i < s->count; i++) release(&s->at[i]);
    free(s->at);
    *s = (Styles){ 0 };
}

const Style *styles_find(const Styles *s, const char *name)
{
    for (size_t i = s->count; i-- > 0;)
        if (strcmp(s->at[i].name, name) == 0) return &s->at[i];
    return NULL;
}

/* Without white space around it. */
static void add_stripped(Str *out, const char *text)
{
    static const char space[] = " \t\n\r\v\f";
    text += strspn(text, space);
    size_t len = strlen(text);
    while (len && strchr(space, text[len - 1])) len--;
    str_addn(out, text, len);
}

void style_add(const char *style, const char *prompt, Str *out)
{
    static const char place[] = "{prompt}";
    const char *at = strstr(style, place);
    if (!at) {
        Str end = { 0 };
        size_t before = out->len;
        add_stripped(out, prompt);
        add_stripped(&end, style);
        str_addf(out, "%s%s", out->len > before && end.len ? ", " : "", str_text(&end));
        str_release(&end);
        return;
    }
    for (; at; style = at + sizeof place - 1, at = strstr(style, place)) {
        str_addn(out, style, (size_t)(at - style));
        str_add(out, prompt);
    }
    str_add(out, style);
}
