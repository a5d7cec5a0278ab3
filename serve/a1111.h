/* a1111.h - A1111's interface, from inside serve/. */
#ifndef LIMN_SERVE_A1111_H
#define LIMN_SERVE_A1111_H

#include "serve/server.h"

/*
 * The units of alwayson_scripts.controlnet, each a line of --control. start: the picture that the job is started from, for units that have
 * none; NULL. Error (ERR_USAGE): what limn cannot do of them.
 */
int a1111_control(Wish *w, const struct cJSON *script, const char *start, Err *e);

/* null, false, 0, -1, "", [], {}: what clients send that send every field. */
bool a1111_says_nothing(const struct cJSON *v);

/* Settings by their names into the wish; `before` stands before the names of those that limn does not know, where they are listed. */
int a1111_settings(Wish *w, const struct cJSON *o, const char *before, Err *e);
/* Those that POST options has set, but for the model. */
int a1111_stored_settings(Wish *w, Err *e);
/* Keeps those that limn knows, but for the model; a1111_settings() has taken them. */
void a1111_store_settings(Server *s, const struct cJSON *o);

#endif
