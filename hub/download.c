/* download.c - see download.h. */
#define _GNU_SOURCE
#include "hub/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "base/magic.h"
#include "base/mem.h"
#include "hub/files.h"
#include "hub/url.h"
#include "weights/read.h"

enum { PIECE = 1 << 20, SHA256_HEX = 64, SHA1_HEX = 40 };

/* ---- hashes ---- */

/* SHA-256 of the content, or git's of a blob; neither where none is known. */
typedef struct {
    struct sha256_ctx sha256;
    struct sha1_ctx sha1;
    size_t hex;
} Hash;

static void hash_begin(Hash *h, const HubFile *f)
{
    char head[40];
    h->hex = strlen(f->hash);
    sha256_init(&h->sha256);
    sha1_init(&h->sha1);
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)f->size);
    sha1_update(&h->sha1, (size_t)n + 1, (const uint8_t *)head);
}

static void hash_add(Hash *h, const unsigned char *data, size_t n)
{
    if (h->hex == SHA256_HEX) sha256_update(&h->sha256, n, data);
    if (h->hex == SHA1_HEX) sha1_update(&h->sha1, n, data);
}

static bool hash_fits(Hash *h, const HubFile *f, char hex[SHA256_HEX + 1])
{
    uint8_t digest[32] = { 0 };
    size_t n = h->hex / 2;
    if (h->hex == SHA256_HEX) sha256_digest(&h->sha256, n, digest);
    else if (h->hex == SHA1_HEX) sha1_digest(&h->sha1, n, digest);
    else return true;
    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return strcasecmp(hex, f->hash) == 0;
}

bool hub_verified(const Folder *in, const char *name, const HubFile *file)
{
    Bytes bytes;
    Err ignored;
    Hash h;
    char hex[SHA256_HEX + 1];
    if (folder_map(in, name, &bytes, &ignored)) return false;
    bool right = file->size != HTTP_UNKNOWN && bytes.len == file->size;
    if (right) {
        HubFile known = *file;
        hash_begin(&h, &known);
        hash_add(&h, bytes.data, bytes.len);
        right = h.hex && hash_fits(&h, &known, hex);
    }
    file_unmap(&bytes);
    return right;
}

/* ---- one file on its way ---- */

typedef struct {
    const Folder *into;
    HubFile file; /* what is known of it; the server may tell more */
    const char *token;
    const HubWatch *w;
    int fd;
    uint64_t have;
    Hash hash;
    unsigned char *piece; /* [PIECE] */
    Str partial;          /* its name meanwhile */
    char named[260];      /* what the server calls it; "" */
} Download;

static void tell(const Download *d)
{
    if (d->w->bytes) d->w->bytes(d->w->ctx, d->file.path, d->have, d->file.size);
}

/* From the beginning again. */
static int start_anew(Download *d, Err *e)
{
    if (ftruncate(d->fd, 0) || lseek(d->fd, 0, SEEK_SET)) return err_set(e, "cannot write: %s", strerror(errno));
    d->have = 0;
    hash_begin(&d->hash, &d->file);
    return 0;
}

/* Takes up what an earlier try left. */
static int take_up(Download *d, Err *e)
{
    hash_begin(&d->hash, &d->file);
    for (ssize_t n; (n = read(d->fd, d->piece, PIECE)) != 0;) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set(e, "cannot read what was fetched: %s", strerror(errno));
        hash_add(&d->hash, d->piece, (size_t)n);
        d->have += (uint64_t)n;
        if (d->file.size != HTTP_UNKNOWN && d->have > d->file.size) return start_anew(d, e);
        if (d->w->stop && d->w->stop(d->w->ctx)) {
            err_set(e, "interrupted");
            e->code = ERR_INTERRUPTED;
            return -1;
        }
    }
    bool unsure = d->file.size == HTTP_UNKNOWN || !d->file.hash[0]; /* what is there may be of another file */
    return unsure && d->have ? start_anew(d, e) : 0;
}

