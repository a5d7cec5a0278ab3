/*
 * shim.c - a library that is loaded before libc (LD_PRELOAD) and lets the N-th call of a kind fail.
 *
 *   LIMN_FAULT=KIND:N:ERRNO        the N-th call fails, once
 *   LIMN_FAULT=KIND:N:ERRNO:on     it and all after it
 *   LIMN_FAULT=KIND:count          none fails
 *   LIMN_FAULT_LOG=FILE            "hit" as a call fails; with count, at the end, the numbers of the first and the last call from
 *                                  each place in the program, the place, and its innermost frames (calls of a kind that come from the same stack are the same to a test)
 *
 * Kinds: malloc, open, read, write, close, fsync, rename, link, unlink, mkdir, ftruncate, mmap, fstat, thread. Calls of libc
 * within itself are not seen, but for malloc. With -DNO_MALLOC malloc is left alone (the address sanitizer has its own).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FRAMES = 14, SKIP = 2, NEAR = 5, PLACES = 1 << 14 };

static struct {
    char kind[16];
    long nth; /* 0: only count */
    int error, on;
    const char *log;
} fault;

static atomic_long calls;
static _Thread_local int inside; /* what is called in here is not the program's */

/* ---- where calls come from ---- */

static struct Place {
    uint64_t stack, near; /* of all frames, of the innermost */
    long first, last;
} places[PLACES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    uintptr_t begin, end;
} program;

/* The first that is told of is the program itself. */
static int see_program(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    program.begin = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > program.end) program.end = end;
    }
    return 1;
}

static void note_place(long n)
{
    void *frame[FRAMES];
    int count = backtrace(frame, FRAMES);
    uint64_t stack = 1469598103934665603U; /* FNV-1a of the addresses in the program, which are the same in each run */
    uint64_t near = stack;
    for (int i = SKIP, own = 0; i < count; i++) {
        uintptr_t here = (uintptr_t)frame[i];
        if (here < program.begin || here >= program.end) continue;
        stack = (stack ^ (uint64_t)(here - program.begin)) * 1099511628211U;
        if (++own <= NEAR) near = stack;
    }
    pthread_mutex_lock(&lock);
    size_t at = stack % PLACES, tries = 0;
    while (places[at].first && places[at].stack != stack && tries++ < PLACES) at = (at + 1) % PLACES;
    if (!places[at].first) places[at] = (struct Place){ stack, near, n, n };
    places[at].last = n;
    pthread_mutex_unlock(&lock);
}

static void log_text(const char *text, size_t n)
{
    int fd =
        fault.log ? (int)syscall(SYS_openat, AT_FDCWD, fault.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd < 0) return;
    syscall(SYS_write, fd, text, n);
    syscall(SYS_close, fd);
}

/* ---- whether a call fails ---- */

static int fails(const char *kind)
{
    if (inside || strcmp(kind, fault.kind) != 0) return 0;
    inside = 1;
    long n = atomic_fetch_add(&calls, 1) + 1;
    int hit = fault.nth && (n == fault.nth || (fault.on && n > fault.nth));
    if (!fault.nth) note_place(n);
    if (hit) log_text("hit\n", 4);
    inside = 0;
    if (hit) errno = fault.error;
    return hit;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("LIMN_FAULT");
    char on[8] = "", count[8] = "";
    void *frame[2];
    inside = 1;
    backtrace(frame, 2); /* which loads what it needs */
    dl_iterate_phdr(see_program, NULL);
    inside = 0;
    fault.log = getenv("LIMN_FAULT_LOG");
    if (!text) return;
    if (sscanf(text, "%15[a-z]:%ld:%d:%7s", fault.kind, &fault.nth, &fault.error, on) < 3 &&
        (sscanf(text, "%15[a-z]:%7s", fault.kind, count) != 2 || strcmp(count, "count") != 0))
        abort();
    fault.on = *on != 0;
}

__attribute__((destructor)) static void end(void)
{
    char line[96];
    if (fault.nth || !fault.kind[0]) return;
    inside = 1;
    for (size_t i = 0; i < PLACES; i++)
        if (places[i].first)
            log_text(line,
                     (size_t)snprintf(line, sizeof line, "%ld %ld %016llx %016llx\n", places[i].first, places[i].last,
                                      (unsigned long long)places[i].stack, (unsigned long long)places[i].near));
    log_text(line, (size_t)snprintf(line, sizeof line, "calls %ld\n", atomic_load(&calls)));
}

/* ---- memory ---- */

