/* a1111.h - A1111's interface, from inside serve/. */
#ifndef LIMN_SERVE_A1111_H
#define LIMN_SERVE_A1111_H

#include "serve/server.h"

/*
 * The units of alwayson_scripts.controlnet, each a line of --control. start: the picture that the job is started from, for units that have
 * none; NULL. Error (ERR_USAGE): what limn cannot do of them.
 */
int a1111_control(Wish *w, const struct cJSON *script, const char *start, Err *e);

#endif
