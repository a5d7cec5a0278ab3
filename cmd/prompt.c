/* prompt.c - see prompt.h. */
#include "cmd/prompt.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/utf8.h"
#include "cmd/draw.h"
#include "cmd/interrupt.h"

/* All of stdin, without its final newline. */
static int read_prompt(Str *out, Err *e)
{
    TextSource source = { .name = "stdin", .most = JOB_MAX_TEXT, .cancelled = interrupted };
    if (text_read(STDIN_FILENO, &source, out, e)) return -1;
    if (out->len && out->s[out->len - 1] == '\n') out->s[--out->len] = 0;
    return 0;
}

static int set_prompt(Job *j, const char *text, Err *e)
{
    Str replaced = { 0 };
    bool valid = utf8_add(&replaced, text, strlen(text));
    str_release(&replaced);
    if (!valid && !j->quiet) warn_user("the prompt is not all UTF-8; what is not became U+FFFD");
    return job_set(j, option_find("prompt", 6), text, e) ? err_in(e, "the prompt") : 0;
}

int prompt_read(const Args *a, const char *command, Job *j, Err *e)
{
    Str text = { 0 };
    int failed = 0;
    bool by_option = *j->prompt;

    if (a->count && by_option) {
        failed = err_usage(e, "two prompts: \"%.60s\" and --prompt \"%.60s\"", a->words[0], j->prompt);
    } else if (a->count && strcmp(a->words[0], "-") == 0) {
        failed = read_prompt(&text, e) || set_prompt(j, str_text(&text), e);
    } else if (a->count) {
        failed = set_prompt(j, a->words[0], e);
    } else if (!by_option) {
        failed = err_usage(e, "a prompt is expected: limn %s \"a red potion\", or - to read it from stdin", command);
    }
    str_release(&text);
    return failed ? -1 : 0;
}
