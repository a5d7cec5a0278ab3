/* folder.c - see folder.h: opening, looking, owning. Writing is in write.c. */
#define _GNU_SOURCE
#include "base/folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/temporary.h"

enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

/* ---- opening ---- */

/* A folder that may be entered and not listed is opened all the same. */
static int open_folder(int at, const char *path, int flags)
{
    int fd = openat(at, path, OPEN_FOLDER | flags);
    return fd < 0 && errno == EACCES ? openat(at, path, OPEN_FOLDER | O_PATH | flags) : fd;
}

static void set_path(Folder *f, const char *above, const char *path)
{
    Str text = { 0 };
    str_add(&text, above);
    str_add(&text, path);
    if (text.len && !str_ends(text.s, "/")) str_add(&text, "/");
    f->path = mem_strdup(str_text(&text));
    str_release(&text);
}

int folder_open(Folder *f, const char *path, Err *e)
{
    *f = (Folder){ 0 };
    int fd = open_folder(AT_FDCWD, *path ? path : ".", 0);
    if (fd < 0) return err_set(e, "%s: %s", *path ? path : ".", strerror(errno));
    f->fd = fd;
    set_path(f, "", path);
    return 0;
}

int folder_make(Folder *f, const char *path, Err *e)
{
    Str above = { 0 };
    int failed = 0;
    *f = (Folder){ 0 };
    for (const char *p = path; *p && !failed;) {
        size_t len = strcspn(p + 1, "/") + 1;
        str_addn(&above, p, len);
        p += len;
        if (mkdir(above.s, 0777) == 0 || errno == EEXIST) continue;
        int why = errno;
        if (!file_is_dir(above.s)) failed = err_set(e, "%s: cannot make this folder: %s", above.s, strerror(why));
        errno = why;
    }
    str_release(&above);
    if (failed) return -1;
    if (*path && file_named(path) && !file_is_dir(path)) {
        errno = ENOTDIR;
        return err_set(e, "%s: not a folder", path);
    }
    return folder_open(f, path, e);
}

int folder_of(Folder *f, const char *path, const char **name, Err *e)
{
    const char *slash = strrchr(path, '/');
    char *above = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup("");
    *name = slash ? slash + 1 : path;
    *f = (Folder){ 0 };
    int fd = open_folder(AT_FDCWD, *above ? above : ".", 0);
    if (fd >= 0) {
        f->fd = fd;
        set_path(f, "", above);
    } else {
        err_set(e, "%s: cannot write there: %s", path, strerror(errno));
    }
    free(above);
    return fd < 0 ? -1 : 0;
}

void folder_close(Folder *f)
{
    if (f->fd > 0) close(f->fd);
    free(f->path);
    *f = (Folder){ 0 };
}

/* ---- below ---- */

/* Why a part of a path could not be opened as a folder; errno stays. */
static int refuse_part(int at, const Folder *f, const char *path, size_t len, int why, Err *e)
{
    struct stat st;
    char *part = mem_strndup(path, len);
    const char *slash = strrchr(part, '/');
    bool there = fstatat(at, slash ? slash + 1 : part, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && S_ISLNK(st.st_mode))
        err_set(e, "%s%s is a symbolic link: limn follows none below its output folder; remove it", f->path, part);
    else if (there && !S_ISDIR(st.st_mode)) err_set(e, "%s%s: not a folder", f->path, part);
    else err_set(e, "%s%s: cannot make this folder: %s", f->path, part, strerror(why));
    free(part);
    errno = why;
    return -1;
}

/* Opens the part [at, at + len) of a path in a folder. */
static int open_part(int in, const char *at, size_t len, bool make)
{
    char *part = mem_strndup(at, len);
    int fd = -1;
    errno = EINVAL;
    if (strcmp(part, "..") != 0) {
        bool there = !make || mkdirat(in, part, 0777) == 0 || errno == EEXIST;
        if (there) fd = open_folder(in, part, O_NOFOLLOW);
    }
    int why = errno;
    free(part);
    errno = why;
    return fd;
}

int folder_below(Folder *out, const Folder *f, const char *path, bool make, Err *e)
{
    *out = (Folder){ 0 };
    int fd = open_folder(f->fd, ".", 0);
    if (fd < 0) return err_set(e, "%s: %s", f->path, strerror(errno));
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        int next = len ? open_part(fd, p, len, make) : dup(fd), why = errno;
        if (next < 0) refuse_part(fd, f, path, (size_t)(p - path) + len, why, e);
        close(fd);
        errno = why;
        if (next < 0) return -1;
        fd = next;
        p += len + (p[len] == '/');
    }
    out->fd = fd;
    set_path(out, f->path, path);
    return 0;
}

