/* tokens.c - limn tokens: the tokens of a prompt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/prompt.h"
#include "cmd/say.h"
#include "pipeline/tokens.h"

static void on_warn(void *ctx, const char *text)
{
    const Job *j = ctx;
    if (!j->quiet) warn_user(text);
}

static void on_note(void *ctx, const char *text)
{
    const Job *j = ctx;
    if (!j->quiet) note_user(text);
}

/* A line at a time: a prompt may have any characters. */
static void put_lines(const char *lines)
{
    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
        char *line = mem_strndup(lines, (size_t)(end - lines));
        say(stdout, "%s\n", line);
        free(line);
    }
}

int cmd_tokens(const Args *a, Err *e)
{
    Job j;
    Str out = { 0 };
    job_copy(&j, &a->job);
    ModelPaths paths = { .path = j.model, .tokenizer = j.tokenizer, .no_weights = true };
    int failed = prompt_read(a, "tokens", &j, e);
    Model *m = failed ? NULL : model_open(&paths, e);
    if (m && !m->text[0].tokenizer) { /* the error says where one may be put */
        model_free(m);
        paths.no_weights = false;
        m = model_open(&paths, e);
    }
    const Watch w = { .ctx = &j, .warn = on_warn, .note = on_note };
    failed = failed || !m || tokens_describe(m, &j, &w, &out, e) ? -1 : 0;
    if (!failed && j.json) {
        say_json_text(str_text(&out));
        puts("");
    } else if (!failed) {
        put_lines(str_text(&out));
    }
    str_release(&out);
    model_free(m);
    job_release(&j);
    return failed;
}
