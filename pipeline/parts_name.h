/*
 * parts_name.h - resolves a user's name for a model: a built-in name, a folder, a file; or an error that says why it is none of
 * them.
 */
#ifndef LIMN_PIPELINE_PARTS_NAME_H
#define LIMN_PIPELINE_PARTS_NAME_H

#include "base/err.h"

typedef enum { NAME_BUILTIN, NAME_FOLDER, NAME_FILE } NameKind;

/*
 * *path: the folder or file, on the heap; for a model_index.json the folder that it is in, for a folder with one safetensors file
 * and no more of a model that file. Error: it is not there, with the nearest name that is; an address or a hub's name, with what
 * to do; a folder that is no model.
 */
int parts_name_find(const char *name, NameKind *kind, char **path, Err *e);

/*
 * The path of what limn pull (or Python's hub library) has downloaded under that name: "org/name", "sd15-Q8_0"; heap, NULL:
 * nothing.
 */
char *parts_name_fetched(const char *name);

/* The model's folder that contains a part's file, "m" for "m/unet/config.json"; heap, NULL: none. */
char *parts_name_whole(const char *file);

/* Sets an error about a missing path, with the nearest existing name. Returns -1. */
int parts_name_missing(const char *name, Err *e);

#endif
