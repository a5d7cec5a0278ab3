/*
 * read_text.c - jobs as lines of text: a prompt, or A1111's "Prompts from file" command line. Source: A1111's
 * scripts/prompts_from_file.py (its options and types), and POSIX shell quoting, which it takes from Python's shlex.
 */
#include <stdlib.h>
#include <string.h>

#include "batch/readers.h"

static Bytes trim(Bytes line)
{
    while (line.len && is_space(line.data[0])) line.data++, line.len--;
    while (line.len && is_space(line.data[line.len - 1])) line.len--;
    return line;
}

/* The next word at *at, unquoted. 1, 0 at the end, -1: a quote without an end. */
static int take_word(const char **at, const char *end, Str *word, Err *e)
{
    const char *p = *at;
    while (p < end && is_space(*p)) p++;
    str_clear(word);
    if (p == end) return 0;
    str_add(word, "");
    while (p < end && !is_space(*p)) {
        if (*p == '\\' && p + 1 < end) {
            str_addn(word, p + 1, 1);
            p += 2;
        } else if (*p == '\'' || *p == '"') {
            char quote = *p++;
            for (; p < end && *p != quote; p++) {
                if (quote == '"' && *p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '\\')) p++;
                str_addn(word, p, 1);
            }
            if (p == end) return err_usage(e, "a %s quote is not closed", quote == '"' ? "double" : "single");
            p++;
        } else {
            str_addn(word, p++, 1);
        }
    }
    *at = p;
    return 1;
}

/* --name value or --name=value, to the end of the line. */
static int read_options(Bytes line, Record *out, Err *e)
{
    const char *at = (const char *)line.data, *end = at + line.len;
    Str word = { 0 }, value = { 0 };
    int got;
    while ((got = take_word(&at, end, &word, e)) > 0) {
        const char *w = str_text(&word), *equals = strchr(w, '=');
        if (!str_starts(w, "--") || !w[2]) {
            got =
                err_usage(e, "\"%.60s\": an option such as --steps is expected (a prompt with spaces needs quotes)", w);
            break;
        }
        size_t len = equals ? (size_t)(equals - w) : word.len;
        if (equals) str_clear(&value), str_add(&value, equals + 1);
        else got = take_word(&at, end, &value, e);
        if (got == 0) err_usage(e, "%.60s: a value is expected after it", w);
        if (got <= 0) {
            got = -1;
            break;
        }
        field_add_text(record_add(out, w + 2, len - 2), str_text(&value));
    }
    str_release(&word);
    str_release(&value);
    return got;
}

int read_txt(Cursor *c, Record *out, Err *e)
{
    Bytes line;
    if (!c->first) c->line++;
    for (; next_line(c, &line); c->line++) {
        c->first = false;
        line = trim(line);
        if (!line.len || line.data[0] == '#') continue;
        out->line = c->line;
        if (check_record(line, e)) return -1;
        if (line.len > 2 && memcmp(line.data, "--", 2) == 0) return read_options(line, out, e) ? -1 : 1;
        Str prompt = { 0 };
        str_addn(&prompt, (const char *)line.data, line.len);
        field_add_text(record_add(out, "prompt", 6), str_text(&prompt));
        str_release(&prompt);
        return 1;
    }
    return 0;
}
