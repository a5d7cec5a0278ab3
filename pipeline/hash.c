/*
 * hash.c - a model's SHA-256 (by nettle, which uses the CPU's instructions for it), remembered between runs: the file of
 * a checkpoint is large, and every picture carries its hash.
 *
 * The cache is a JSON object of {path: {"size", "time", "changed", "inode", "sha256"}}; an entry that tells another state than that
 * of the file which was mapped is not used. A file that is so young that it could be written again within the same tick of its
 * clock is not remembered (git's rule for racy entries: Documentation/technical/racy-git). The cache is only a convenience: when it
 * cannot be read or written, nothing is said.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <nettle/sha2.h>

#include "base/folder.h"
#include "base/mem.h"
#include "pipeline/digest.h"
#include "pipeline/own_cache.h"
#include "pipeline/parts.h"
#include "weights/source.h"

enum {
    ENTRIES_MAX = 256,
    HEX = 2 * SHA256_DIGEST_SIZE,
    PIECE = 16 << 20,
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

static bool cache_find(const cJSON *cache, const char *path, const FileId *id, char sha256[HEX + 1])
{
    char now[STATES][48];
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(cache, path);
    const char *hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "sha256"));
    if (!hash || strlen(hash) != HEX || strspn(hash, "0123456789abcdef") != HEX) return false;
    state_of(id, now);
    for (int i = 0; i < STATES; i++) {
        const char *then = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, state_names[i]));
        if (!then || strcmp(then, now[i]) != 0) return false;
    }
    strcpy(sha256, hash);
    return true;
}

/* Whether a later change might have the same time. */
static bool is_young(const FileId *id)
{
    return llabs((long long)(id->seen - id->written[0])) <= TICK ||
           llabs((long long)(id->seen - id->changed[0])) <= TICK;
}

static void cache_add(const Folder *f, const char *path, const FileId *id, const char *sha256)
{
    char now[STATES][48];
    cJSON *cache = own_cache_read(f, cache_name),
          *entry = cJSON_CreateObject(); /* read again: another run may have written meanwhile */
    state_of(id, now);
    for (int i = 0; i < STATES; i++) cJSON_AddStringToObject(entry, state_names[i], now[i]);
    cJSON_AddStringToObject(entry, "sha256", sha256);
    cJSON_DeleteItemFromObjectCaseSensitive(cache, path);
    cJSON_AddItemToObject(cache, path, entry);
    while (cJSON_GetArraySize(cache) > ENTRIES_MAX) cJSON_DeleteItemFromArray(cache, 0);
    own_cache_write(f, cache_name, cache);
    cJSON_Delete(cache);
}

/* One computation, in a thread of its own while there is something else to do. */
struct Hashing {
    pthread_t thread;
    bool started;     /* the thread */
    atomic_bool stop; /* nobody wants it any more */
    const Parts *parts;
    char *path; /* absolute, of the file that is remembered; NULL: none is */
    char sha256[HEX + 1];
};

/* An index only names its shards: their tensors count, in its order. */
static void *compute(void *arg)
{
    struct Hashing *h = arg;
    const Parts *parts = h->parts;
    struct sha256_ctx ctx;
    unsigned char digest[SHA256_DIGEST_SIZE];
    bool shards = parts->hashed_path && str_ends(parts->hashed_path, ".json");

    sha256_init(&ctx);
    for (size_t at = 0, n; at < parts->hashed.len && !h->stop; at += n) {
        n = parts->hashed.len - at < PIECE ? parts->hashed.len - at : PIECE;
        sha256_update(&ctx, n, parts->hashed.data + at);
        if (parts->hashed_path) file_evict((Bytes){ parts->hashed.data + at, n });
    }
    Weights *unet = shards ? parts_next(parts, ROLE_NETWORK, NULL)->weights : NULL;
    for (size_t i = 0; unet && i < weights_count(unet) && !h->stop; i++)
        sha256_update(&ctx, weights_at(unet, i)->bytes, weights_at(unet, i)->data);
    sha256_digest(&ctx, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) snprintf(h->sha256 + 2 * i, 3, "%02x", digest[i]);
    return NULL;
}

