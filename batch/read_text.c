/*
 * read_text.c - jobs as lines of text: a prompt, or A1111's "Prompts from file" command line. Source: A1111's
 * scripts/prompts_from_file.py (its options and types), and POSIX shell quoting, which it takes from Python's shlex.
 */
#define _GNU_SOURCE /* memmem() */
#include <stdlib.h>
#include <string.h>

#include "batch/readers.h"

static Bytes trim(Bytes line)
{
    while (line.len && is_space(line.data[0])) line.data++, line.len--;
    while (line.len && is_space(line.data[line.len - 1])) line.len--;
    return line;
}

/* The words of a line. */
typedef struct {
    const char *at, *end;
    Str word;    /* unquoted */
    bool quoted; /* it begins with a quote */
    bool held;   /* it was read ahead */
} Words;

/* What stands in quotes, from the opening one to behind the closing one. */
static int take_quoted(Words *w, Err *e)
{
    char quote = *w->at++;
    for (; w->at < w->end && *w->at != quote; w->at++) {
        bool escape = quote == '"' && *w->at == '\\' && w->at + 1 < w->end && (w->at[1] == '"' || w->at[1] == '\\');
        w->at += escape;
        str_addn(&w->word, w->at, 1);
    }
    if (w->at == w->end)
        return err_usage(e, "a %s quote is not closed (\\%c is the character itself)",
                         quote == '"' ? "double" : "single", quote);
    w->at++;
    return 0;
}

/* The next word. 1, 0 at the end, -1: a quote without an end. */
static int next_word(Words *w, Err *e)
{
    if (w->held) {
        w->held = false;
        return 1;
    }
    while (w->at < w->end && is_space(*w->at)) w->at++;
    str_clear(&w->word);
    if (w->at == w->end) return 0;
    str_add(&w->word, "");
    w->quoted = *w->at == '\'' || *w->at == '"';
    while (w->at < w->end && !is_space(*w->at)) {
        if (*w->at == '\'' || *w->at == '"') {
            if (take_quoted(w, e)) return -1;
            continue;
        }
        if (*w->at == '\\' && ++w->at == w->end)
            return err_usage(e, "a \\ with nothing behind it (\\\\ is the character)");
        str_addn(&w->word, w->at++, 1);
    }
    return 1;
}

static bool is_option(const Words *w) { return !w->quoted && str_starts(str_text(&w->word), "--"); }

static bool takes_words(const char *name, size_t len)
{
    const Option *o = option_find(name, len);
    return o && (strcmp(o->name, "prompt") == 0 || strcmp(o->name, "negative-prompt") == 0);
}

/* The value of an option whose word was read. A prompt goes on to the next option, quoted or not. */
static int take_value(Words *w, const char *name, size_t len, Str *value, Err *e)
{
    int got = next_word(w, e);
    bool prompt = takes_words(name, len);
    if (got < 0) return -1;
    if (!got || (is_option(w) && prompt)) return err_usage(e, "--%.60s: a value is expected after it", name);
    str_addn(value, str_text(&w->word), w->word.len);
    while (prompt && (got = next_word(w, e)) > 0) {
        if (is_option(w)) {
            w->held = true;
            break;
        }
        str_add(value, " ");
        str_addn(value, str_text(&w->word), w->word.len);
    }
    return got < 0 ? -1 : 0;
}

/* --name value or --name=value at the word that was read. */
static int read_option(Words *w, Record *out, Err *e)
{
    const char *text = str_text(&w->word), *equals = strchr(text, '=');
    if (!is_option(w) || !text[2] || equals == text + 2)
        return err_usage(e, "\"%.60s\": an option such as --steps is expected (a prompt comes after --prompt)", text);
    Str name = { 0 }, value = { 0 };
    str_addn(&name, text + 2, equals ? (size_t)(equals - text) - 2 : w->word.len - 2);
    int failed = 0;
    if (equals) str_add(&value, equals + 1);
    else failed = take_value(w, str_text(&name), name.len, &value, e);
    if (!failed) field_add_text(record_add(out, str_text(&name), name.len), str_text(&value), VALUE_TEXT);
    str_release(&name);
    str_release(&value);
    return failed;
}

static int read_options(Bytes line, Record *out, Err *e)
{
    Words w = { .at = (const char *)line.data, .end = (const char *)line.data + line.len };
    int got;
    do {
        got = next_word(&w, e);
        if (got > 0 && read_option(&w, out, e)) got = -1;
    } while (got > 0);
    str_release(&w.word);
    return got;
}

static bool begins(Bytes line, const char *with)
{
    size_t len = strlen(with);
    return line.len >= len && memcmp(line.data, with, len) == 0;
}

/* Lines of other files, which nobody means as a prompt. */
static int check_prompt(Bytes line, Err *e)
{
    static const char *const others[] = { "{\\rtf", "<!DOCTYPE", "<!doctype", "<html", "version https://git-lfs" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins(line, others[i]))
            return err_usage(e, "\"%s...\" is no prompt: this is a file of another kind", others[i]);
    if (begins(line, "{\"") && line.data[line.len - 1] == '}')
        return err_usage(e, "this line is JSON, not a prompt: --format jsonl reads it");
    if (begins(line, "Negative prompt: ") ||
        (begins(line, "Steps: ") && memmem(line.data, line.len, ", Sampler: ", 11)))
        return err_usage(e,
                         "this line is of a picture's parameters, not a prompt; a line of options is --prompt \"...\" "
                         "--negative_prompt \"...\" --steps 20");
    return 0;
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
        if (line.len > 2 && begins(line, "--")) return read_options(line, out, e) ? -1 : 1;
        if (check_prompt(line, e)) return -1;
        Str prompt = { 0 };
        str_addn(&prompt, (const char *)line.data, line.len);
        field_add_text(record_add(out, "prompt", 6), str_text(&prompt), VALUE_TEXT);
        str_release(&prompt);
        return 1;
    }
    return 0;
}
