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
#include "base/mem.h"
#include "batch/index.h"
#include "weights/json.h"

static const char whole_name[] = "manifest.jsonl";

enum { OFFSET_BITS = 44 }; /* of a place: 16 TB a file, a million files */

struct Manifest {
    char *folder, *path; /* path: our own file */
    int fd, folder_fd;   /* -1: only to look at */
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
    char time[32], date[16]; /* "": there is none */
} Head;

/* Copies what stands between a key and the next quote; a text with an escape is not for us. */
static bool find_text(Bytes line, const char *key, char *out, size_t size)
{
    const char *at = memmem(line.data, line.len, key, strlen(key)), *end = (const char *)line.data + line.len;
    if (!at) return false;
    at += strlen(key);
    const char *quote = memchr(at, '"', (size_t)(end - at));
    if (!quote || (size_t)(quote - at) >= size || memchr(at, '\\', (size_t)(quote - at))) return false;
    memcpy(out, at, (size_t)(quote - at));
    out[quote - at] = 0;
    return true;
}

/*
 * Our own lines begin with the file and have no spaces, and quotes within texts are escaped: no parser is needed. A line that
 * somebody else has written anew is parsed.
 */
static void read_head(Bytes line, Head *h)
{
    static const char begin[] = "{\"file\":\"";
    char file[1024];
    *h = (Head){ .time = "" };
    bool own = line.len > sizeof begin && memcmp(line.data, begin, sizeof begin - 1) == 0;
    if (own && find_text(line, begin, file, sizeof file) && find_text(line, ",\"time\":\"", h->time, sizeof h->time)) {
        str_add(&h->file, file);
        find_text(line, ",\"date\":\"", h->date, sizeof h->date);
        return;
    }
    cJSON *root = parse_line(line);
    str_add(&h->file, text_of(root, "file"));
    snprintf(h->time, sizeof h->time, "%.30s", text_of(root, "time"));
    snprintf(h->date, sizeof h->date, "%.10s", text_of(root, "date"));
    cJSON_Delete(root);
}

/* Keeps where the newest line of a file is. */
static void index_line(Manifest *m, Bytes line, uint64_t place)
{
    Head h;
    read_head(line, &h);
    if (!m->date[0]) memcpy(m->date, h.date, sizeof m->date);
    if (h.file.len) {
        bool fresh, newer = true;
        uint64_t *slot = index_add(&m->lines, index_hash(str_text(&h.file)), &fresh);
        if (!fresh) {
            Head old;
            read_head(line_at(m, *slot), &old);
            newer = strcmp(h.time, old.time) >= 0;
            str_release(&old.file);
        }
        if (newer) *slot = place;
    }
    str_release(&h.file);
}

static bool is_manifest(const char *name)
{
    unsigned long at, of;
    int end = 0;
    if (strcmp(name, whole_name) == 0) return true;
    return sscanf(name, "manifest-%lu-of-%lu.jsonl%n", &at, &of, &end) == 2 && end && !name[end];
}

static int add_file(Manifest *m, const char *name, Err *e)
{
    Str path = { 0 };
    Bytes file;
    str_addf(&path, "%s/%s", m->folder, name);
    int failed = file_map(&file, str_text(&path), e);
    str_release(&path);
    if (failed) return -1;
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
    DIR *d = opendir(m->folder);
    int failed = 0;
    if (!d) return errno == ENOENT ? 0 : err_set(e, "%s: %s", m->folder, strerror(errno));
    for (struct dirent *f; !failed && (f = readdir(d));)
        if (is_manifest(f->d_name)) failed = add_file(m, f->d_name, e);
    closedir(d);
    return failed;
}

/* ---- opening ---- */

static Manifest *manifest_new(const char *folder)
{
    Manifest *m = mem_alloc(sizeof *m);
    m->folder = mem_strdup(folder);
    m->fd = m->folder_fd = -1;
    return m;
}

Manifest *manifest_read(const char *folder, Err *e)
{
    Manifest *m = manifest_new(folder);
    if (read_all(m, e) == 0) return m;
    manifest_close(m);
    return NULL;
}

static int busy(const Manifest *m, const char *what, Err *e)
{
    return err_set(e, "%s: another limn batch works on %s; wait for it, or stop it first", m->folder, what);
}

