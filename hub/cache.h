/*
 * cache.h - where downloaded models are stored: the hub's cache, shared with Python's huggingface_hub, and limn's own folder of
 * models. Nothing here opens a connection.
 * Source: huggingface_hub, "Understand caching" (docs) and file_download.py.
 *
 *   models--ORG--NAME/refs/main                 a commit, 40 hex digits
 *   models--ORG--NAME/snapshots/COMMIT/unet/x   links to ../../../blobs/ETAG
 *   models--ORG--NAME/blobs/ETAG                content; named by its SHA-256, or git's SHA-1
 */
#ifndef LIMN_HUB_CACHE_H
#define LIMN_HUB_CACHE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* "org/name", "org/name@revision", "org/name:file" */
typedef struct {
    char *repo;     /* "org/name" */
    char *revision; /* "main" */
    char *file;     /* NULL: the repository's only one, or its folder */
} HubName;

/* Returns whether it may be such a name; then *out is hub_name_release()'s. What begins with '.' or '/' is none. */
bool hub_name_parse(const char *text, HubName *out);
void hub_name_release(HubName *n);

/* The cache's root: $HF_HUB_CACHE, $HF_HOME/hub, ... */
void hub_cache_root(Str *out);
/* ROOT/models--ORG--NAME */
void hub_cache_repo(const char *repo, Str *out);

/* The snapshot that a name means, or its file in it; heap, NULL: it is not there. */
char *hub_cache_find(const HubName *n);

/* "name" for .../models--ORG--NAME/snapshots/COMMIT itself; heap, NULL: no such path. */
char *hub_cache_name(const char *path);

/* $XDG_DATA_HOME/limn/models: where limn pull puts single files. */
void hub_models_folder(Str *out);

/* The file or folder there that a name without '/' means, with its ending or without; heap, NULL: none. */
char *hub_models_find(const char *name);

/* A model that lies in one of these places. */
typedef struct {
    char *name, *path; /* what -m takes; where it is */
} HubModel;

/* All of them, sorted by name; hub_models_release() frees. */
HubModel *hub_models(size_t *count);
void hub_models_release(HubModel *m, size_t count);

#endif
