/*
 * hash.c - a model's SHA-256 (by nettle, which uses the CPU's instructions for it), remembered between runs: the file of
 * a checkpoint is large, and every picture carries its hash.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

#include "base/mem.h"
#include "pipeline/digest.h"
#include "pipeline/file_notes.h"
#include "pipeline/parts.h"
#include "weights/source.h"

enum { HEX = 2 * SHA256_DIGEST_SIZE, PIECE = 16 << 20 };

static const char note[] = "sha256";

static bool is_known(const char *path, const FileId *id, char sha256[HEX + 1])
{
    char hash[HEX + 1];
    if (!file_note_get(path, id, note, hash, sizeof hash) || strspn(hash, "0123456789abcdef") != HEX) return false;
    memcpy(sha256, hash, sizeof hash);
    return true;
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
    h->parts = m->files;
    if (!h->parts->hashed_path || str_ends(h->parts->hashed_path, ".json")) return h;
    h->path = realpath(h->parts->hashed_path, NULL);
    if (!h->path || !is_known(h->path, &h->parts->hashed_id, m->sha256)) return h;
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
    if (h->started) pthread_join(h->thread, NULL);
    else compute(h);
    memcpy(m->sha256, h->sha256, sizeof m->sha256);
    if (h->path) file_note_put(h->path, &h->parts->hashed_id, note, m->sha256);
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
    if (file_map_as(&file, &id, path, e)) return -1;
    char *full = realpath(path, NULL);
    if (!full || !is_known(full, &id, hex)) {
        digest_hex(file, hex);
        if (full) file_note_put(full, &id, note, hex);
    }
    file_unmap(&file);
    free(full);
    return 0;
}
