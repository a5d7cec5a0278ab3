/*
 * place.h - files put into the output folder: written in a folder of this shard's own (".limn-batch", ".limn-batch-3-of-8"),
 * fsynced, then renamed to where they belong, folders on the way made. What a crash leaves is in that folder, and goes when the
 * shard starts anew.
 */
#ifndef LIMN_BATCH_PLACE_H
#define LIMN_BATCH_PLACE_H

#include "base/err.h"
#include "base/file.h"
#include "batch/shard.h"

typedef struct {
    char *folder, *staging;
} Place;

/* Makes the output folder if need be. Call with the shard's lock held: the staging folder is emptied. */
int place_open(Place *p, const char *folder, const Shard *s, Err *e);
/* Removes the staging folder. */
void place_close(Place *p);

/* mkdir -p. */
int place_make_folder(const char *folder, Err *e);

/*
 * file: a path below the output folder; what was there is replaced. *fatal: the next file would fare no better (a full disk, one
 * that is read-only or broken).
 */
int place_file(const Place *p, const char *file, Bytes data, bool *fatal, Err *e);

/* Whether the file is there with that many bytes and that SHA-256 (hexadecimal). */
bool place_whole(const char *folder, const char *file, uint64_t bytes, const char *sha256);

/* SHA-256 as hexadecimal digits. */
void place_sha256(Bytes data, char hex[65]);

#endif
