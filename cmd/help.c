/* help.c - --help, made from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "cmd/help.h"

enum { WIDTH = 79, LEFT = 28 };

/* Writes words from column LEFT, wrapped at WIDTH. */
static void put_wrapped(const char *text)
{
    for (int at = LEFT; *text;) {
        int len = (int)strcspn(text, " ");
        if (at > LEFT && at + 1 + len > WIDTH) {
            printf("\n%*s", LEFT, "");
            at = LEFT;
        }
        at += printf("%s%.*s", at > LEFT ? " " : "", len, text);
        text += len + (text[len] == ' ');
    }
    printf("\n");
}

static void put_option(const Command *c, const Option *o)
{
    Str left = { 0 }, right = { 0 };
    const char *name = command_shows(c, o);
    char letter = option_find(name, strlen(name))->letter;
    if (letter) str_addf(&left, "  -%c, ", letter);
    else str_add(&left, "      ");
    str_addf(&left, "--%s%s%s", name, o->value ? " " : "", o->value ? o->value : "");

    const char *own = command_help(c, o);
    str_add(&right, own ? own : o->help);
    if (o->type == OPT_INT || o->type == OPT_FLOAT) str_addf(&right, " (%g to %g)", o->min, o->max);
    if (!own && o->type != OPT_FLAG && o->dflt && *o->dflt) str_addf(&right, " [%s]", o->dflt);

    printf("%s", str_text(&left));
    if (left.len > LEFT - 2) printf("\n%*s", LEFT, "");
    else printf("%*s", (int)(LEFT - left.len), "");
    put_wrapped(str_text(&right));
    str_release(&left);
    str_release(&right);
}

void help_command(const Command *c)
{
    printf("limn %s %s\n%s.\n\n%s", c->name, c->words, c->help, c->about);
    static const char *const titles[] = { "The command's own", "The picture (what is not given is the model's choice)",
                                          "The run" };
    bool alone = c->options && *c->options != '*'; /* all that it takes is its own, more or less */
    for (int part = 0; part < 3; part++) {
        bool first = true;
        for (const Option *o = job_options; o->name; o++) {
            int of = !alone && command_owns(c, o) ? 0 : o->picture ? 1 : 2;
            if (of != part || !command_takes(c, o)) continue;
            if (first) printf("\n%s:\n", titles[part]);
            first = false;
            put_option(c, o);
        }
    }
}

void help_top(void)
{
    printf("limn " LIMN_VERSION ": draws pictures from words, on the CPU\n\n"
           "  limn \"a red potion\"                     draws it; prints the file's name\n"
           "  limn \"a red potion\" --count 4 -s 30     four of them, 30 steps each\n"
           "  limn -m v1-5.safetensors \"a lighthouse\" with a Stable Diffusion checkpoint\n"
           "\nCommands:\n");
    for (const Command *c = commands; c->name; c++) printf("  %-8s %-12s %s\n", c->name, c->words, c->help);
    printf("\nlimn COMMAND --help shows its options and more examples. A first word that is no\n"
           "command is the prompt of `limn generate`.\n"
           "\nResults go to stdout, progress and words to stderr.\n"
           "Exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted.\n");
}

int cmd_help(const Args *a, Err *e)
{
    if (!a->count) {
        help_top();
        return 0;
    }
    const Command *c = command_find(a->words[0]);
    if (!c) return err_usage(e, "\"%.60s\" is no command; limn --help shows them", a->words[0]);
    help_command(c);
    return 0;
}
