/*
 * file_notes.c - see file_notes.h. The cache is a JSON object of {path: {"size", "time", "changed", "inode", and the notes}}; an
 * entry that tells another state than that of the file which was mapped is not used. A file that is so young that it could be
 * written again within the same tick of its clock is not remembered (git's rule for racy entries: Documentation/technical/racy-git).
 */
#include "pipeline/file_notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/own_cache.h"

enum {
    ENTRIES_MAX = 256,
    TICK = 2, /* seconds: the coarsest clock of a file system (FAT) */
};

static const char cache_name[] = "hashes.json";

/* An entry's members that tell the state of a file, as text: a JSON number would round them. */
enum { SIZE, TIME, CHANGED, INODE, STATES };
static const char *const state_names[STATES] = { "size", "time", "changed", "inode" };

static void state_of(const FileId *id, char text[STATES][48])
{
    snprintf(text[SIZE], 48, "%llu", (unsigned long long)id->size);
    snprintf(text[TIME], 48, "%lld.%09lld", (long long)id->written[0], (long long)id->written[1]);
    snprintf(text[CHANGED], 48, "%lld.%09lld", (long long)id->changed[0], (long long)id->changed[1]);
    snprintf(text[INODE], 48, "%llu", (unsigned long long)id->ino);
}

static const char *text_of(const cJSON *entry, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, name));
}

/* The file's entry, if it tells this state. */
static cJSON *entry_of(const cJSON *cache, const char *path, const FileId *id)
{
    char now[STATES][48];
    cJSON *entry = cJSON_GetObjectItemCaseSensitive(cache, path);
    state_of(id, now);
    for (int i = 0; i < STATES; i++) {
        const char *then = text_of(entry, state_names[i]);
        if (!then || strcmp(then, now[i]) != 0) return NULL;
    }
    return entry;
}

bool file_note_get(const char *path, const FileId *id, const char *name, char *value, size_t room)
{
    Folder f;
    if (own_cache_open(&f)) return false;
    cJSON *cache = own_cache_read(&f, cache_name);
    const char *text = text_of(entry_of(cache, path, id), name);
    bool known = text && strlen(text) < room;
    if (known) strcpy(value, text);
    cJSON_Delete(cache);
    folder_close(&f);
    return known;
}

/* Whether a later change might have the same time. */
static bool is_young(const FileId *id)
{
    return llabs((long long)(id->seen - id->written[0])) <= TICK ||
           llabs((long long)(id->seen - id->changed[0])) <= TICK;
}

/* An entry of the file's state alone, in place of what there was. */
static cJSON *entry_new(cJSON *cache, const char *path, const FileId *id)
{
    char now[STATES][48];
    cJSON *entry = cJSON_CreateObject();
    state_of(id, now);
    for (int i = 0; i < STATES; i++) cJSON_AddStringToObject(entry, state_names[i], now[i]);
    cJSON_DeleteItemFromObjectCaseSensitive(cache, path);
    cJSON_AddItemToObject(cache, path, entry);
    while (cJSON_GetArraySize(cache) > ENTRIES_MAX) cJSON_DeleteItemFromArray(cache, 0);
    return entry;
}

void file_note_put(const char *path, const FileId *id, const char *name, const char *value)
{
    Folder f;
    if (is_young(id) || file_change(id, path) != FILE_SAME || own_cache_open(&f)) return;
    cJSON *cache = own_cache_read(&f, cache_name); /* now: another run may have written meanwhile */
    cJSON *entry = entry_of(cache, path, id);
    if (!entry) entry = entry_new(cache, path, id);
    cJSON_DeleteItemFromObjectCaseSensitive(entry, name);
    cJSON_AddStringToObject(entry, name, value);
    own_cache_write(&f, cache_name, cache);
    cJSON_Delete(cache);
    folder_close(&f);
}
