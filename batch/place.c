/* place.c - see place.h. */
#include "batch/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

int place_make_folder(const char *folder, Err *e)
{
    Str path = { 0 };
    int failed = 0;
    for (const char *p = folder; *p && !failed;) {
        size_t len = strcspn(p + 1, "/") + 1;
        str_addn(&path, p, len);
        p += len;
        if (mkdir(str_text(&path), 0777) && errno != EEXIST && !file_is_dir(str_text(&path)))
            failed = err_set(e, "%s: cannot make this folder: %s", str_text(&path), strerror(errno));
    }
    if (!failed && *folder && !file_is_dir(folder)) failed = err_set(e, "%s: not a folder", folder);
    str_release(&path);
    return failed;
}

static void empty_folder(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));) {
        Str path = { 0 };
        str_addf(&path, "%s/%s", folder, f->d_name);
        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0) unlink(str_text(&path));
        str_release(&path);
    }
    if (d) closedir(d);
}

int place_open(Place *p, const char *folder, const Shard *s, Err *e)
{
    Str staging = { 0 };
    str_addf(&staging, "%s/.limn-batch", folder);
    if (s->of > 1) str_addf(&staging, "-%llu-of-%llu", (unsigned long long)s->at, (unsigned long long)s->of);
    *p = (Place){ mem_strdup(folder), mem_strdup(str_text(&staging)) };
    str_release(&staging);
    if (place_make_folder(folder, e) || place_make_folder(p->staging, e)) return -1;
    empty_folder(p->staging);
    return 0;
}

void place_close(Place *p)
{
    if (p->staging) {
        empty_folder(p->staging);
        rmdir(p->staging);
    }
    free(p->folder);
    free(p->staging);
    *p = (Place){ 0 };
}

static bool hopeless(int why)
{
    return why == ENOSPC || why == EDQUOT || why == EROFS || why == EIO || why == ENODEV || why == ESTALE ||
           why == EACCES || why == EPERM || why == EFBIG;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd); /* some file systems refuse; the rename itself was atomic */
    close(fd);
}

int place_file(const Place *p, const char *file, Bytes data, bool *fatal, Err *e)
{
    Str temporary = { 0 }, path = { 0 }, folder = { 0 };
    const char *slash = strrchr(file, '/');
    str_addf(&temporary, "%s/picture", p->staging);
    str_addf(&path, "%s/%s", p->folder, file);
    str_addf(&folder, "%s/%.*s", p->folder, slash ? (int)(slash - file) : 0, file);
    *fatal = false;
    errno = 0;
    int failed = place_make_folder(str_text(&folder), e), why = errno;
    if (!failed) {
        int fd = open(str_text(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        failed = fd < 0 || file_write_all(fd, data) || fsync(fd);
        why = errno;
        if (fd >= 0 && close(fd) && !failed) failed = 1, why = errno;
        if (!failed && rename(str_text(&temporary), str_text(&path))) failed = 1, why = errno;
        if (failed) {
            unlink(str_text(&temporary));
            err_set(e, "%s: cannot write: %s", str_text(&path), strerror(why));
        } else {
            sync_folder(str_text(&folder));
        }
    }
    *fatal = failed && hopeless(why);
    str_release(&temporary);
    str_release(&path);
    str_release(&folder);
    return failed ? -1 : 0;
}

void place_sha256(Bytes data, char hex[65])
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    sha256_update(&sha, data.len, data.data);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

bool place_whole(const char *folder, const char *file, uint64_t bytes, const char *sha256)
{
    Str path = { 0 };
    struct stat st;
    Bytes data;
    Err e;
    char found[65] = "";
    str_addf(&path, "%s/%s", folder, file);
    if (stat(str_text(&path), &st) == 0 && (uint64_t)st.st_size == bytes && file_map(&data, str_text(&path), &e) == 0) {
        place_sha256(data, found);
        file_unmap(&data);
    }
    str_release(&path);
    return *found && strcmp(found, sha256) == 0;
}
