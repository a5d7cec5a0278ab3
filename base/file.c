/* file.c - see file.h. */
#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

/* The temporary file being written, for the signal handler: set before it is made, cleared after it is gone. */
static char temporary[4096];

int file_map(Bytes *out, const char *path, Err *e)
{
    *out = (Bytes){ 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (fd < 0) return err_set(e, "%s: %s", path, strerror(errno));

    struct stat st;
    void *p = NULL;
    if (fstat(fd, &st)) {
        err_set(e, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        err_set(e, "%s: not a regular file", path);
    } else if (st.st_size == 0) {
        out->data = (const unsigned char *)"";
        close(fd);
        return 0;
    } else {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            err_set(e, "%s: cannot map %lld bytes: %s", path, (long long)st.st_size, strerror(errno));
            p = NULL;
        }
    }
    close(fd);
    if (!p) return -1;
    *out = (Bytes){ p, (size_t)st.st_size };
    return 0;
}

void file_unmap(Bytes *b)
{
    if (b->len) munmap((void *)(size_t)b->data, b->len);
    *b = (Bytes){ 0 };
}

void file_forget(Bytes range)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = ((size_t)range.data + page - 1) / page * page;
    size_t end = ((size_t)range.data + range.len) / page * page;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Splits off the folder: "a/b.png" -> "a/", "b.png" -> "./". */
static void folder_of(Str *dir, const char *path)
{
    const char *slash = strrchr(path, '/');
    str_clear(dir);
    if (slash) str_addn(dir, path, (size_t)(slash - path) + 1);
    else str_add(dir, "./");
}

/* Makes an empty temporary file beside `path`; its name stays in `temporary`. */
static int open_beside(const char *path, Err *e)
{
    Str dir = { 0 };
    folder_of(&dir, path);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int n = snprintf(temporary, sizeof temporary, "%s.%.100s.XXXXXX", str_text(&dir), name);
    str_release(&dir);
    if (n < 0 || (size_t)n >= sizeof temporary) {
        temporary[0] = 0;
        return err_set(e, "path of %zu bytes is too long: %.60s...", strlen(path), path);
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        temporary[0] = 0;
        return err_set(e, "%s: cannot write there: %s", path, strerror(errno));
    }
    return fd;
}

void file_remove_temporary(void)
{
    if (temporary[0]) unlink(temporary);
}

int file_write_all(int fd, Bytes data)
{
    while (data.len) {
        ssize_t n = write(fd, data.data, data.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        data.data += n;
        data.len -= (size_t)n;
    }
    return 0;
}

/* Puts the finished temporary file in its place. */
static int publish(const char *path, bool *exists)
{
    if (!exists) return rename(temporary, path);
    if (link(temporary, path) == 0) return unlink(temporary);
    if (errno == EEXIST) {
        *exists = true;
        return -1;
    }
    if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS && errno != EMLINK) return -1;
    /* a file system without hard links (FAT, some network shares): rename without replacing */
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return 0;
    if (errno == EEXIST) *exists = true;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (access(path, F_OK) == 0) {
        *exists = true;
        return -1;
    }
    return rename(temporary, path);
}

static int write_whole(const char *path, Bytes data, bool *exists, Err *e)
{
    int fd = open_beside(path, e);
    if (fd < 0) return -1;

    mode_t mask = umask(0);
    umask(mask);
    int failed = file_write_all(fd, data) || fchmod(fd, 0666 & ~mask) || fsync(fd);
    int why = errno;
    if (close(fd) && !failed) failed = 1, why = errno;
    if (!failed && publish(path, exists)) failed = 1, why = errno;
    if (failed) {
        unlink(temporary);
        temporary[0] = 0;
        if (exists && *exists) return err_set(e, "%s: exists already", path);
        return err_set(e, "%s: cannot write: %s", path, strerror(why));
    }
    temporary[0] = 0;

    Str dir = { 0 };
    folder_of(&dir, path);
    int dfd = open(str_text(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    str_release(&dir);
    if (dfd >= 0) {
        fsync(dfd); /* some file systems refuse; the rename itself was atomic */
        close(dfd);
    }
    return 0;
}

int file_write(const char *path, Bytes data, Err *e) { return write_whole(path, data, NULL, e); }

int file_write_new(const char *path, Bytes data, bool *exists, Err *e)
{
    *exists = false;
    return write_whole(path, data, exists, e);
}

int file_check_writable(const char *path, Err *e)
{
    struct stat st;
    if (file_is_dir(path)) return err_set(e, "%s: is a directory", path);
    if (lstat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) /* /dev/null would become a file */
            return err_set(e, "%s: not a regular file, and it would be replaced by one", path);
    } else if (errno != ENOENT) { /* a name too long, a folder that is a file */
        return err_set(e, "%s: cannot write there: %s", path, strerror(errno));
    }
    int fd = open_beside(path, e);
    if (fd < 0) return -1;
    close(fd);
    unlink(temporary);
    temporary[0] = 0;
    return 0;
}

bool file_named(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}
