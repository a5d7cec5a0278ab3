/* prompt_file.c - see prompt_file.h. */
#include "compare/prompt_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { MOST_TEXT = 16 << 20 }; /* bytes of the file */

static bool is_there(const Comparison *c, const char *prompt)
{
    for (int i = 0; i < c->prompt_count; i++)
        if (strcmp(c->prompts[i], prompt) == 0) return true;
    return false;
}

static int add_prompt(Comparison *c, const char *line, size_t len, Err *e)
{
    while (len && strchr(" \t", line[len - 1])) len--;
    while (len && strchr(" \t", *line)) line++, len--;
    char *prompt = mem_strndup(line, len);
    Job checked;
    job_init(&checked);
    bool wanted = len && !is_there(c, prompt);
    int failed = wanted && job_set(&checked, option_find("prompt", 6), prompt, e);
    if (wanted && !failed) {
        c->prompts = mem_grow(c->prompts, ((size_t)c->prompt_count + 1) * sizeof *c->prompts);
        c->prompts[c->prompt_count++] = prompt;
    } else {
        free(prompt);
    }
    job_release(&checked);
    return failed;
}

int prompt_file_read(Comparison *c, const char *path, Err *e)
{
    Str text = { 0 };
    if (!path) return 0;
    TextSource source = { .name = path, .most = MOST_TEXT };
    int failed = text_read_file(path, &source, &text, e);
    for (const char *line = str_text(&text); *line && !failed;) {
        size_t len = strcspn(line, "\n");
        if (c->prompt_count == GRID_MAX_CELLS) failed = err_usage(e, "%s: more than %d prompts", path, GRID_MAX_CELLS);
        else failed = add_prompt(c, line, len, e);
        line += len + (line[len] == '\n');
    }
    str_release(&text);
    if (!failed && !c->prompt_count)
        failed = err_usage(e, "%s: there is no prompt in it; one a line is expected", path);
    return failed ? err_in(e, "--prompts") : 0;
}
