/* manual.h - what is made of the tables of commands and options besides --help: a man page, shell completions, a page of docs/. */
#ifndef LIMN_CMD_MANUAL_H
#define LIMN_CMD_MANUAL_H

#include <stdbool.h>

/* Prints the one of that name on stdout: "man", "bash", "zsh", "fish", "markdown". False: there is none. */
bool manual_put(const char *name);

#endif
