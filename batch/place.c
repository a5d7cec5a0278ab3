/* place.c - see place.h. */
#include "batch/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sha.h"
#include "base/str.h"

/* All that limn ever writes in the staging folder. */
static const char picture[] = "picture", manifest[] = "manifest";

static void empty_staging(const Place *p)
{
    folder_remove(&p->staging, picture);
    folder_remove(&p->staging, manifest);
}

static int check_staging(const Place *p, Err *e)
{
    struct stat st;
    if (fstat(p->staging.fd, &st)) return err_set(e, "%s: %s", p->staging.path, strerror(errno));
    if (folder_owns(p->folder, &st)) return 0;
    return err_set(e, "%s belongs to another user (%u): limn empties its own folders only; remove it", p->staging.path,
                   (unsigned)st.st_uid);
}

int place_open(Place *p, const Folder *folder, const Shard *s, Err *e)
{
    Str name = { 0 };
    str_add(&name, ".limn-batch");
    if (s->of > 1) str_addf(&name, "-%llu-of-%llu", (unsigned long long)s->at, (unsigned long long)s->of);
    *p = (Place){ .folder = folder, .name = mem_strdup(str_text(&name)) };
    str_release(&name);
    if (folder_below(&p->staging, folder, p->name, true, e)) return -1;
    if (check_staging(p, e)) {
        folder_close(&p->staging);
        return -1;
    }
    empty_staging(p);
    folder_sweep(folder);
    return 0;
}

void place_close(Place *p)
{
    if (p->staging.fd) {
        empty_staging(p);
        unlinkat(p->folder->fd, p->name, AT_REMOVEDIR); /* if there is nothing of others in it */
    }
    folder_close(&p->staging);
    free(p->name);
    *p = (Place){ 0 };
}

static bool hopeless(int why)
{
    return why == ENOSPC || why == EDQUOT || why == EROFS || why == EIO || why == ENODEV || why == ESTALE ||
           why == EACCES || why == EPERM || why == EFBIG;
}

/* A new file in the staging folder. -1 with errno set. */
static int stage(const Place *p, const char *name)
{
    folder_remove(&p->staging, name);
    return openat(p->staging.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
}

/* The picture, whole and fsynced, in the staging folder. -1 with errno set. */
static int write_staged(const Place *p, Bytes data)
{
    int fd = stage(p, picture);
    if (fd < 0) return -1;
    int failed = file_write_all(fd, data) || fsync(fd), why = errno;
    if (close(fd) && !failed) failed = 1, why = errno;
    errno = why;
    return failed ? -1 : 0;
}

int place_file(const Place *p, const char *file, Bytes data, bool *fatal, Err *e)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    char *above = mem_strndup(file, slash ? (size_t)(slash - file) : 0);
    Folder folder;
    int failed = folder_below(&folder, p->folder, above, true, e), why = errno;
    free(above);
    if (!failed && folder_check_target(&folder, name, e)) {
        failed = -1, why = EEXIST;
        folder_close(&folder);
    } else if (!failed) {
        failed = write_staged(p, data) || renameat(p->staging.fd, picture, folder.fd, name);
        why = errno;
        if (failed) {
            unlinkat(p->staging.fd, picture, 0);
            err_set(e, "%s%s: cannot write: %s", p->folder->path, file, strerror(why));
        } else {
            fsync(folder.fd); /* some file systems refuse; the rename itself was atomic */
        }
        folder_close(&folder);
    }
    *fatal = failed && hopeless(why);
    return failed ? -1 : 0;
}

int place_new_manifest(const Place *p, Err *e)
{
    int fd = stage(p, manifest);
    return fd >= 0 ? fd : err_set(e, "%s%s: cannot write there: %s", p->staging.path, manifest, strerror(errno));
}

int place_manifest(const Place *p, const char *name, Err *e)
{
    if (renameat(p->staging.fd, manifest, p->folder->fd, name))
        return err_set(e, "%s%s: cannot write: %s", p->folder->path, name, strerror(errno));
    fsync(p->folder->fd);
    return 0;
}

bool place_whole(const Folder *folder, const char *file, uint64_t bytes, const char *sha256)
{
    Bytes data;
    Err e;
    char found[65] = "";
    if (folder_map(folder, file, &data, &e)) return false;
    if (data.len == bytes) sha_hex(data, found);
    file_unmap(&data);
    return *found && strcmp(found, sha256) == 0;
}
