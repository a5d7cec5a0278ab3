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
    /*
     * Names of the options it takes, between spaces; NULL: "*".
     * "+name": no other command takes that. "*": also all that are nobody's own, but for each "-name". "name=own": where others read --name, it
     * reads the row `own`.
     */
    const char *options;
    const char *help;  /* one line */
    const char *about; /* a few lines for its own --help, examples first */
    int (*run)(const Args *a, Err *e);
};

extern const Command commands[]; /* ends with name NULL */

const Command *command_find(const char *name);

/*
 * A first word that is no command, and hardly a prompt: nearly a command ("lsit"), or a command of another tool ("serve"). Then an
 * error (ERR_USAGE) says what limn has instead; 0: it may well be a prompt.
 */
int command_slip(const char *word, Err *e);
bool command_takes(const Command *c, const Option *o);
bool command_owns(const Command *c, const Option *o);           /* and no other does */
const Option *command_reads(const Command *c, const Option *o); /* o, or what the command reads in its place */
const char *command_shows(const Command *c, const Option *o);   /* the name under which the command takes it */
const char *command_help(const Command *c, const Option *o);    /* what it is to this command alone, or NULL */

int cmd_generate(const Args *a, Err *e);
int cmd_batch(const Args *a, Err *e);
int cmd_info(const Args *a, Err *e);
int cmd_again(const Args *a, Err *e);
int cmd_list(const Args *a, Err *e);
bool list_has(const char *topic); /* what limn list shows: "samplers" */
int cmd_compare(const Args *a, Err *e);
int cmd_bench(const Args *a, Err *e);
int cmd_help(const Args *a, Err *e);

#endif
