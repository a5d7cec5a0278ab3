/*
 * hash.c - a model's SHA-256 (by nettle, which uses the CPU's instructions for it), remembered between runs: the file of
 * a checkpoint is large, and every picture carries its hash.
 *
 * The cache is a JSON object of {path: {"size", "time", "sha256"}}; an entry whose size or time is not the file's is
 * not used. It is only a convenience: when it cannot be read or written, nothing is said.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cjson/cJSON.h>
#include <nettle/sha2.h>

#include "base/mem.h"
#include "pipeline/parts.h"
#include "weights/json.h"

enum { ENTRIES_MAX = 256, HEX = 2 * SHA256_DIGEST_SIZE, PIECE = 16 << 20 };

/* $XDG_CACHE_HOME/limn/hashes.json, its folders made; NULL when there is no place for it. */
static char *cache_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    Str path = { 0 };
    if (cache && *cache) str_add(&path, cache);
    else if (home && *home) str_addf(&path, "%s/.cache", home);
    else return NULL;
    mkdir(path.s, 0700);
    str_add(&path, "/limn");
    mkdir(path.s, 0700);
    str_add(&path, "/hashes.json");
    return path.s;
}

static cJSON *cache_read(const char *path)
{
    Bytes file;
    Err ignored;
    cJSON *root = NULL;
    if (path && file_map(&file, path, &ignored) == 0) {
        root = json_parse(file, &ignored);
        file_unmap(&file);
    }
    return root ? root : cJSON_CreateObject();
}

/* A file's time to the nanosecond, as text: a JSON number would round it. */
static const char *time_text(const struct stat *st, char buf[48])
{
    snprintf(buf, 48, "%lld.%09ld", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    return buf;
}

static bool cache_find(const cJSON *cache, const char *path, const struct stat *st, char sha256[HEX + 1])
{
    char time[48];
    uint64_t size;
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(cache, path);
    const char *then = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "time"));
    const char *hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "sha256"));
    if (!then || !hash || strlen(hash) != HEX || strspn(hash, "0123456789abcdef") != HEX) return false;
    if (!json_whole(cJSON_GetObjectItemCaseSensitive(entry, "size"), &size) || size != (uint64_t)st->st_size)
        return false;
    if (strcmp(then, time_text(st, time)) != 0) return false;
    strcpy(sha256, hash);
    return true;
}

static void cache_add(cJSON *cache, const char *file, const char *path, const struct stat *st, const char *sha256)
{
    char time[48];
    Err ignored;
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddNumberToObject(entry, "size", (double)st->st_size);
    cJSON_AddStringToObject(entry, "time", time_text(st, time));
    cJSON_AddStringToObject(entry, "sha256", sha256);
    cJSON_DeleteItemFromObjectCaseSensitive(cache, path);
    cJSON_AddItemToObject(cache, path, entry);
    while (cJSON_GetArraySize(cache) > ENTRIES_MAX) cJSON_DeleteItemFromArray(cache, 0);
    char *text = cJSON_Print(cache);
    if (text) file_write(file, (Bytes){ (const unsigned char *)text, strlen(text) }, &ignored);
    cJSON_free(text);
}

/* One computation, in a thread of its own while there is something else to do. */
struct Hashing {
    pthread_t thread;
    bool started;     /* the thread */
    atomic_bool stop; /* nobody wants it any more */
    const Parts *parts;
    char *path; /* absolute, of the file that is remembered; NULL: none is */
    struct stat st;
    char sha256[HEX + 1];
};

/* An index only names its shards: their tensors count, in its order. */
static void *compute(void *arg)
{
    struct Hashing *h = arg;
    const Parts *parts = h->parts;
    struct sha256_ctx ctx;
    unsigned char digest[SHA256_DIGEST_SIZE];
    Weights *unet = parts->part[PART_UNET].weights;
    bool shards = parts->hashed_path && str_ends(parts->hashed_path, ".json");

    sha256_init(&ctx);
    for (size_t at = 0, n; at < parts->hashed.len && !h->stop; at += n) {
        n = parts->hashed.len - at < PIECE ? parts->hashed.len - at : PIECE;
        sha256_update(&ctx, n, parts->hashed.data + at);
        if (parts->hashed_path) file_forget((Bytes){ parts->hashed.data + at, n });
    }
    for (size_t i = 0; shards && i < weights_count(unet) && !h->stop; i++)
        sha256_update(&ctx, weights_at(unet, i)->bytes, weights_at(unet, i)->data);
    sha256_digest(&ctx, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) snprintf(h->sha256 + 2 * i, 3, "%02x", digest[i]);
    return NULL;
}

/* What is to be computed; NULL when it is known from an earlier run. */
static struct Hashing *unknown(Model *m)
{
    struct Hashing *h = mem_alloc(sizeof *h);
    h->parts = m->files;
    h->path = h->parts->hashed_path ? realpath(h->parts->hashed_path, NULL) : NULL;
    if (h->path && (stat(h->path, &h->st) || str_ends(h->path, ".json"))) {
        free(h->path);
        h->path = NULL;
    }
    if (!h->path) return h;
    char *file = cache_path();
    cJSON *cache = cache_read(file);
    bool known = cache_find(cache, h->path, &h->st, m->sha256);
    cJSON_Delete(cache);
    free(file);
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

int model_hash(Model *m, Err *e)
{
    (void)e; /* the file is mapped already */
    if (m->sha256[0]) return 0;
    struct Hashing *h = m->hashing ? m->hashing : (m->hashing = unknown(m));
    if (!h) return 0;
    if (h->started) pthread_join(h->thread, NULL);
    else compute(h);
    memcpy(m->sha256, h->sha256, sizeof m->sha256);

    char *file = h->path ? cache_path() : NULL;
    if (file) { /* read again: another run may have written meanwhile */
        cJSON *cache = cache_read(file);
        cache_add(cache, file, h->path, &h->st, m->sha256);
        cJSON_Delete(cache);
    }
    free(file);
    hashing_free(m);
    return 0;
}
