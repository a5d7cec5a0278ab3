/*
 * parts_name.h - what a user's name for a model stands for: a name inside the program, a folder, a file; or why it is none of them.
 */
#ifndef LIMN_PIPELINE_PARTS_NAME_H
#define LIMN_PIPELINE_PARTS_NAME_H

#include "base/err.h"

typedef enum { NAME_BUILTIN, NAME_FOLDER, NAME_FILE } NameKind;

/*
 * *path: the folder or file, on the heap; for a model_index.json the folder that it is in, for a folder with one safetensors file
 * and no more of a model that file. Error: it is not there, with the nearest name that is; an address or a hub's name, with what to
 * do; a folder that is no model.
 */
int parts_name_find(const char *name, NameKind *kind, char **path, Err *e);

/* What limn pull (or Python's hub library) has fetched under that name: "org/name", "sd15-Q8_0"; heap, NULL: nothing. */
char *parts_name_fetched(const char *name);

/* The model's folder that a file of a part lies in, "m" for "m/unet/config.json"; heap, NULL: it lies in none. */
char *parts_name_whole(const char *file);

/* Why a path leads to nothing, with the nearest name that is there. Returns -1. */
int parts_name_missing(const char *name, Err *e);

#endif
