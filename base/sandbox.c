/* sandbox.c - see sandbox.h. */
#define _GNU_SOURCE /* O_PATH, CLONE_NEW*, syscall() */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- files: Landlock -------------------------------------------------------------------------------------------------- */

#ifndef LANDLOCK_ACCESS_FS_REFER /* headers older than the kernel */
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

static const uint64_t READ_FILE = LANDLOCK_ACCESS_FS_READ_FILE,
                      WRITE_FILE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE,
                      READ_DIR = LANDLOCK_ACCESS_FS_READ_DIR,
                      WRITE_DIR = LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                  LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER,
                      NEVER = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                              LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                              LANDLOCK_ACCESS_FS_MAKE_SYM;

/* What this kernel's Landlock knows of all that. version 1: without REFER, 2: without TRUNCATE. */
static uint64_t known(int version)
{
    uint64_t all = READ_FILE | WRITE_FILE | READ_DIR | WRITE_DIR | NEVER;
    if (version < 2) all &= ~LANDLOCK_ACCESS_FS_REFER;
    if (version < 3) all &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
    return all;
}

static int allow(int rules, const SandboxPath *p, uint64_t handled, Err *e)
{
    struct stat st;
    int fd = open(p->path, O_PATH | O_CLOEXEC), failed = 0;
    if (fd < 0) return 0;
    uint64_t access = READ_FILE | (p->write ? WRITE_FILE : 0);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) access |= READ_DIR | (p->write ? WRITE_DIR : 0);
    struct landlock_path_beneath_attr rule = { .allowed_access = access & handled, .parent_fd = fd };
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
        failed = err_set(e, "cannot let %.300s through the sandbox: %s", p->path, strerror(errno));
    close(fd);
    return failed;
}

static int fence_files(const SandboxPath *paths, size_t count, bool *there, Err *e)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    *there = version >= 1;
    if (!*there) return 0;
    struct landlock_ruleset_attr attr = { .handled_access_fs = known((int)version) };
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0), failed = 0;
    if (rules < 0) return err_set(e, "cannot make a sandbox: %s", strerror(errno));
    for (size_t i = 0; i < count && !failed; i++) failed = allow(rules, &paths[i], attr.handled_access_fs, e);
    if (!failed && syscall(SYS_landlock_restrict_self, rules, 0))
        failed = err_set(e, "cannot enter the sandbox: %s", strerror(errno));
    close(rules);
    return failed;
}

/* ---- system calls: seccomp ---------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#define X32     0x40000000u /* calls of another ABI on the same machine */
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

/*
 * Nothing that draws a picture asks for these: other programs and processes, connections, the kernel's own affairs, and what
 * Landlock lets through: owners, modes, times and attributes of files anywhere.
 */
/* clang-format off */
static const unsigned refused[] = {
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_personality,
    SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_move_pages, SYS_migrate_pages, SYS_socket,
    SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_shmget, SYS_shmat, SYS_shmctl,
    SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_semget, SYS_semop, SYS_mq_open, SYS_fchmod, SYS_fchmodat, SYS_fchown,
    SYS_fchownat, SYS_utimensat, SYS_truncate, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr,
    SYS_lremovexattr, SYS_fremovexattr, SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_fanotify_init, SYS_mount,
    SYS_umount2, SYS_chroot, SYS_pivot_root, SYS_unshare, SYS_setns, SYS_swapon, SYS_swapoff, SYS_init_module,
    SYS_finit_module, SYS_delete_module, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_kexec_load, SYS_reboot,
    SYS_acct, SYS_quotactl, SYS_syslog, SYS_sethostname, SYS_setdomainname, SYS_settimeofday, SYS_clock_settime,
    SYS_clock_adjtime, SYS_adjtimex, SYS_add_key, SYS_request_key, SYS_keyctl,
#ifdef __x86_64__ /* older forms of the same */
    SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat, SYS_ioperm, SYS_iopl, SYS_modify_ldt,
#endif
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
#endif
#ifdef SYS_pidfd_open
    SYS_pidfd_open, SYS_pidfd_send_signal,
#endif
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_fsopen
    SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_open_tree, SYS_move_mount,
#endif
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
#ifdef SYS_fchmodat2
    SYS_fchmodat2,
#endif
};
/* clang-format on */