/* What is to be computed; NULL when it is known: of the built-in model, or from an earlier run. */
static struct Hashing *unknown(Model *m)
{
    const char *built_in = m->files->hashed_path ? NULL : source_builtin_sha256(m->files->hashed.data);
    if (built_in) {
        snprintf(m->sha256, sizeof m->sha256, "%s", built_in);
        return NULL;
    }
    struct Hashing *h = mem_alloc(sizeof *h);
    Folder folder;
    h->parts = m->files;
    if (!h->parts->hashed_path || str_ends(h->parts->hashed_path, ".json")) return h;
    h->path = realpath(h->parts->hashed_path, NULL);
    if (!h->path || own_cache_open(&folder)) return h;
    cJSON *cache = own_cache_read(&folder, cache_name);
    bool known = cache_find(cache, h->path, &h->parts->hashed_id, m->sha256);
    cJSON_Delete(cache);
    folder_close(&folder);
    if (!known) return h;
    free(h->path);
    free(h);
    return NULL;
}

static void hashing_free(Model *m)
{
    if (m->hashing) free(m->hashing->path);
    free(m->hashing);
    m->hashing = NULL;
}

void model_hash_begin(Model *m)
{
    if (m->sha256[0] || m->hashing) return;
    m->hashing = unknown(m);
    if (m->hashing) m->hashing->started = pthread_create(&m->hashing->thread, NULL, compute, m->hashing) == 0;
}

void model_hash_drop(Model *m)
{
    if (m->hashing && m->hashing->started) {
        m->hashing->stop = true;
        pthread_join(m->hashing->thread, NULL);
    }
    hashing_free(m);
}

/* What was loaded is one model only if its files are still what they were when they were mapped. */
static int check_files(Model *m, Err *e)
{
    Str path = { 0 };
    FileChange c = parts_change(m->files, &path);
    if (c == FILE_WRITTEN)
        err_set(
            e,
            "%s was written while limn read it, and what it has read is neither the old model nor the new: start again",
            str_text(&path));
    if (c == FILE_REPLACED && !m->replaced) {
        Str text = { 0 };
        str_addf(&text,
                 "%.700s was replaced or removed while limn loaded it: what is drawn is of the file that was there",
                 str_text(&path));
        m->replaced = text.s;
    }
    str_release(&path);
    return c == FILE_WRITTEN ? -1 : 0;
}

/* Takes over what was computed. */
static void finish(Model *m, struct Hashing *h)
{
    const FileId *id = &h->parts->hashed_id;
    Folder folder;
    if (h->started) pthread_join(h->thread, NULL);
    else compute(h);
    memcpy(m->sha256, h->sha256, sizeof m->sha256);
    if (h->path && !is_young(id) && file_change(id, h->path) == FILE_SAME && own_cache_open(&folder) == 0) {
        cache_add(&folder, h->path, id, m->sha256);
        folder_close(&folder);
    }
    hashing_free(m);
}

int model_hash(Model *m, Err *e)
{
    if (m->sha256[0] && m->looked) return 0;
    if (!m->sha256[0]) {
        if (!m->hashing) m->hashing = unknown(m);
        if (m->hashing) finish(m, m->hashing);
    }
    if (check_files(m, e)) return -1;
    m->looked = true;
    return 0;
}

int digest_file(const char *path, char hex[DIGEST_HEX], Err *e)
{
    Bytes file;
    FileId id;
    Folder folder;
    if (file_map_as(&file, &id, path, e)) return -1;
    char *full = realpath(path, NULL);
    bool remembers = full && own_cache_open(&folder) == 0, known = false;
    if (remembers) {
        cJSON *cache = own_cache_read(&folder, cache_name);
        known = cache_find(cache, full, &id, hex);
        cJSON_Delete(cache);
    }
    if (!known) digest_hex(file, hex);
    if (!known && remembers && !is_young(&id) && file_change(&id, full) == FILE_SAME)
        cache_add(&folder, full, &id, hex);
    if (remembers) folder_close(&folder);
    file_unmap(&file);
    free(full);
    return 0;
}
