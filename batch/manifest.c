/* manifest.c - see manifest.h. Lines stay in the mapped files; an index from names to places is all that is kept of them. */
#define _GNU_SOURCE
#include "batch/manifest.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "batch/index.h"

const char manifest_name[] = "manifest.jsonl";

enum { OFFSET_BITS = 44 }; /* of a place: 16 TB a file, a million files */

static const double SEQ_MOST = 0x1p52; /* a higher one is not limn's, and could not be counted on from */

struct Manifest {
    const Folder *folder; /* borrowed; NULL: it is not there */
    char *name;           /* of our own file */
    int fd;               /* -1: only to look at */
    bool locked, made;    /* the folder; our own file, which was not there before */
    uint64_t seq;         /* the highest there is */
    Bytes *files;
    char **names;
    size_t file_count;
    Index lines; /* hash of a file's name -> place of its newest line + 1 */
    char date[16];
};

/* ---- lines ---- */

static Bytes line_at(const Manifest *m, uint64_t place)
{
    const Bytes *f = &m->files[place >> OFFSET_BITS];
    const unsigned char *at = f->data + (place & ((UINT64_C(1) << OFFSET_BITS) - 1));
    const unsigned char *end = memchr(at, '\n', f->len - (size_t)(at - f->data));
    return (Bytes){ at, (size_t)(end - at) };
}

static cJSON *parse_line(Bytes line)
{
    Err e;
    return json_check_size(line, &e) ? NULL : cJSON_ParseWithLength((const char *)line.data, line.len);
}

static const char *text_of(const cJSON *root, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, key));
    return s ? s : "";
}

/* What the index needs of a line. */
typedef struct {
    Str file;
    uint64_t seq;            /* 0: there is none */
    char time[32], date[16]; /* "": there is none */
} Head;

/* Copies what stands between a key and the next quote; a text with an escape is not for us. NULL, or where the quote is. */
static const char *find_text(Bytes line, const char *key, char *out, size_t size)
{
    const char *at = memmem(line.data, line.len, key, strlen(key)), *end = (const char *)line.data + line.len;
    if (!at) return NULL;
    at += strlen(key);
    const char *quote = memchr(at, '"', (size_t)(end - at));
    if (!quote || (size_t)(quote - at) >= size || memchr(at, '\\', (size_t)(quote - at))) return NULL;
    memcpy(out, at, (size_t)(quote - at));
    out[quote - at] = 0;
    return quote;
}

static uint64_t seq_of(double v) { return v >= 1 && v < SEQ_MOST ? (uint64_t)v : 0; }

/* `"seq":12` right behind the file's name. */
static uint64_t find_seq(const char *at, const char *end)
{
    static const char key[] = "\",\"seq\":";
    char digits[24] = "";
    size_t len = strlen(key);
    if ((size_t)(end - at) < len + sizeof digits || memcmp(at, key, len) != 0) return 0;
    memcpy(digits, at + len, sizeof digits - 1);
    return seq_of(strtod(digits, NULL));
}

/* A date as limn writes it: names are made of it. */
static bool is_date(const char *s)
{
    static const char form[] = "0000-00-00";
    for (int i = 0; i < 10; i++)
        if (form[i] == '-' ? s[i] != '-' : s[i] < '0' || s[i] > '9') return false;
    return !s[10];
}

/*
 * Our own lines begin with the file and have no spaces, and quotes within texts are escaped: no parser is needed. A line that
 * somebody else has written anew is parsed.
 */
static void read_head(Bytes line, Head *h)
{
    static const char begin[] = "{\"file\":\"";
    char file[1024];
    const char *quote = NULL, *end = (const char *)line.data + line.len;
    *h = (Head){ .time = "" };
    if (line.len > sizeof begin && memcmp(line.data, begin, sizeof begin - 1) == 0)
        quote = find_text(line, begin, file, sizeof file);
    if (quote && find_text(line, ",\"time\":\"", h->time, sizeof h->time)) {
        str_add(&h->file, file);
        h->seq = find_seq(quote, end);
        find_text(line, ",\"date\":\"", h->date, sizeof h->date);
    } else {
        cJSON *root = parse_line(line);
        str_add(&h->file, text_of(root, "file"));
        h->seq = seq_of(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(root, "seq")));
        snprintf(h->time, sizeof h->time, "%.30s", text_of(root, "time"));
        snprintf(h->date, sizeof h->date, "%.12s", text_of(root, "date"));
        cJSON_Delete(root);
    }
    if (!is_date(h->date)) h->date[0] = 0;
}

/* Whether the line at a place is newer than that at another, which was read before it: see manifest.h. */
static bool is_newer(const Manifest *m, const Head *h, uint64_t place, uint64_t before)
{
    if (place >> OFFSET_BITS == before >> OFFSET_BITS) return true;
    Head old;
    read_head(line_at(m, before), &old);
    str_release(&old.file);
    return h->seq != old.seq ? h->seq > old.seq : strcmp(h->time, old.time) >= 0;
}

