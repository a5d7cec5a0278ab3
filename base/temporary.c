/* temporary.c - see temporary.h; and what of it the signal handler and the next run need. */
#define _GNU_SOURCE
#include "base/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/str.h"

enum { SLOTS = 8, TRIES = 100, DAY = 24 * 60 * 60, HEX = 8 };

static const char prefix[] = ".limn-", ending[] = ".tmp";

/* ---- the signal handler's view ---- */

/* A temporary file that has its name: 0 free, 1 being filled, 2 valid. */
static struct {
    atomic_int state;
    int folder;
    char name[40];
} slots[SLOTS];

static int remember(const Temporary *t)
{
    for (int i = 0; i < SLOTS; i++) {
        int is_free = 0;
        if (!atomic_compare_exchange_strong(&slots[i].state, &is_free, 1)) continue;
        slots[i].folder = t->folder;
        memcpy(slots[i].name, t->name, sizeof t->name);
        atomic_store(&slots[i].state, 2);
        return i;
    }
    return -1;
}

void file_remove_temporary(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&slots[i].state) == 2) unlinkat(slots[i].folder, slots[i].name, 0);
}

/* ---- names ---- */

/* The first digits of the kernel's boot id. */
static void boot_tag(char tag[HEX + 1])
{
    memcpy(tag, "00000000", HEX + 1);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    char text[HEX + 1] = "";
    if (fd < 0) return;
    if (read(fd, text, HEX) == HEX && strspn(text, "0123456789abcdef") >= HEX) memcpy(tag, text, HEX);
    close(fd);
}

static void set_name(char name[40])
{
    char tag[HEX + 1];
    unsigned number = 0;
    static atomic_uint count;
    boot_tag(tag);
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) /* early at boot; O_EXCL tells */
        number = (unsigned)getpid() * 65536 + atomic_fetch_add(&count, 1);
    snprintf(name, 40, "%s%s-%08x%s", prefix, tag, number, ending);
}

static bool is_hex(const char *text)
{
    for (int i = 0; i < HEX; i++)
        if (!text[i] || !strchr("0123456789abcdef", text[i])) return false;
    return true;
}

static bool is_temporary(const char *name)
{
    const char *boot = name + strlen(prefix), *number = boot + HEX + 1;
    return strlen(name) == strlen(prefix) + HEX + 1 + HEX + strlen(ending) && str_starts(name, prefix) &&
           str_ends(name, ending) && is_hex(boot) && boot[HEX] == '-' && is_hex(number);
}

/* ---- a temporary file's life ---- */

/* It is ours, and nobody swept it away before it was locked. */
static bool hold(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return false;
    return fstat(fd, &st) == 0 && st.st_nlink == 1;
}

int temporary_open(Temporary *t, int folder)
{
    *t = (Temporary){ .folder = folder, .fd = -1, .slot = -1 };
    for (int i = 0; i < TRIES; i++) {
        set_name(t->name);
        t->fd = openat(folder, t->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (t->fd < 0 && errno != EEXIST) return -1;
        if (t->fd >= 0 && hold(t->fd)) {
            t->slot = remember(t);
            return 0;
        }
        if (t->fd >= 0) close(t->fd);
    }
    errno = EEXIST;
    return -1;
}

int temporary_sync(const Temporary *t)
{
    if (fsync(t->fd)) return -1;
    int copy = dup(t->fd); /* what only closing tells is asked while the lock is held */
    return copy >= 0 && close(copy) ? -1 : 0;
}

void temporary_forget(Temporary *t)
{
    if (t->slot >= 0) atomic_store(&slots[t->slot].state, 0);
    t->slot = -1;
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
}

void temporary_drop(Temporary *t)
{
    unlinkat(t->folder, t->name, 0);
    temporary_forget(t);
}

int temporary_nameless(int folder)
{
    Temporary t;
    int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)) return fd;
    if (temporary_open(&t, folder)) return -1; /* a file system, or a kernel, that has no such files */
    fd = dup(t.fd);
    if (unlinkat(folder, t.name, 0) && fd >= 0) {
        int why = errno;
        close(fd);
        fd = -1;
        errno = why;
    }
    temporary_forget(&t);
    return fd;
}

/* ---- what killed runs left ---- */

/* Whether the file has no owner that lives. */
static bool is_left(int fd, const char *name)
{
    char tag[HEX + 1];
    struct stat st;
    boot_tag(tag);
    if (memcmp(name + strlen(prefix), tag, HEX) != 0) return fstat(fd, &st) == 0 && time(NULL) - st.st_mtime > DAY;
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void folder_sweep(const Folder *f)
{
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d && fd >= 0) close(fd);
    for (struct dirent *x; d && (x = readdir(d));) {
        struct stat st;
        if (!is_temporary(x->d_name)) continue;
        int file = openat(f->fd, x->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (file < 0) continue;
        if (fstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && folder_owns(f, &st) &&
            is_left(file, x->d_name))
            unlinkat(f->fd, x->d_name, 0);
        close(file);
    }
    if (d) closedir(d);
}