#ifndef NO_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t border, size_t size);

void *malloc(size_t size) { return fails("malloc") ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails("malloc") ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails("malloc") ? NULL : __libc_realloc(old, size); }
void *memalign(size_t border, size_t size) { return fails("malloc") ? NULL : __libc_memalign(border, size); }
void *aligned_alloc(size_t border, size_t size) { return fails("malloc") ? NULL : __libc_memalign(border, size); }
int posix_memalign(void **out, size_t border, size_t size)
{
    if (fails("malloc")) return ENOMEM;
    *out = __libc_memalign(border, size);
    return *out ? 0 : ENOMEM;
}
#endif

/* ---- files ---- */

#define NEXT(type, name, ...)                                                                                          \
    static type (*next)(__VA_ARGS__);                                                                                  \
    if (!next) next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* A disk that is full takes a part. */
ssize_t write(int fd, const void *data, size_t n)
{
    NEXT(ssize_t, "write", int, const void *, size_t);
    if (fd <= 2 || !fails("write")) return next(fd, data, n);
    if (errno == ENOSPC && n > 100) {
        ssize_t part = next(fd, data, n / 2);
        if (!fault.on) return part; /* and the program goes on with the rest */
    }
    errno = fault.error;
    return -1;
}

ssize_t read(int fd, void *data, size_t n)
{
    NEXT(ssize_t, "read", int, void *, size_t);
    return fails("read") ? -1 : next(fd, data, n);
}

int close(int fd)
{
    NEXT(int, "close", int);
    int failed = next(fd); /* as the kernel: it is closed whatever is said */
    return fd > 2 && fails("close") ? -1 : failed;
}

int fsync(int fd)
{
    NEXT(int, "fsync", int);
    return fails("fsync") ? -1 : next(fd);
}

int ftruncate(int fd, off_t size)
{
    NEXT(int, "ftruncate", int, off_t);
    return fails("ftruncate") ? -1 : next(fd, size);
}

int fstat(int fd, struct stat *st)
{
    NEXT(int, "fstat", int, struct stat *);
    return fails("fstat") ? -1 : next(fd, st);
}

static mode_t mode_of(int flags, va_list ap) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; }

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    NEXT(int, "open", const char *, int, ...);
    return fails("open") ? -1 : next(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    NEXT(int, "openat", int, const char *, int, ...);
    return fails("open") ? -1 : next(at, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    NEXT(FILE *, "fopen", const char *, const char *);
    return fails("open") ? NULL : next(path, mode);
}

int mkostemp(char *path, int flags)
{
    NEXT(int, "mkostemp", char *, int);
    return fails("open") ? -1 : next(path, flags);
}

int rename(const char *from, const char *to)
{
    NEXT(int, "rename", const char *, const char *);
    return fails("rename") ? -1 : next(from, to);
}

int renameat(int at, const char *from, int there, const char *to)
{
    NEXT(int, "renameat", int, const char *, int, const char *);
    return fails("rename") ? -1 : next(at, from, there, to);
}

int renameat2(int at, const char *from, int there, const char *to, unsigned flags)
{
    NEXT(int, "renameat2", int, const char *, int, const char *, unsigned);
    return fails("rename") ? -1 : next(at, from, there, to, flags);
}

int link(const char *from, const char *to)
{
    NEXT(int, "link", const char *, const char *);
    return fails("link") ? -1 : next(from, to);
}

int linkat(int at, const char *from, int there, const char *to, int flags)
{
    NEXT(int, "linkat", int, const char *, int, const char *, int);
    return fails("link") ? -1 : next(at, from, there, to, flags);
}

int unlink(const char *path)
{
    NEXT(int, "unlink", const char *);
    return fails("unlink") ? -1 : next(path);
}

int unlinkat(int at, const char *path, int flags)
{
    NEXT(int, "unlinkat", int, const char *, int);
    return fails("unlink") ? -1 : next(at, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(int, "mkdir", const char *, mode_t);
    return fails("mkdir") ? -1 : next(path, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    NEXT(int, "mkdirat", int, const char *, mode_t);
    return fails("mkdir") ? -1 : next(at, path, mode);
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t from)
{
    NEXT(void *, "mmap", void *, size_t, int, int, int, off_t);
    return fails("mmap") ? MAP_FAILED : next(where, size, protection, flags, fd, from);
}

/* ---- threads ---- */

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *arg)
{
    NEXT(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    return fails("thread") ? fault.error : next(thread, how, run, arg);
}