/* Keeps where the newest line of a file is. */
static void index_line(Manifest *m, Bytes line, uint64_t place)
{
    Head h;
    read_head(line, &h);
    if (!m->date[0]) memcpy(m->date, h.date, sizeof m->date);
    if (h.file.len) {
        bool fresh;
        uint64_t *slot = index_add(&m->lines, index_hash(str_text(&h.file)), &fresh);
        if (fresh || is_newer(m, &h, place, *slot)) *slot = place;
    }
    if (h.seq > m->seq) m->seq = h.seq;
    str_release(&h.file);
}

static bool is_manifest(const char *name)
{
    unsigned at, of;
    char again[64];
    if (strcmp(name, manifest_name) == 0) return true;
    if (sscanf(name, "manifest-%6u-of-%6u.jsonl", &at, &of) != 2) return false;
    snprintf(again, sizeof again, "manifest-%u-of-%u.jsonl", at, of);
    return strcmp(name, again) == 0;
}

static int add_file(Manifest *m, const char *name, Err *e)
{
    Bytes file;
    if (folder_map(m->folder, name, &file, e)) return -1;
    m->files = mem_grow(m->files, (m->file_count + 1) * sizeof *m->files);
    m->names = mem_grow(m->names, (m->file_count + 1) * sizeof *m->names);
    m->files[m->file_count] = file;
    m->names[m->file_count++] = mem_strdup(name);
    uint64_t base = (uint64_t)(m->file_count - 1) << OFFSET_BITS;
    const unsigned char *end;
    for (size_t at = 0; at < file.len && (end = memchr(file.data + at, '\n', file.len - at));
         at = (size_t)(end - file.data) + 1)
        index_line(m, (Bytes){ file.data + at, (size_t)(end - file.data) - at }, base | at);
    return 0;
}

static int read_all(Manifest *m, Err *e)
{
    int fd = openat(m->folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), failed = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d && fd >= 0) close(fd);
    if (!d) return err_set(e, "%s: cannot list this folder: %s", m->folder->path, strerror(errno));
    for (struct dirent *f; !failed && (f = readdir(d));)
        if (is_manifest(f->d_name)) failed = add_file(m, f->d_name, e);
    closedir(d);
    return failed;
}

/* ---- opening ---- */

static Manifest *manifest_new(const Folder *folder)
{
    Manifest *m = mem_alloc(sizeof *m);
    m->folder = folder;
    m->fd = -1;
    return m;
}

Manifest *manifest_read(const Folder *folder, Err *e)
{
    Manifest *m = manifest_new(folder);
    if (!folder || read_all(m, e) == 0) return m;
    manifest_close(m);
    return NULL;
}

static int busy(const Manifest *m, const char *what, Err *e)
{
    return err_set(e, "%s: another limn batch works on %s; wait for it, or stop it first", m->folder->path, what);
}

