/*
 * interrupt.h - Ctrl-C: the first SIGINT, SIGTERM or SIGHUP asks the run to stop at the next safe place; the second
 * ends the program at once, without a half-written file. Signals of failed writes are ignored: write() tells. A page of
 * a mapped file that is gone ends the program with a word.
 */
#ifndef LIMN_CMD_INTERRUPT_H
#define LIMN_CMD_INTERRUPT_H

#include <stdbool.h>

#include "base/err.h"

void interrupt_install(void);
bool interrupted(void);
bool interrupt_asked(void *ctx); /* the same, for a Watch */

/* 0, or -1 with code ERR_INTERRUPTED. */
int interrupt_check(Err *e);

#endif
