/*
 * options.h - the command line, read by the table in pipeline/job.h: --long VALUE, --long=VALUE, -s VALUE, -sVALUE,
 * clustered flags (-qv), "--" before words that begin with '-'.
 */
#ifndef LIMN_CMD_OPTIONS_H
#define LIMN_CMD_OPTIONS_H

#include "cmd/command.h"

/* argv: NULL-terminated, without the program's and the command's name. args_release() also after an error. */
int args_parse(Args *a, const Command *c, char **argv, Err *e);
void args_release(Args *a);

/* Lays the options of argv, which args_parse() has accepted, over another job. */
int args_apply(const Args *a, const Command *c, Job *j, Err *e);

#endif