/* The whole excludes every shard and the other way round; where a file system has no such locks there is none. */
static int lock_folder(Manifest *m, const Shard *s, Err *e)
{
    m->folder_fd = open(m->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m->folder_fd < 0) return err_set(e, "%s: %s", m->folder, strerror(errno));
    if (flock(m->folder_fd, (s->of > 1 ? LOCK_SH : LOCK_EX) | LOCK_NB) && errno == EWOULDBLOCK)
        return busy(m, s->of > 1 ? "all of it" : "this folder", e);
    return 0;
}

/* Our own file, locked; the one that is there under its name, and not one that was removed meanwhile. */
static int lock_file(Manifest *m, Err *e)
{
    for (int tries = 0; tries < 10; tries++) {
        struct stat open_one, named;
        m->fd = open(m->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (m->fd < 0) return err_set(e, "%s: cannot write there: %s", m->path, strerror(errno));
        if (flock(m->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return busy(m, "this shard", e);
        if (fstat(m->fd, &open_one) == 0 && stat(m->path, &named) == 0 && open_one.st_ino == named.st_ino) return 0;
        close(m->fd);
        m->fd = -1;
    }
    return err_set(e, "%s: it comes and goes: another program works there", m->path);
}

/* A line without its end is what a crash has left. */
static int cut_torn_line(Manifest *m, Err *e)
{
    struct stat st;
    char c;
    if (fstat(m->fd, &st)) return err_set(e, "%s: %s", m->path, strerror(errno));
    off_t size = st.st_size;
    while (size > 0 && pread(m->fd, &c, 1, size - 1) == 1 && c != '\n') size--;
    if (size == st.st_size || ftruncate(m->fd, size) == 0) return 0;
    return err_set(e, "%s: cannot cut off the half line at its end: %s", m->path, strerror(errno));
}

Manifest *manifest_open(const char *folder, const Shard *s, Err *e)
{
    Manifest *m = manifest_new(folder);
    Str path = { 0 };
    if (s->of > 1)
        str_addf(&path, "%s/manifest-%llu-of-%llu.jsonl", folder, (unsigned long long)s->at, (unsigned long long)s->of);
    else str_addf(&path, "%s/%s", folder, whole_name);
    m->path = mem_strdup(str_text(&path));
    str_release(&path);
    if (lock_folder(m, s, e) == 0 && lock_file(m, e) == 0 && cut_torn_line(m, e) == 0 && read_all(m, e) == 0) return m;
    manifest_close(m);
    return NULL;
}

void manifest_close(Manifest *m)
{
    struct stat st;
    if (!m) return;
    if (m->fd >= 0 && fstat(m->fd, &st) == 0 && st.st_size == 0)
        unlink(m->path); /* nothing was drawn: no trace of us */
    if (m->fd >= 0) close(m->fd);
    if (m->folder_fd >= 0) close(m->folder_fd);
    for (size_t i = 0; i < m->file_count; i++) {
        file_unmap(&m->files[i]);
        free(m->names[i]);
    }
    free(m->files);
    free(m->names);
    free(m->folder);
    free(m->path);
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
    if (at == len + 1 && fsync(m->fd) == 0) return 0;
    if (at == len + 1) why = errno;
    if (before.st_size >= 0 && ftruncate(m->fd, before.st_size)) why = errno;
    return err_set(e, "%s: cannot write: %s", m->path, strerror(why));
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

int manifest_replace(Manifest *m, const char *path, Err *e)
{
    Str target = { 0 };
    str_addf(&target, "%s/%s", m->folder, whole_name);
    int failed =
        rename(path, str_text(&target)) ? err_set(e, "%s: cannot write: %s", str_text(&target), strerror(errno)) : 0;
    if (!failed && m->folder_fd >= 0) fsync(m->folder_fd);
    for (size_t i = 0; i < m->file_count && !failed; i++) {
        if (strcmp(m->names[i], whole_name) == 0) continue;
        str_clear(&target);
        str_addf(&target, "%s/%s", m->folder, m->names[i]);
        unlink(str_text(&target));
    }
    close(m->fd); /* the old file, which has no name any more */
    m->fd = -1;
    str_release(&target);
    return failed;
}
