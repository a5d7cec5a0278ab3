/* file.c - see file.h: reading; writing is in write.c. */
#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int file_map_fd(Bytes *out, int fd, const char *path, Err *e)
{
    struct stat st;
    *out = (Bytes){ 0 };
    if (fstat(fd, &st)) return err_set(e, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) return err_set(e, "%s: this is a folder, a file is expected", path);
    if (!S_ISREG(st.st_mode)) return err_set(e, "%s: not a regular file", path);
    if (st.st_size == 0) {
        out->data = (const unsigned char *)"";
        return 0;
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_set(e, "%s: cannot map %lld bytes: %s", path, (long long)st.st_size, strerror(errno));
    *out = (Bytes){ p, (size_t)st.st_size };
    return 0;
}

static void set_id(FileId *id, const struct stat *st)
{
    *id = (FileId){ .dev = st->st_dev,
                    .ino = st->st_ino,
                    .size = (uint64_t)st->st_size,
                    .written = { st->st_mtim.tv_sec, st->st_mtim.tv_nsec },
                    .changed = { st->st_ctim.tv_sec, st->st_ctim.tv_nsec },
                    .seen = time(NULL) };
}

int file_unopened(const char *path, Err *e)
{
    char target[512];
    int why = errno;
    ssize_t n = why == ENOENT ? readlink(path, target, sizeof target - 1) : -1;
    if (n < 0) return err_set(e, "%s: %s", path, strerror(why));
    target[n] = 0;
    return err_set(e, "%s: a link to %s, which is not there", path, target);
}

int file_map_as(Bytes *out, FileId *id, const char *path, Err *e)
{
    struct stat st;
    *out = (Bytes){ 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (fd < 0) return file_unopened(path, e);
    int failed = fstat(fd, &st) ? err_set(e, "%s: %s", path, strerror(errno)) : file_map_fd(out, fd, path, e);
    close(fd);
    if (!failed) set_id(id, &st); /* before it was mapped: what is written meanwhile shows */
    return failed;
}

int file_map(Bytes *out, const char *path, Err *e)
{
    FileId id;
    return file_map_as(out, &id, path, e);
}

FileChange file_change(const FileId *id, const char *path)
{
    struct stat st;
    FileId now;
    if (stat(path, &st)) return FILE_REPLACED;
    set_id(&now, &st);
    if (now.dev != id->dev || now.ino != id->ino) return FILE_REPLACED;
    bool same = now.size == id->size && memcmp(now.written, id->written, sizeof now.written) == 0;
    return same ? FILE_SAME : FILE_WRITTEN;
}

void file_unmap(Bytes *b)
{
    if (b->len) munmap((void *)(size_t)b->data, b->len);
    *b = (Bytes){ 0 };
}

void file_evict(Bytes range)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = ((size_t)range.data + page - 1) / page * page;
    size_t end = ((size_t)range.data + range.len) / page * page;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
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
