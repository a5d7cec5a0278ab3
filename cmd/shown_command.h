/* shown_command.h - a job as a command that draws it, to be pasted into a shell. */
#ifndef LIMN_CMD_SHOWN_COMMAND_H
#define LIMN_CMD_SHOWN_COMMAND_H

#include "base/str.h"
#include "pipeline/job.h"

/* "limn generate PROMPT --option value ...": the options that count and are not at their default. Appended. */
void shown_command(const Job *j, bool (*counts)(const Option *o), Str *out);

#endif
