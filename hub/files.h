/*
 * files.h - which files of a repository limn needs: of a diffusers folder its components' configs, one set of weights each, tokenizers
 * and the scheduler; of a repository of single files the one that is asked for.
 */
#ifndef LIMN_HUB_FILES_H
#define LIMN_HUB_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef struct {
    char *path;    /* below the repository; url_safe_path() */
    char *url;     /* where it comes from */
    uint64_t size; /* HTTP_UNKNOWN: not told */
    char hash[65]; /* SHA-256 (64 hex digits), git's SHA-1 of a blob (40), or "" */
    bool wanted;
} HubFile;

typedef struct {
    HubFile *file;
    size_t count;
    char commit[41]; /* "" */
} HubFiles;

void hub_files_release(HubFiles *f);
HubFile *hub_files_add(HubFiles *f, const char *path);
HubFile *hub_files_find(const HubFiles *f, const char *path);

/* "fp16", "bf16", "non_ema" first; patterns of further files, comma-separated ("*.txt"); NULL: neither. */
typedef struct {
    const char *variant; /* NULL: 32 bits first */
    const char *patterns;
} HubChoice;

/*
 * Marks those that are wanted. index: model_index.json; NULL: the repository has none. file: the one that is asked for; NULL.
 * Error: it is not there; there are several; only pickles; parts of the model are missing.
 */
int hub_files_choose(HubFiles *f, const char *index, const char *file, const HubChoice *c, Str *notes, Err *e);

/* The shards that an index of weights names, which stands at `path` in the repository, marked too. */
int hub_files_add_shards(HubFiles *f, const char *path, const char *json, Err *e);

/* Returns whether it is such an index. */
bool hub_files_is_index(const char *path);

#endif
