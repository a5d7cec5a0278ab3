/*
 * place.h - files put into the output folder: written in a folder of this shard's own (".limn-batch", ".limn-batch-3-of-8"),
 * fsynced, then renamed to where they belong, folders on the way made. What a crash leaves is in that folder, and goes when the
 * shard starts anew. No link below the output folder is followed.
 */
#ifndef LIMN_BATCH_PLACE_H
#define LIMN_BATCH_PLACE_H

#include "base/folder.h"
#include "base/shard.h"

typedef struct {
    const Folder *folder; /* borrowed */
    Folder staging;
    char *name; /* of the staging folder */
} Place;

/*
 * Call with the shard's lock held: what is left in the staging folder under limn's names is removed. Error: it is a link, or
 * somebody else's.
 */
int place_open(Place *p, const Folder *folder, const Shard *s, Err *e);
/* Removes the staging folder. */
void place_close(Place *p);

/*
 * file: a path below the output folder; what was there is replaced. *fatal: the next file would fare no better (a full disk, one
 * that is read-only or broken).
 */
int place_file(const Place *p, const char *file, Bytes data, bool *fatal, Err *e);

/* A new, empty file for all manifests in one, opened for writing; what place_manifest() puts in place. Error: -1. */
int place_new_manifest(const Place *p, Err *e);
/* It takes the place of the output folder's `name`. */
int place_manifest(const Place *p, const char *name, Err *e);

/* Returns whether the file is there, itself and no link, with that many bytes and that SHA-256 (hexadecimal). */
bool place_whole(const Folder *folder, const char *file, uint64_t bytes, const char *sha256);

#endif