/* The whole excludes every shard and the other way round; where a file system has no such locks there is none. */
static int lock_folder(Manifest *m, const Shard *s, Err *e)
{
    m->locked = flock(m->folder->fd, (s->of > 1 ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0;
    if (!m->locked && errno == EWOULDBLOCK) return busy(m, s->of > 1 ? "all of it" : "this folder", e);
    return 0;
}

/* Whether the opened file still has its name. */
static bool is_named(const Manifest *m)
{
    struct stat ours, named;
    return fstat(m->fd, &ours) == 0 && fstatat(m->folder->fd, m->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* Our own file, locked; the one that is there under its name, and not one that was removed meanwhile. */
static int lock_file(Manifest *m, Err *e)
{
    for (int tries = 0; tries < 10; tries++) {
        m->fd = folder_open_own(m->folder, m->name, O_APPEND, &m->made, e);
        if (m->fd < 0) return -1;
        if (flock(m->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return busy(m, "this shard", e);
        if (is_named(m)) return 0;
        close(m->fd);
        m->fd = -1;
    }
    return err_set(e, "%s%s: it comes and goes: another program works there", m->folder->path, m->name);
}

/* Other tools write files of this name too: one that has lines has one that tells of a file, or begins as such a line does. */
static bool is_limns(Bytes file)
{
    static const char begin[] = "{\"file\":\"";
    bool found = memcmp(file.data, begin, file.len < sizeof begin - 1 ? file.len : sizeof begin - 1) == 0;
    const unsigned char *end;
    for (size_t at = 0; !found && at < file.len && (end = memchr(file.data + at, '\n', file.len - at));
         at = (size_t)(end - file.data) + 1) {
        Head h;
        read_head((Bytes){ file.data + at, (size_t)(end - file.data) - at }, &h);
        found = h.file.len > 0;
        str_release(&h.file);
    }
    return found;
}

/* A line without its end is what a crash has left. */
static int cut_torn_line(Manifest *m, Err *e)
{
    Bytes file;
    if (folder_map(m->folder, m->name, &file, e)) return -1;
    const unsigned char *end = memrchr(file.data, '\n', file.len);
    size_t len = end ? (size_t)(end - file.data) + 1 : 0;
    bool ours = is_limns(file), torn = len < file.len;
    file_unmap(&file);
    if (!ours)
        return err_set(e, "%s%s is another program's: no line of it tells of a picture; choose another folder",
                       m->folder->path, m->name);
    if (!torn || ftruncate(m->fd, (off_t)len) == 0) return 0;
    return err_set(e, "%s%s: cannot cut off the half line at its end: %s", m->folder->path, m->name, strerror(errno));
}

Manifest *manifest_open(const Folder *folder, const Shard *s, Err *e)
{
    Manifest *m = manifest_new(folder);
    Str name = { 0 };
    if (s->of > 1) str_addf(&name, "manifest-%llu-of-%llu.jsonl", (unsigned long long)s->at, (unsigned long long)s->of);
    else str_add(&name, manifest_name);
    m->name = mem_strdup(str_text(&name));
    str_release(&name);
    if (lock_folder(m, s, e) == 0 && lock_file(m, e) == 0 && cut_torn_line(m, e) == 0 && read_all(m, e) == 0) return m;
    manifest_close(m);
    return NULL;
}

void manifest_close(Manifest *m)
{
    struct stat st;
    if (!m) return;
    if (m->fd >= 0 && m->made && fstat(m->fd, &st) == 0 && st.st_size == 0 && is_named(m))
        unlinkat(m->folder->fd, m->name, 0); /* nothing was drawn: no trace of us */
    if (m->fd >= 0) close(m->fd);
    if (m->locked) flock(m->folder->fd, LOCK_UN);
    for (size_t i = 0; i < m->file_count; i++) {
        file_unmap(&m->files[i]);
        free(m->names[i]);
    }
    free(m->files);
    free(m->names);
    free(m->name);
    index_release(&m->lines);
    free(m);
}

/* ---- using it ---- */

static void copy_text(char *out, size_t size, const char *text) { snprintf(out, size, "%s", text); }

bool manifest_find(const Manifest *m, const char *file, Entry *out)
{
    uint64_t *place = index_find(&m->lines, index_hash(file));
    *out = (Entry){ .status = STATUS_NONE };
    if (!place) return false;
    Bytes line = line_at(m, *place);
    cJSON *root = parse_line(line);
    bool found = strcmp(text_of(root, "file"), file) == 0;
    if (found) {
        const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
        const char *status = text_of(root, "status");
        double bytes = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(root, "bytes"));
        out->status = strcmp(status, "done") == 0     ? STATUS_DONE
                      : strcmp(status, "failed") == 0 ? STATUS_FAILED
                                                      : STATUS_NONE;
        out->refused = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "refused"));
        out->bytes = bytes >= 0 && bytes < 0x1p53 ? (uint64_t)bytes : 0;
        copy_text(out->key, sizeof out->key, text_of(root, "key"));
        copy_text(out->sha256, sizeof out->sha256, text_of(root, "sha256"));
        copy_text(out->model_sha256, sizeof out->model_sha256, text_of(model, "sha256"));
        copy_text(out->model, sizeof out->model, text_of(model, "path"));
        copy_text(out->error, sizeof out->error, text_of(root, "error"));
        str_addn(&out->line, (const char *)line.data, line.len);
    }
    cJSON_Delete(root);
    return found;
}

size_t manifest_count(const Manifest *m) { return m->lines.count; }
const char *manifest_date(const Manifest *m) { return m->date[0] ? m->date : NULL; }

uint64_t manifest_seq(const Manifest *m) { return m->seq + 1; }

int manifest_append(Manifest *m, const char *line, Err *e)
{
    size_t len = strlen(line);
    struct stat before;
    char *text = mem_alloc(len + 2);
    snprintf(text, len + 2, "%s\n", line);
    if (fstat(m->fd, &before)) before.st_size = -1;
    size_t at = 0;
    while (at < len + 1) {
        ssize_t n = write(m->fd, text + at, len + 1 - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        at += (size_t)n;
    }
    int why = errno;
    free(text);
    if (at == len + 1 && fsync(m->fd) == 0) {
        m->seq++;
        return 0;
    }
    if (at == len + 1) why = errno;
    if (before.st_size >= 0 && ftruncate(m->fd, before.st_size)) why = errno;
    return err_set(e, "%s%s: cannot write: %s", m->folder->path, m->name, strerror(why));
}

int manifest_others(const Manifest *m, const Index *names, int (*take)(void *ctx, const char *line, size_t len),
                    void *ctx)
{
    for (size_t i = 0; i < m->lines.cap; i++) {
        uint64_t hash = m->lines.slots[2 * i];
        if (!hash || index_find(names, hash)) continue;
        Bytes line = line_at(m, m->lines.slots[2 * i + 1]);
        int rc = take(ctx, (const char *)line.data, line.len);
        if (rc) return rc;
    }
    return 0;
}

void manifest_replaced(Manifest *m)
{
    for (size_t i = 0; i < m->file_count; i++)
        if (strcmp(m->names[i], manifest_name) != 0) folder_remove(m->folder, m->names[i]);
    close(m->fd); /* the old file, which has no name any more */
    m->fd = -1;
}
