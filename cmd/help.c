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

/* What belongs together, most wanted first; what is named nowhere comes last. */
static const struct {
    const char *title, *options; /* parted by spaces */
} groups[] = {
    { "Everyday (what is not given is the model's choice)",
      "output model negative-prompt count seed steps cfg-scale width height sampler schedule" },
    { "As assets",
      "transparent transparent-tolerance transparent-holes resize sizes tile atlas atlas-size atlas-padding "
      "atlas-pot" },
    { "From a picture", "init-image strength resize-mode init-background mask mask-blur mask-invert fill only-masked soft-mask "
                        "extend init-image-sha256 "
                        "mask-sha256" },
    { "As other tools draw", "compat rng clip-skip eta ensd prediction long-prompt" },
    { "Guidance and solvers", "cfg-rescale guidance-interval solver-order s-churn s-tmin s-tmax s-noise" },
    { "SDXL", "prompt-2 negative-prompt-2 original-size crop target-size negative-original-size negative-crop "
              "negative-target-size aesthetic-score negative-aesthetic-score" },
    { "Files of the model", "vae unet lora tokenizer" },
    { "The machine", "threads memory precision vae-tile sandbox" },
    { "What is said and kept", "quiet verbose json save-steps trace latents" },
    { NULL, NULL },
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
    const char *name = command_shows(c, o);
    char letter = option_find(name, strlen(name))->letter;
    if (letter) str_addf(&line, "  -%c, ", letter);
    else str_add(&line, "      ");
    str_addf(&line, "--%s%s%s", name, o->value ? " " : "", o->value ? o->value : "");
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

/* Whether a name is one of those in a list parted by spaces. */
static bool lists(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strncmp(p, name, len) == 0 && (p[len] == ' ' || !p[len])) return true;
    return false;
}

static int group_of(const Option *o)
{
    int i = 0;
    while (groups[i].title && !lists(groups[i].options, o->name)) i++;
    return i;
}

static const Option *next_in(const char **list)
{
    size_t len = strcspn(*list, " ");
    const Option *o = len ? option_find(*list, len) : NULL;
    *list += len;
    *list += strspn(*list, " ");
    return o;
}

/* Options of a group in the group's order, under its title. */
static void put_group(const Command *c, int group, bool own, int width)
{
    bool first = true;
    const char *rest = groups[group].options;
    for (const Option *o; (o = next_in(&rest));) {
        if (!command_takes(c, o) || (own && command_owns(c, o))) continue;
        if (first) printf("\n%s:\n", groups[group].title);
        first = false;
        put_option(c, o, width);
    }
}

/* Options that pass a test, in the table's order. */
static void put_those(const Command *c, const char *title, bool (*wanted)(const Command *c, const Option *o), int width)
{
    bool first = true;
    for (const Option *o = job_options; o->name; o++) {
        if (!command_takes(c, o) || !wanted(c, o)) continue;
        if (first && *title) printf("\n%s:\n", title);
        first = false;
        put_option(c, o, width);
    }
}

static bool any(const Command *c, const Option *o) { return c && o; }
static bool in_no_group(const Command *c, const Option *o) { return !command_owns(c, o) && !groups[group_of(o)].title; }

void help_command(const Command *c)
{
    int width = help_width();
    printf("limn %s %s\n%s.\n\n%s", c->name, c->words, c->help, c->about);
    if (c->options && *c->options != '*') { /* few, and its own more or less */
        put_those(c, "Options", any, width);
        return;
    }
    put_those(c, "The command's own", command_owns, width);
    for (int i = 0; groups[i].title; i++) put_group(c, i, true, width);
    put_those(c, "Further", in_no_group, width);
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
           "\nResults go to stdout, progress and words to stderr.\n"
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
