/*
 * manifest.h - what became of every picture: manifest.jsonl in the output folder, a JSON object a line, in the order in which
 * pictures were finished. A line is written and fsynced after its picture is in place, so that it never promises too much; what
 * a crash has left half written is cut off. A shard writes manifest-3-of-8.jsonl, and all read all.
 *
 * Which of two lines of a picture is the newer one: in one file the later; of two files the one with the higher "seq", which
 * counts on from all that was there when its writer began. The clock decides only between files written before there was a seq.
 */
#ifndef LIMN_BATCH_MANIFEST_H
#define LIMN_BATCH_MANIFEST_H

#include "base/folder.h"
#include "base/str.h"
#include "batch/index.h"
#include "base/shard.h"

typedef enum { STATUS_NONE, STATUS_DONE, STATUS_FAILED } Status;

enum { MANIFEST_MODEL = 3 * 4096 + 1 }; /* the longest path, each byte of it no UTF-8 */

/* The newest line of a file. */
typedef struct {
    Status status;
    bool refused; /* failed, and would again: the model cannot draw such a job */
    char key[33], sha256[65], model_sha256[65],
        model[MANIFEST_MODEL]; /* model: its path, as json_add_text() wrote it */
    uint64_t bytes;
    char error[256];
    Str line; /* the whole of it; str_release() */
} Entry;

typedef struct Manifest Manifest;

/*
 * Opens the manifests of a folder (borrowed), and this shard's for appending. Error: one cannot be read or written, is a link or
 * not limn's, or another process works on this shard (or on the whole, or on a shard when this is the whole).
 */
Manifest *manifest_open(const Folder *folder, const Shard *s, Err *e);
/* Only to look at. NULL: the folder is not there, and so it is an empty one. */
Manifest *manifest_read(const Folder *folder, Err *e);
void manifest_close(Manifest *m);

/* file: a path below the folder. False: no line tells of it. */
bool manifest_find(const Manifest *m, const char *file, Entry *out);
size_t manifest_count(const Manifest *m); /* files that a line tells of */

/* The date of the first line that has one, or NULL. */
const char *manifest_date(const Manifest *m);

/* The "seq" of the next line. */
uint64_t manifest_seq(const Manifest *m);
/* Appends a line (without its newline). Error: nothing was appended. One thread at a time. */
int manifest_append(Manifest *m, const char *line, Err *e);

/* Calls take with the newest line of each file whose name is not in `names` (index_hash()). Returns what take does, once not 0. */
int manifest_others(const Manifest *m, const Index *names, int (*take)(void *ctx, const char *line, size_t len),
                    void *ctx);

/* The name of the manifest of the whole. Its file was replaced by one with all lines: the shards' are removed. */
extern const char manifest_name[];
void manifest_replaced(Manifest *m);

#endif
