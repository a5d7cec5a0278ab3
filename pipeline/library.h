/*
 * library.h - a folder of adapters or embeddings, whose files are referred to by name: <lora:name>, embedding:name. A name is a
 * file name without its extension, with or without the subfolders in front; it never leads out of the folder, as it is only
 * compared.
 */
#ifndef LIMN_PIPELINE_LIBRARY_H
#define LIMN_PIPELINE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct {
    char *name;       /* "style/ink" */
    const char *stem; /* "ink", in it */
    char *path;
    bool readable; /* a safetensors file; else one that limn refuses by name (.pt) */
} LibraryFile;

typedef struct {
    char *folder; /* NULL: there is none */
    bool given;   /* the user named it */
    LibraryFile *file;
    size_t count; /* in the order of their names */
} Library;

/*
 * The folder that was given, or $XDG_DATA_HOME/limn/`usual`, which need not be there. Error: the given one is none, or has too
 * many files. library_close() in any case.
 */
int library_open(Library *l, const char *given, const char *usual, Err *e);
void library_close(Library *l);

/* Where the default folder is, or would be; heap. */
char *library_usual(const char *usual);

/* Returns whether there is a folder, without reading it. */
bool library_there(const char *given, const char *usual);

/*
 * Finds a file by its name, or by the name that its metadata has under the key (NULL: none). Error: there is none, with
 * the nearest name; or several.
 */
const LibraryFile *library_find(const Library *l, const char *name, const char *key, Err *e);

#endif