static int check_room(const Download *d, Err *e)
{
    struct statvfs s;
    if (d->file.size == HTTP_UNKNOWN || fstatvfs(d->fd, &s)) return 0;
    uint64_t room = (uint64_t)s.f_bavail * s.f_frsize, need = d->file.size - d->have;
    if (need <= room) return 0;
    return err_set(e, "%.2f GB more are wanted and the disk has %.2f GB", (double)need * 1e-9, (double)room * 1e-9);
}

/* What the answer says of the whole against what is known. 0, or -1 with e set. */
static int check_answer(Download *d, const HttpReply *r, Err *e)
{
    uint64_t whole = r->status == 206 ? r->total : r->length;
    if (r->linked_size != HTTP_UNKNOWN && r->status == 200 && whole == HTTP_UNKNOWN) whole = r->linked_size;
    if (d->file.size == HTTP_UNKNOWN) d->file.size = whole;
    if (whole != HTTP_UNKNOWN && whole != d->file.size)
        return err_set(e, "%s says that it is %llu bytes long, the hub's list %llu: not fetched", r->host,
                       (unsigned long long)whole, (unsigned long long)d->file.size);
    if (d->file.hash[0] == 0 && (strlen(r->etag) == SHA256_HEX) &&
        strspn(r->etag, "0123456789abcdefABCDEF") == SHA256_HEX && r->linked_size != HTTP_UNKNOWN)
        memcpy(d->file.hash, r->etag, SHA256_HEX + 1);
    if (!d->named[0]) memcpy(d->named, r->file_name, sizeof d->named);
    return 0;
}

/* The body to the file. *again: what came counts, and the rest may come by another try. */
static int receive(Download *d, Http *h, const HttpReply *r, bool *again, Err *e)
{
    size_t got = 1;
    bool whole = false;
    while (got) {
        if (http_read(h, d->piece, PIECE, &got, e)) {
            http_close(h, false, &(Err){ 0 });
            return -1;
        }
        if (!d->have && got && strstr(r->content_type, "text/html") && !str_ends(d->file.path, ".html")) {
            http_close(h, false, e);
            return err_set(
                e, "%s sends a web page in place of the file: log in there, or accept its terms, and give a token",
                r->host);
        }
        if (d->file.size != HTTP_UNKNOWN && d->have + got > d->file.size) {
            http_close(h, false, e);
            return err_set(e, "%s sends more than the %llu bytes that it said", r->host,
                           (unsigned long long)d->file.size);
        }
        if (file_write_all(d->fd, (Bytes){ d->piece, got })) {
            int why = errno;
            http_close(h, false, e);
            return err_set(e, "cannot write: %s", strerror(why));
        }
        hash_add(&d->hash, d->piece, got);
        d->have += got;
        tell(d);
    }
    *again = true;
    if (http_close(h, true, e)) return err_in(e, r->host);
    whole = d->file.size == HTTP_UNKNOWN || d->have == d->file.size;
    if (whole) return 0;
    return err_set(e, "%s ended after %llu of %llu bytes", r->host, (unsigned long long)d->have,
                   (unsigned long long)d->file.size);
}

/* One try at what is left. */
static int try_once(Download *d, HttpReply *r, bool *again, Err *e)
{
    HttpAsk ask = { .url = d->file.url,
                    .what = d->file.path,
                    .token = d->token,
                    .from = d->have,
                    .stop = d->w->stop,
                    .ctx = d->w->ctx };
    Http *h = http_open(&ask, r, again, e);
    if (!h) return -1;
    bool rest = r->status == 206 && r->begin == d->have;
    if (r->status == 200 || rest) {
        *again = false;
        if (check_answer(d, r, e) || (!rest && d->have && start_anew(d, e)) || check_room(d, e)) {
            http_close(h, false, &(Err){ 0 });
            return -1;
        }
        if (!rest && !d->have) hash_begin(&d->hash, &d->file);
        return receive(d, h, r, again, e);
    }
    http_close(h, false, e);
    bool beyond = d->have && (r->status == 416 || r->status == 206); /* what is there does not belong to it */
    bool expired = r->led_away && r->status == 403;                  /* a signed address: asked for anew */
    *again = http_worth_another(r) || beyond || expired;
    if (beyond && start_anew(d, e)) return -1;
    return http_refused(r, d->file.path, e);
}