/* The folder of a file below; *name: its last part. */
static int folder_above(Folder *out, const Folder *f, const char *file, const char **name, Err *e)
{
    const char *slash = strrchr(file, '/');
    char *above = mem_strndup(file, slash ? (size_t)(slash - file) : 0);
    *name = slash ? slash + 1 : file;
    int failed = *file == '/' ? err_set(e, "%s: not below %s", file, f->path) : folder_below(out, f, above, false, e);
    int why = *file == '/' ? EINVAL : errno;
    free(above);
    errno = why;
    return failed;
}

int folder_check_way(const Folder *f, const char *file, Err *e)
{
    Folder above = { 0 };
    const char *name = NULL;
    if (folder_above(&above, f, file, &name, e)) return errno == ENOENT ? 0 : -1;
    folder_close(&above);
    return 0;
}

/* What is there, itself and not what it links to. Error: errno tells why. */
static int stat_file(const Folder *f, const char *file, struct stat *st)
{
    Folder above = { 0 };
    const char *name = NULL;
    Err ignored;
    if (folder_above(&above, f, file, &name, &ignored)) return -1;
    int failed = fstatat(above.fd, name, st, AT_SYMLINK_NOFOLLOW), why = errno;
    folder_close(&above);
    errno = why;
    return failed;
}

bool folder_has(const Folder *f, const char *file)
{
    struct stat st;
    return stat_file(f, file, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool folder_has_file(const Folder *f, const char *file)
{
    struct stat st;
    return stat_file(f, file, &st) == 0 && S_ISREG(st.st_mode);
}

int folder_map(const Folder *f, const char *file, Bytes *out, Err *e)
{
    Folder above = { 0 };
    const char *name = NULL;
    *out = (Bytes){ 0 };
    if (folder_above(&above, f, file, &name, e)) return -1;
    int fd = openat(above.fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW), failed = -1;
    Str path = { 0 };
    str_addf(&path, "%s%s", f->path, file);
    if (fd >= 0) failed = file_map_fd(out, fd, path.s, e);
    else if (errno == ELOOP) err_set(e, "%s is a symbolic link, and limn reads none below its output folder", path.s);
    else err_set(e, "%s: %s", path.s, strerror(errno));
    if (fd >= 0) close(fd);
    str_release(&path);
    folder_close(&above);
    return failed;
}

/* ---- whose it is ---- */

/* Network shares and FAT give all files to one user, or to nobody: a file that is made here tells to whom. */
bool folder_owns(const Folder *f, const struct stat *st)
{
    struct stat made;
    if (st->st_uid == geteuid()) return true;
    int fd = temporary_nameless(f->fd);
    if (fd < 0) return false;
    bool known = fstat(fd, &made) == 0;
    close(fd);
    return known && made.st_uid == st->st_uid;
}

/* Whether limn may work in an opened file of that name. */
static int check_own(const Folder *f, const char *name, const struct stat *st, Err *e)
{
    if (!S_ISREG(st->st_mode)) return err_set(e, "%s%s: not a regular file", f->path, name);
    if (!folder_owns(f, st))
        return err_set(e, "%s%s belongs to another user (%u): limn writes into its own files only", f->path, name,
                       (unsigned)st->st_uid);
    if (st->st_nlink > 1)
        return err_set(e, "%s%s has %lu names (hard links), and limn would change what the others name: copy it",
                       f->path, name, (unsigned long)st->st_nlink);
    return 0;
}

int folder_open_own(const Folder *f, const char *name, int flags, bool *made, Err *e)
{
    struct stat st;
    int how = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags;
    int fd = openat(f->fd, name, how | O_CREAT | O_EXCL, 0666);
    *made = fd >= 0;
    if (fd < 0 && errno == EEXIST) fd = openat(f->fd, name, how);
    if (fd < 0 && errno == ELOOP)
        return err_set(e, "%s%s is a symbolic link: limn writes through none; remove it", f->path, name);
    if (fd < 0) return err_set(e, "%s%s: cannot write there: %s", f->path, name, strerror(errno));
    if (*made || (fstat(fd, &st) == 0 && check_own(f, name, &st, e) == 0)) return fd;
    close(fd);
    return -1;
}

bool folder_remove(const Folder *f, const char *name)
{
    struct stat st;
    if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW)) return errno == ENOENT;
    bool file = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
    return file && folder_owns(f, &st) && unlinkat(f->fd, name, 0) == 0;
}
