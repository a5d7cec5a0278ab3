/*
 * source.h - where a model's files come from: a folder on disk, or the default model inside the program.
 * Names are relative, '/'-separated ("unet/config.json"). Contents are mapped and borrowed until source_free().
 */
#ifndef LIMN_WEIGHTS_SOURCE_H
#define LIMN_WEIGHTS_SOURCE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

typedef struct Source Source;

/* A folder. Error: it is not one. */
Source *source_open(const char *dir, Err *e);

/* A model packed into the program (see models/), NULL with an error that lists the names there are. */
Source *source_open_builtin(const char *name, Err *e);

/* The names of the built-in models, NULL-terminated. */
const char *const *source_builtin_names(void);

void source_free(Source *s);

/* What to call it in messages: the folder's path, or "built-in NAME". */
const char *source_name(const Source *s);

bool source_has(const Source *s, const char *name);

/* Maps one file. Error: missing or unreadable; the text begins with its path. */
int source_get(Source *s, const char *name, Bytes *out, Err *e);

/* The SHA-256 of one of the files in the program, by where it begins: 64 hexadecimal digits; NULL: it is none of them. */
const char *source_builtin_sha256(const unsigned char *begin);

/* Which file that was; false: it was not mapped, or is in the program. */
bool source_id(const Source *s, const char *name, FileId *id);

/* What has become of the files that were mapped: the worst of it, and then *path (str_release()) is that file. */
FileChange source_change(const Source *s, Str *path);

#endif
