/* fence.h - --sandbox: what a command line names may be read, its output folder written, and nothing else. */
#ifndef LIMN_CMD_FENCE_H
#define LIMN_CMD_FENCE_H

#include "cmd/command.h"

/*
 * Before anything is opened. What a job file or a picture's metadata names beyond that cannot be opened afterwards. A line on stderr
 * says what the kernel lacks. Error: the kernel refuses.
 */
int fence_enter(const Command *c, const Args *a, Err *e);

/*
 * The same for a server, whether --sandbox says so or not: its folder is written, and only this socket may be asked for
 * connections.
 */
int fence_server(const Command *c, const Args *a, const char *folder, int listening, Err *e);

#endif
