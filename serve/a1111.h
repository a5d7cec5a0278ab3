/* a1111.h - A1111's interface, from inside serve/. */
#ifndef LIMN_SERVE_A1111_H
#define LIMN_SERVE_A1111_H

#include "serve/server.h"

/* ---- a1111_types.c ---- */

/* What its value is there; what is like it is taken for it, as pydantic does. */
typedef enum {
    TYPE_ANY, /* its option says */
    TYPE_TEXT,
    TYPE_NUMBER,
    TYPE_FLAG,
    TYPE_LIST,
    TYPE_OBJECT,
} FieldType;

/*
 * Brings a field's value into the type's own form, in place; nothing where it is left out or null. Error (ERR_USAGE): it is of another type,
 * and would else count as left out.
 */
int a1111_fit(Wish *w, struct cJSON *o, const char *name, FieldType type, Err *e);

/* ---- a1111_fields.c ---- */

/* All fields of a request of txt2img, or img2img (from_picture), into the wish; values of o get the types that A1111 has. */
int a1111_read(Wish *w, struct cJSON *o, bool from_picture, Err *e);

/* A field; NULL: it is left out. Its number; dflt: it is left out, or null. Its text; NULL. The styles that it names; NULL: none. */
const struct cJSON *a1111_member(const struct cJSON *o, const char *name);
double a1111_number(const struct cJSON *o, const char *name, double dflt);
const char *a1111_text(const struct cJSON *o, const char *name);
const struct cJSON *a1111_styles(const struct cJSON *o);

/* ---- a1111_control.c, a1111_settings.c ---- */

/*
 * The units of alwayson_scripts.controlnet, each a line of --control. start: the picture that the job is started from, for units that have
 * none; NULL. Error (ERR_USAGE): what limn cannot do of them.
 */
int a1111_control(Wish *w, struct cJSON *script, const char *start, Err *e);

/* null, false, 0, -1, "", [], {}: what clients send that send every field. */
bool a1111_says_nothing(const struct cJSON *v);

/*
 * Settings by their names into the wish; `before` stands before the names of those that limn does not know, where they
 * are listed.
 */
int a1111_settings(Wish *w, const struct cJSON *o, const char *before, Err *e);
/* Those that POST options has set, but for the model. */
int a1111_stored_settings(Wish *w, Err *e);
/* Keeps those that limn knows, but for the model; a1111_settings() has taken them. */
void a1111_store_settings(Server *s, const struct cJSON *o);

#endif
