/* pull_internal.h - what pull.c and single.c share. */
#ifndef LIMN_HUB_PULL_INTERNAL_H
#define LIMN_HUB_PULL_INTERNAL_H

#include "hub/pull.h"

/* No connection is wanted. */
bool pull_offline(const HubPull *p);

/* The first of these environment variables that is set, as a token; heap, NULL: none. */
char *pull_token(const char *const *variables);

/* "civitai:ID", "urn:air:...", an address of Civitai's pages. */
bool pull_is_civitai(const char *what);
int pull_civitai(const HubPull *p, Str *path, Err *e);

/* A file by its address. */
int pull_address(const HubPull *p, Str *path, Err *e);

#endif
