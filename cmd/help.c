/* help.c - --help, made from the tables of commands and options. */
#include "cmd/help.h"
#include "cmd/manual.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/version.h"
#include "base/wrap.h"

enum { USUAL_WIDTH = 79, NARROWEST = 60, WIDEST = 110, LEFT = 28 };

static const char *const titles[GROUPS] = {
    [GROUP_EVERYDAY] = "Everyday (what is not given is the model's choice)",
    [GROUP_ASSETS] = "As assets",
    [GROUP_START] = "From a picture",
    [GROUP_CONTROL] = "Steered by pictures",
    [GROUP_LARGER] = "Variations, and a second pass",
    [GROUP_TOOLS] = "As other tools draw",
    [GROUP_GUIDANCE] = "Guidance and solvers",
    [GROUP_SDXL] = "SDXL",
    [GROUP_FILES] = "Files of the model",
    [GROUP_ADAPTERS] = "LoRA and textual inversion",
    [GROUP_MACHINE] = "The machine",
    [GROUP_KEPT] = "What is said and kept",
    [GROUP_BENCH] = "The command's own",
    [GROUP_COMPARE] = "The command's own",
    [GROUP_BATCH] = "The command's own",
    [GROUP_UPSCALE] = "The command's own",
    [GROUP_PULL] = "The command's own",
    [GROUP_MERGE] = "The command's own",
    [GROUP_SHARDS] = "The command's own",
    [GROUP_TYPE] = "The command's own",
    [GROUP_SERVE] = "The command's own",
    [GROUP_CONVERT] = "The command's own",
    [GROUP_AGAIN] = "The command's own",
    [GROUP_DRY_RUN] = "The command's own",
    [GROUP_MODEL_DIR] = "The command's own",
};

int help_width(void)
{
    struct winsize w;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_col) return USUAL_WIDTH;
    int columns = w.ws_col - 1;
    return columns < NARROWEST ? NARROWEST : columns > WIDEST ? WIDEST : columns;
}

static void put_option(const Command *c, const Option *o, int width)
{
    Str line = { 0 }, right = { 0 };
    char letter = option_find(o->name, strlen(o->name))->letter;
    if (letter) str_addf(&line, "  -%c, ", letter);
    else str_add(&line, "      ");
    str_addf(&line, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    if (line.len > LEFT - 2) str_addf(&line, "\n%*s", LEFT, "");
    else str_addf(&line, "%*s", (int)(LEFT - line.len), "");

    const char *own = command_help(c, o);
    str_add(&right, own ? own : o->help);
    if (o->type == OPT_INT || o->type == OPT_FLOAT) str_addf(&right, " (%g to %g)", o->min, o->max);
    if (!own && o->type != OPT_FLAG && o->dflt && *o->dflt) str_addf(&right, " [%s]", o->dflt);
    wrap_add(&line, str_text(&right), LEFT, width);
    fputs(str_text(&line), stdout);
    str_release(&line);
    str_release(&right);
}

/* The command's own first, then what is not part of the picture's identity. */
static int rank_of(const Command *c, const Option *o) { return command_owns(c, o) ? 0 : o->picture ? 2 : 1; }

/* What a command takes of a group. all: of every group. */
static void put_group(const Command *c, OptionGroup group, bool all, int width)
{
    bool first = true;
    for (int rank = 0; rank < 3; rank++) {
        for (const Option *o = job_options; o->name; o++) {
            if (rank_of(c, o) != rank || (!all && o->group != group) || !command_takes(c, o)) continue;
            if (first) printf("\n%s:\n", all ? "Options" : titles[group]);
            first = false;
            put_option(c, o, width);
        }
    }
}

void help_command(const Command *c)
{
    int width = help_width();
    printf("limn %s %s\n%s.\n\n%s", c->name, c->words, c->help, c->about);
    if (!(c->groups & DRAWING)) { /* few */
        put_group(c, 0, true, width);
        return;
    }
    for (OptionGroup own = GROUP_BENCH; own < GROUPS; own++) put_group(c, own, false, width);
    for (OptionGroup g = 0; g < GROUP_BENCH; g++) put_group(c, g, false, width);
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
           "command is the prompt of `limn generate`. limn list words: what it can draw.\n"
           "Results go to stdout, progress and words to stderr.\n"
           "Exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted.\n");
}

int cmd_help(const Args *a, Err *e)
{
    if (!a->count) {
        help_top();
        return 0;
    }
    const char *word = a->words[0];
    const Command *c = command_find(word);
    if (c) help_command(c);
    else if (manual_put(word)) return 0;
    else if (list_has(word)) return cmd_list(a, e);
    else if (command_slip(word, e)) return -1;
    else return err_usage(e, "\"%.60s\" is no command; limn --help shows them", word);
    return 0;
}
