/* prompt.h - the prompt of a command line: its first word, --prompt, or with "-" what stdin has. */
#ifndef LIMN_CMD_PROMPT_H
#define LIMN_CMD_PROMPT_H

#include "cmd/command.h"

/* Sets j's prompt. Error (ERR_USAGE): none, two, or not a text. */
int prompt_read(const Args *a, const char *command, Job *j, Err *e);

#endif
