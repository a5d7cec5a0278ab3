/*
 * download.h - downloads one file into a folder: resumes where an earlier try ended, checks size and hash, and gives it its name
 * whole or not at all.
 */
#ifndef LIMN_HUB_DOWNLOAD_H
#define LIMN_HUB_DOWNLOAD_H

#include "base/folder.h"
#include "hub/files.h"
#include "hub/http.h"

/* Callbacks for progress and cancelling. */
typedef struct {
    void *ctx;
    void (*bytes)(void *ctx, const char *path, uint64_t done,
                  uint64_t size);              /* size may be HTTP_UNKNOWN; done of it are here */
    void (*say)(void *ctx, const char *words); /* a try that failed, and what is done about it */
    bool (*stop)(void *ctx);
} HubWatch;

/*
 * Fetches `file` as `name` in the folder. While it lasts it is called name.HASH.limn.incomplete, locked, so that two programs do
 * not write it at once. A name that is "" becomes what the server calls the file (name_out: set). Error: what the server, the
 * disk or the hash say; a hash that differs removes what was fetched.
 */
int hub_download(const Folder *into, const char *name, const HubFile *file, const char *token, const HubWatch *w,
                 Str *name_out, Err *e);

/* Returns whether `name` is there with that size and hash: read whole where there is a hash. */
bool hub_verified(const Folder *in, const char *name, const HubFile *file);

#endif
