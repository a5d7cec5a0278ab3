/* help.h - --help, on stdout. */
#ifndef LIMN_CMD_HELP_H
#define LIMN_CMD_HELP_H

#include "cmd/command.h"

void help_top(void);
void help_command(const Command *c);

/* Columns that lines may have: of the terminal, or 79. */
int help_width(void);

#endif
