/*
 * command.h - the subcommands: one row each, in command.c. A row drives dispatch, the options it takes, and --help.
 */
#ifndef LIMN_CMD_COMMAND_H
#define LIMN_CMD_COMMAND_H

#include <stdbool.h>

#include "base/err.h"
#include "pipeline/job.h"

typedef struct Command Command;

/* A command line, parsed. */
typedef struct {
    Job job;
    char **words; /* what is not an option, borrowed from argv */
    int count;
    bool help, version; /* -h, --help; -V, --version: nothing else is done then */
    Str renamed;        /* options that were given by another tool's name: "--cfg is --cfg-scale", parted by commas */
    char **argv;        /* what was parsed, so that `again` can lay it over a picture's own options */
} Args;

struct Command {
    const char *name;
    const char *words; /* as --help shows them: "PROMPT" */
    int max_words;
    const char *options; /* those that it takes one by one, parted by spaces; NULL: none */
    const char *help;    /* one line */
    const char *about;   /* a few lines for its own --help, examples first */
    int (*run)(const Args *a, Err *e);
    unsigned groups;     /* of options, all of which it takes, but for */
    const char *without; /* these, parted by spaces; NULL: none */
};

/* Sets of groups. */
#define OPTIONS_OF(group) (1u << (group))
#define DRAWING           (OPTIONS_OF(GROUP_BENCH) - 1) /* all that concern drawing */

extern const Command commands[]; /* ends with name NULL */

const Command *command_find(const char *name);

/*
 * A first word that is no command, and hardly a prompt: nearly a command ("lsit"), or a command of another tool ("serve"). Then an
 * error (ERR_USAGE) says what limn has instead; 0: it may well be a prompt.
 */
int command_slip(const char *word, Err *e);
bool command_takes(const Command *c, const Option *o);
bool command_owns(const Command *c, const Option *o); /* and no other does */

/* o, or the row of that name in the command's own group: `compare --steps` is a list. */
const Option *command_reads(const Command *c, const Option *o);
const char *command_help(const Command *c, const Option *o); /* what it is to this command alone, or NULL */

int cmd_generate(const Args *a, Err *e);
int cmd_batch(const Args *a, Err *e);
int cmd_info(const Args *a, Err *e);
int cmd_convert(const Args *a, Err *e);
int cmd_upscale(const Args *a, Err *e);
int cmd_serve(const Args *a, Err *e);
int cmd_hint(const Args *a, Err *e);
int cmd_variants(const Args *a, Err *e);
int cmd_again(const Args *a, Err *e);
int cmd_list(const Args *a, Err *e);
bool list_has(const char *topic); /* what limn list shows: "samplers" */
int cmd_compare(const Args *a, Err *e);
int cmd_tokens(const Args *a, Err *e);
int cmd_bench(const Args *a, Err *e);
int cmd_pull(const Args *a, Err *e);
int cmd_merge(const Args *a, Err *e);
int cmd_help(const Args *a, Err *e);

#endif
