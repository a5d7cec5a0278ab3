/*
 * file.h - files: mapped whole for reading, written whole or not at all.
 */
#ifndef LIMN_BASE_FILE_H
#define LIMN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bytes that are owned elsewhere. */
typedef struct {
    const unsigned char *data;
    size_t len;
} Bytes;

/*
 * Maps a regular file read-only. An empty file gives len 0. Error: missing, a directory, unreadable; the text names
 * the path. file_unmap() unmaps it.
 */
int file_map(Bytes *out, const char *path, Err *e);
/* Identity and state of a mapped file; times in seconds and nanoseconds. */
typedef struct {
    uint64_t dev, ino, size;
    int64_t written[2], changed[2]; /* its content; its content, name or rights */
    int64_t seen;                   /* when this was queried */
} FileId;

typedef enum {
    FILE_SAME,
    FILE_REPLACED, /* the name now belongs to another file, or to none: the mapping is still intact */
    FILE_WRITTEN   /* it was written to or truncated: the mapping is inconsistent */
} FileChange;

/* Why open() of a path failed, by errno; of a link that leads nowhere, where it leads. Returns -1. */
int file_unopened(const char *path, Err *e);

/* As file_map(), and *id. */
int file_map_as(Bytes *out, FileId *id, const char *path, Err *e);
/* How the file has changed since. */
FileChange file_change(const FileId *id, const char *path);

/* The same of an opened file, which stays open; path: for words. */
int file_map_fd(Bytes *out, int fd, const char *path, Err *e);
void file_unmap(Bytes *b);

/*
 * A range of a mapped file (never of the heap) was read and is not needed soon: its whole pages stop counting as this
 * process's memory, and stay in the system's cache. Reading them again is allowed.
 */
void file_evict(Bytes range);

/* All of it, however many calls that takes. -1 with errno set. */
int file_write_all(int fd, Bytes data);

/*
 * In the folder that the path names, as folder_write(), folder_write_new() and folder_check_writable() (folder.h): the target is
 * the old file or the whole new one, and a link of that name is replaced, not followed.
 */
int file_write(const char *path, Bytes data, Err *e);
int file_write_new(const char *path, Bytes data, bool *exists, Err *e);
int file_check_writable(const char *path, Err *e);

/* Removes the temporary files of writes in progress, if any; async-signal-safe, for a signal handler. */
void file_remove_temporary(void);

/* Returns whether the name is taken, even by a dangling link; file_exists() is about what can be opened. */
bool file_named(const char *path);
bool file_exists(const char *path);
bool file_is_dir(const char *path);

#endif
