/* own_cache.h - limn's cache folder for results that take time to compute: $XDG_CACHE_HOME/limn. Failures are ignored. */
#ifndef LIMN_PIPELINE_OWN_CACHE_H
#define LIMN_PIPELINE_OWN_CACHE_H

#include <cjson/cJSON.h>

#include "base/folder.h"

/* Opens it, made if need be. -1: there is no place for it, or others can write there. */
int own_cache_open(Folder *f);
/* Reads a JSON object; an empty one if the file is missing, broken, a link or not this user's. cJSON_Delete() it. */
cJSON *own_cache_read(const Folder *f, const char *name);
/* Writes it whole or not at all; failures are ignored. */
void own_cache_write(const Folder *f, const char *name, const cJSON *root);

#endif
