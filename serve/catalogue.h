/*
 * catalogue.h - the models that a request may name: built-in ones, the command line's, and those in --model-dir. A name from
 * a request is only compared with these, so it can open no other file.
 */
#ifndef LIMN_SERVE_CATALOGUE_H
#define LIMN_SERVE_CATALOGUE_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

typedef struct Catalogue Catalogue;

/* given: --model, or NULL: the default model; folder: --model-dir, or NULL. Error: the folder cannot be read. */
Catalogue *catalogue_new(const char *given, const char *folder, Err *e);
void catalogue_free(Catalogue *c);

/* Looks into the folder again. Any thread; so are the calls below. */
int catalogue_refresh(Catalogue *c, Err *e);

/* How many there are; the first is what the command line names. */
size_t catalogue_count(Catalogue *c);
/* The i-th one's name ("v1-5.safetensors", "sprites") and path, appended. False: there is none. */
bool catalogue_at(Catalogue *c, size_t i, Str *name, Str *path);

/*
 * The path of a model by its name, with its ending or not, perhaps with " [hash]" behind it; appended. Error (ERR_USAGE): there
 * is none of that name.
 */
int catalogue_find(Catalogue *c, const char *name, Str *path, Err *e);

#endif