/* All tries; one that brought a good piece makes the next ones count from 1 again. */
static int fetch(Download *d, Err *e)
{
    HttpReply r;
    for (int tried = 1;; tried++) {
        uint64_t before = d->have;
        bool again = false;
        if (d->file.size != HTTP_UNKNOWN && d->have == d->file.size) return 0;
        if (!try_once(d, &r, &again, e)) return 0;
        if (!again || e->code == ERR_INTERRUPTED) return -1;
        if (d->have >= before + PIECE) tried = 1;
        if (tried == HTTP_TRIES) return -1;
        if (d->w->say) {
            Str words = { 0 };
            str_addf(&words, "%s: %s; trying again", d->file.path, e->text);
            d->w->say(d->w->ctx, words.s);
            str_release(&words);
        }
        if (http_wait(&(HttpAsk){ .stop = d->w->stop, .ctx = d->w->ctx }, tried, &r, e)) return -1;
    }
}

/* Whole, right, and under its name. */
static int publish(Download *d, const char *name, Err *e)
{
    char hex[SHA256_HEX + 1] = "";
    if (!hash_fits(&d->hash, &d->file, hex)) {
        folder_remove(d->into, d->partial.s);
        return err_set(e, "its %s is %s, and should be %s: what was fetched is removed; try again",
                       d->hash.hex == SHA256_HEX ? "SHA-256" : "git hash", hex, d->file.hash);
    }
    if (fsync(d->fd)) return err_set(e, "cannot write: %s", strerror(errno));
    if (folder_check_target(d->into, name, e)) return -1;
    if (renameat(d->into->fd, d->partial.s, d->into->fd, name))
        return err_set(e, "%s%s: %s", d->into->path, name, strerror(errno));
    fsync(d->into->fd);
    return 0;
}

/* Without a hash from anywhere: at least no web page, and weights where weights are meant. */
static int check_content(const Download *d, const char *name, Err *e)
{
    Bytes bytes;
    if (d->file.hash[0]) return 0;
    if (folder_map(d->into, d->partial.s, &bytes, e)) return -1;
    const Magic m = magic_of(bytes);
    bool weights = m.kind == MAGIC_SAFETENSORS || m.kind == MAGIC_WEIGHTS;
    bool settings = str_ends(name, ".json") && !hub_files_is_index(name);
    bool page = m.what && ((weights_ending(name) && !weights) || (settings && m.kind == MAGIC_OTHER));
    if (page) err_set(e, "what came is %s", m.what);
    file_unmap(&bytes);
    if (page) folder_remove(d->into, d->partial.s);
    return page ? -1 : 0;
}

static int open_partial(Download *d, Err *e)
{
    bool made;
    d->fd = folder_open_own(d->into, d->partial.s, O_RDWR, &made, e);
    if (d->fd < 0) return -1;
    if (flock(d->fd, LOCK_EX | LOCK_NB)) return err_set(e, "another program is fetching it");
    return 0;
}

int hub_download(const Folder *into, const char *name, const HubFile *file, const char *token, const HubWatch *w,
                 Str *name_out, Err *e)
{
    Download d = { .into = into, .file = *file, .token = token, .w = w, .fd = -1, .piece = mem_alloc(PIECE) };
    str_addf(&d.partial, "%s.%.12s.limn.incomplete", *name ? name : "download", file->hash[0] ? file->hash : "unknown");
    int failed = open_partial(&d, e) || take_up(&d, e) || fetch(&d, e);
    if (!failed && name_out) {
        url_file_name(d.named, name_out); /* no '/' and nothing else that is no name */
        if (!name_out->len && url_safe_path(d.named) && !strchr(d.named, '/')) str_add(name_out, d.named);
        if (!name_out->len) url_file_name(file->url, name_out);
        if (!name_out->len) failed = err_set(e, "the server gives it no name: --to FILE");
        name = str_text(name_out);
    }
    failed = failed || check_content(&d, name, e) || publish(&d, name, e);
    if (d.fd >= 0) close(d.fd);
    str_release(&d.partial);
    free(d.piece);
    return failed ? err_in(e, file->path) : 0;
}
