/* own_cache.h - the folder in which limn remembers what costs time to find out again: $XDG_CACHE_HOME/limn. Only a convenience. */
#ifndef LIMN_PIPELINE_OWN_CACHE_H
#define LIMN_PIPELINE_OWN_CACHE_H

#include <cjson/cJSON.h>

#include "base/folder.h"

/* Opens it, made if need be. -1: there is no place for it, or others can write there. */
int own_cache_open(Folder *f);
/* A JSON object of it; an empty one where the file is missing, broken, a link or not this user's. cJSON_Delete() it. */
cJSON *own_cache_read(const Folder *f, const char *name);
/* Whole or not at all; what cannot be written is not. */
void own_cache_write(const Folder *f, const char *name, const cJSON *root);

#endif
