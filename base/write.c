/* write.c - files written whole or not at all: see folder.h, and file.h for the same by a path. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/temporary.h"

int folder_check_target(const Folder *f, const char *name, Err *e)
{
    struct stat st;
    if (!*name) return err_set(e, "%s: is a directory", f->path);
    if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW)) { /* a name too long, a folder that is a file */
        if (errno == ENOENT) return 0;
        return err_set(e, "%s%s: cannot write there: %s", f->path, name, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) return err_set(e, "%s%s: is a directory", f->path, name);
    if (S_ISLNK(st.st_mode)) return 0;
    if (!S_ISREG(st.st_mode)) /* /dev/null would become a file */
        return err_set(e, "%s%s: not a regular file, and it would be replaced by one", f->path, name);
    if (!folder_owns(f, &st))
        return err_set(e, "%s%s belongs to another user (%u), and it would be replaced: another name, or remove it",
                       f->path, name, (unsigned)st.st_uid);
    return 0;
}

/* Gives the finished temporary file a name that is free. -1 with errno set; *exists: it is not. */
static int publish_new(const Temporary *t, const char *name, bool *exists)
{
    int in = t->folder;
    int failed = renameat2(in, t->name, in, name, RENAME_NOREPLACE);
    if (failed && (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP)) { /* NFS, or a kernel of before 3.15 */
        failed = linkat(in, t->name, in, name, 0);
        if (!failed) unlinkat(in, t->name, 0); /* else the next run sweeps it away */
        else if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS || errno == EMLINK) { /* no hard links: FAT */
            failed = faccessat(in, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? (errno = EEXIST, -1)
                                                                         : renameat(in, t->name, in, name);
        }
    }
    *exists = failed && errno == EEXIST;
    return failed;
}

static int publish(const Temporary *t, const char *name, bool *exists)
{
    return exists ? publish_new(t, name, exists) : renameat(t->folder, t->name, t->folder, name);
}

static int cannot(const Folder *f, const char *name, int why, Err *e)
{
    return err_set(e, "%s%s: cannot write: %s", f->path, name, strerror(why));
}

static int make_bytes(void *ctx, int fd, Err *e)
{
    (void)e;
    return file_write_all(fd, *(const Bytes *)ctx);
}

/* silent: make() leaves the reason in errno. */
static int write_whole(const Folder *f, const char *name, const FileMaker *m, bool silent, bool *exists, Err *e)
{
    Temporary t;
    if (!exists && folder_check_target(f, name, e)) return -1;
    if (temporary_open(&t, f->fd)) return err_set(e, "%s%s: cannot write there: %s", f->path, name, strerror(errno));
    if (m->make(m->ctx, t.fd, e)) {
        int why = errno;
        temporary_drop(&t);
        return silent ? cannot(f, name, why, e) : -1;
    }
    int failed = temporary_sync(&t) || publish(&t, name, exists), why = errno;
    if (failed) {
        temporary_drop(&t);
        if (exists && *exists) return err_set(e, "%s%s: exists already", f->path, name);
        return cannot(f, name, why, e);
    }
    temporary_forget(&t);
    fsync(f->fd); /* some file systems refuse; the rename itself was atomic */
    return 0;
}

int folder_write_made(const Folder *f, const char *name, const FileMaker *m, bool *exists, Err *e)
{
    if (exists) *exists = false;
    return write_whole(f, name, m, false, exists, e);
}

int folder_write(const Folder *f, const char *name, Bytes data, Err *e)
{
    return write_whole(f, name, &(FileMaker){ &data, make_bytes }, true, NULL, e);
}

int folder_write_text(const Folder *f, const char *name, const char *text, Err *e)
{
    return folder_write(f, name, (Bytes){ (const unsigned char *)text, strlen(text) }, e);
}

int folder_write_new(const Folder *f, const char *name, Bytes data, bool *exists, Err *e)
{
    *exists = false;
    return write_whole(f, name, &(FileMaker){ &data, make_bytes }, true, exists, e);
}

int folder_check_writable(const Folder *f, const char *name, Err *e)
{
    if (folder_check_target(f, name, e)) return -1;
    folder_sweep(f);
    int fd = temporary_nameless(f->fd);
    if (fd < 0) return err_set(e, "%s%s: cannot write there: %s", f->path, name, strerror(errno));
    close(fd);
    return 0;
}

/* ---- by a path ---- */

int file_write(const char *path, Bytes data, Err *e)
{
    Folder f;
    const char *name;
    if (folder_of(&f, path, &name, e)) return -1;
    int failed = folder_write(&f, name, data, e);
    folder_close(&f);
    return failed;
}

int file_write_new(const char *path, Bytes data, bool *exists, Err *e)
{
    Folder f;
    const char *name;
    *exists = false;
    if (folder_of(&f, path, &name, e)) return -1;
    int failed = folder_write_new(&f, name, data, exists, e);
    folder_close(&f);
    return failed;
}

int file_check_writable(const char *path, Err *e)
{
    Folder f;
    const char *name;
    if (file_is_dir(path)) return err_set(e, "%s: is a directory", path);
    if (folder_of(&f, path, &name, e)) return -1;
    int failed = folder_check_writable(&f, name, e);
    folder_close(&f);
    return failed;
}
