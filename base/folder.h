/*
 * folder.h - an open folder, and operations in it. All of them use its descriptor, so that replacing the folder
 * meanwhile has no effect; they follow no symbolic link below it, and empty, replace or remove only this user's files.
 *
 * A name is one part ("x.png"); a file is a path below the folder ("a/b/x.png", no "..").
 */
#ifndef LIMN_BASE_FOLDER_H
#define LIMN_BASE_FOLDER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"

typedef struct {
    int fd;     /* 0: none is open */
    char *path; /* the prefix of names in messages: "out/", or "" */
} Folder;

/* A folder that the user named ("": the current one): links on the way to it are followed. Error: none is there. */
int folder_open(Folder *f, const char *path, Err *e);
/* The same, made with all above it where it is missing. */
int folder_make(Folder *f, const char *path, Err *e);
/* The folder of a path, which the user named; *name: what follows, within the path. */
int folder_of(Folder *f, const char *path, const char **name, Err *e);
/* Opens a folder below; each part of its path must be a folder and no link. make: missing ones are made. Error: see errno. */
int folder_below(Folder *out, const Folder *f, const char *path, bool make, Err *e);
void folder_close(Folder *f);

/* Returns whether what is there is this user's, be it on a file system that gives every file to somebody else. */
bool folder_owns(const Folder *f, const struct stat *st);

/* Error: a folder on the way to the file is a link or no folder. One that is missing is none. */
int folder_check_way(const Folder *f, const char *file, Err *e);
/* Returns whether the name of a file is taken, be it by a link. */
bool folder_has(const Folder *f, const char *file);
/* Returns whether it is a regular file, and no link is on the way to it. */
bool folder_has_file(const Folder *f, const char *file);
/* As file_map(): a regular file, and no link on the way to it. */
int folder_map(const Folder *f, const char *file, Bytes *out, Err *e);

/*
 * A file of limn's own that is worked in under its name, opened for reading and writing, made if it is missing (*made). Error: a
 * link, no regular file, somebody else's, or one that has a second name, under which its content belongs to something else.
 */
int folder_open_own(const Folder *f, const char *name, int flags, bool *made, Err *e);
/* Removes a regular file or a link that is this user's; true: it is gone. */
bool folder_remove(const Folder *f, const char *name);

/*
 * Written whole under a name that is limn's own (".limn-...tmp"), fsynced and renamed: under the name is what was there, or all
 * of it. A link of that name is replaced, never written through. Error: nothing changed; what is there is a folder, a device, or
 * somebody else's.
 */
int folder_write(const Folder *f, const char *name, Bytes data, Err *e);
int folder_write_text(const Folder *f, const char *name, const char *text, Err *e);
/* The same, but fails with *exists = true when the name is taken (link(2): no race between two programs). */
int folder_write_new(const Folder *f, const char *name, Bytes data, bool *exists, Err *e);
/*
 * The same of what is too large to be held: make() writes it into the opened file. exists NULL: what has the name is replaced.
 * Error: also what make() says.
 */
typedef struct {
    void *ctx;
    int (*make)(void *ctx, int fd, Err *e);
} FileMaker;
int folder_write_made(const Folder *f, const char *name, const FileMaker *m, bool *exists, Err *e);
/* Error: what has the name may not be replaced. */
int folder_check_target(const Folder *f, const char *name, Err *e);
/* Returns whether that could be done; what killed runs have left in the folder is removed on the way. */
int folder_check_writable(const Folder *f, const char *name, Err *e);

/* Removes the temporary files of runs that were killed: of limn's own name, this user's, and locked by nobody. */
void folder_sweep(const Folder *f);

#endif
