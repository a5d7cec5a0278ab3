/* sandbox.c - see sandbox.h. */
#define _GNU_SOURCE /* O_PATH, syscall() */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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

/* Nothing that draws a picture asks for these: other programs, connections, other processes' memory, the kernel's own affairs. */
static const unsigned refused[] = {
    SYS_execve,         SYS_execveat,         SYS_socket,
    SYS_socketpair,     SYS_connect,          SYS_bind,
    SYS_listen,         SYS_accept,           SYS_accept4,
    SYS_ptrace,         SYS_process_vm_readv, SYS_process_vm_writev,
    SYS_mount,          SYS_umount2,          SYS_chroot,
    SYS_pivot_root,     SYS_unshare,          SYS_setns,
    SYS_init_module,    SYS_finit_module,     SYS_bpf,
    SYS_kexec_load,     SYS_add_key,          SYS_request_key,
    SYS_keyctl,         SYS_perf_event_open,  SYS_userfaultfd,
    SYS_reboot,         SYS_swapon,           SYS_swapoff,
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
#endif
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
};

enum { CALLS = sizeof refused / sizeof *refused, MOST = 2 * CALLS + 8 };

static int fence_calls(bool *there, Err *e)
{
    *there = false;
#ifdef MACHINE
    struct sock_filter f[MOST];
    unsigned short n = 0;
    const struct sock_filter deny = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    f[n++] = deny;
    f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
#ifdef X32
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
    f[n++] = deny;
#endif
    for (size_t i = 0; i < CALLS; i++) {
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i], 0, 1);
        f[n++] = deny;
    }
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { .len = n, .filter = f };
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) *there = true;
    else if (errno != EINVAL && errno != ENOSYS) return err_set(e, "cannot enter the sandbox: %s", strerror(errno));
#else
    (void)e;
#endif
    return 0;
}

int sandbox_enter(const SandboxPath *paths, size_t count, Sandbox *out, Err *e)
{
    *out = (Sandbox){ false, false };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return err_set(e, "cannot enter a sandbox: %s", strerror(errno));
    return fence_files(paths, count, &out->files, e) || fence_calls(&out->calls, e) ? -1 : 0;
}
