/*
 * pull.h - limn pull: a model from the Hugging Face hub, from Civitai or from an address, into the hub's cache, limn's folder of models
 * or a folder of the user's.
 */
#ifndef LIMN_HUB_PULL_H
#define LIMN_HUB_PULL_H

#include "hub/download.h"

typedef struct {
    const char *what;     /* "org/name[@revision][:FILE]", an address, "civitai:ID", an address of Civitai's page */
    const char *revision; /* NULL: the name's, or main */
    const char *include;  /* "fp16", "bf16", "non_ema" or patterns, comma-separated; NULL */
    const char *to;       /* a folder; NULL: the cache, or limn's folder of models */
    bool offline;         /* no connection: what is there already, or an error */
    HubWatch watch;
    /* Before the first byte: how much it will be. May be NULL. */
    void (*begins)(void *ctx, size_t files, uint64_t bytes, uint64_t here);
} HubPull;

/*
 * *path: the model's folder or file, for -m. *notes: lines for a person. Nothing that limn would take for a model is there before it is
 * whole. Error: whatever went wrong; what was fetched so far is taken up by the next call.
 */
int hub_pull(const HubPull *p, Str *path, Str *notes, Err *e);

#endif
