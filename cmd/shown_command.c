/* shown_command.c - see shown_command.h. */
#include "cmd/shown_command.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/shell.h"

static void add_option(const Option *o, const char *value, Str *out)
{
    do {
        size_t len = o->type == OPT_LINES ? strcspn(value, "\n") : strlen(value); /* each line is given anew */
        char *word = mem_strndup(value, len);
        str_addf(out, o->type == OPT_FLAG ? " --%s" : " --%s ", o->name);
        if (o->type != OPT_FLAG) shell_add(out, word);
        free(word);
        value += len + (value[len] != '\0');
    } while (*value);
}

void shown_command(const Job *j, bool (*counts)(const Option *o), Str *out)
{
    Job dflt;
    job_init(&dflt);
    str_add(out, *j->prompt == '-' ? "limn generate --prompt " : "limn generate "); /* not an option, not stdin */
    shell_add_quoted(out, j->prompt);
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 }, usual = { 0 };
        if (strcmp(o->name, "prompt") != 0 && counts(o) && job_get(j, o, &value)) {
            bool same = job_get(&dflt, o, &usual) && strcmp(str_text(&usual), str_text(&value)) == 0;
            if (!same) add_option(o, str_text(&value), out);
        }
        str_release(&value);
        str_release(&usual);
    }
    job_release(&dflt);
}