/* Refused by one of their arguments. */
enum {
    NAMESPACES =
        CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
};
static const struct {
    unsigned call, argument, test, value; /* test: BPF_JEQ, or BPF_JSET: any of these bits */
} unless[] = {
    { SYS_ioctl, 1, BPF_JEQ, TIOCSTI }, /* types on the terminal in the user's name */
    { SYS_ioctl, 1, BPF_JEQ, TIOCLINUX },
    { SYS_clone, 0, BPF_JSET, NAMESPACES },
};

enum {
    CALLS = sizeof refused / sizeof *refused,
    UNLESS = sizeof unless / sizeof *unless,
    MOST = 2 * CALLS + 4 * UNLESS + 40
};

typedef struct {
    struct sock_filter at[MOST];
    unsigned short n;
} Filter;

static void add(Filter *f, struct sock_filter one) { f->at[f->n++] = one; }

static void load(Filter *f, size_t offset)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

/* The low half of an argument: both machines are little-endian. */
static void load_argument(Filter *f, unsigned i) { load(f, offsetof(struct seccomp_data, args) + 8 * i); }

/* Where the test holds, the next instruction; else `skip` further on. */
static void only_if(Filter *f, unsigned test, unsigned value, unsigned char skip)
{
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, skip));
}

static void answer(Filter *f, int error)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error));
}

static void refuse_calls(Filter *f, int listening)
{
    for (size_t i = 0; i < CALLS; i++) {
        if (listening >= 0 && (refused[i] == SYS_accept || refused[i] == SYS_accept4)) continue;
        only_if(f, BPF_JEQ, refused[i], 1);
        answer(f, EPERM);
    }
#ifdef SYS_clone3 /* its flags cannot be seen; the C library then takes clone */
    only_if(f, BPF_JEQ, SYS_clone3, 1);
    answer(f, ENOSYS);
#endif
}

/* Only of that one socket. */
static void accept_on(Filter *f, unsigned call, int listening)
{
    only_if(f, BPF_JEQ, call, 4);
    load_argument(f, 0);
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)listening, 1, 0));
    answer(f, EPERM);
    load(f, offsetof(struct seccomp_data, nr));
}

/* Each of these loads over the number of the call, which is loaded again after it. */
static void refuse_by_argument(Filter *f)
{
    for (size_t i = 0; i < UNLESS; i++) {
        only_if(f, BPF_JEQ, unless[i].call, 4);
        load_argument(f, unless[i].argument);
        only_if(f, unless[i].test, unless[i].value, 1);
        answer(f, EPERM);
        load(f, offsetof(struct seccomp_data, nr));
    }
    only_if(f, BPF_JEQ, SYS_tgkill, 4); /* raise() and abort() signal the process itself */
    load_argument(f, 0);
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)getpid(), 1, 0));
    answer(f, EPERM);
    load(f, offsetof(struct seccomp_data, nr));
}

static int fence_calls(int listening, bool *there, Err *e)
{
    *there = false;
#ifdef MACHINE
    Filter f = { .n = 0 };
    load(&f, offsetof(struct seccomp_data, arch));
    add(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0));
    answer(&f, EPERM);
    load(&f, offsetof(struct seccomp_data, nr));
#ifdef X32
    only_if(&f, BPF_JGE, X32, 1);
    answer(&f, EPERM);
#endif
    refuse_calls(&f, listening);
    refuse_by_argument(&f);
    if (listening >= 0) accept_on(&f, SYS_accept, listening);
    if (listening >= 0) accept_on(&f, SYS_accept4, listening);
    add(&f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = { .len = f.n, .filter = f.at };
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) *there = true;
    else if (errno != EINVAL && errno != ENOSYS) return err_set(e, "cannot enter the sandbox: %s", strerror(errno));
#else
    (void)listening;
    (void)e;
#endif
    return 0;
}

int sandbox_enter(const SandboxPath *paths, size_t count, int listening, Sandbox *out, Err *e)
{
    *out = (Sandbox){ false, false };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return err_set(e, "cannot enter a sandbox: %s", strerror(errno));
    return fence_files(paths, count, &out->files, e) || fence_calls(listening, &out->calls, e) ? -1 : 0;
}
