/* test_sandbox.c - the fence: in a child of its own, since it is for good. What the kernel lacks is not tested. */
#define _GNU_SOURCE /* CLONE_NEWUSER, syscall() */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "tests/support.h"

static char dir[] = "/tmp/limn-test-XXXXXX";

static bool opens(const char *name, int flags)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s%s", *name == '/' ? "" : dir, *name == '/' ? "" : "/", name);
    int fd = open(path, flags, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool moves(const char *from, const char *to)
{
    char path[2][512];
    snprintf(path[0], sizeof path[0], "%s/%s", dir, from);
    snprintf(path[1], sizeof path[1], "%s/%s", dir, to);
    return link(path[0], path[1]) == 0 || rename(path[0], path[1]) == 0;
}

static void *nothing(void *p) { return p; }

/* What is not a file of the sandbox: other processes, the terminal, names and modes of files. 0: nothing is reached. */
static int reach_out(void)
{
    char secret[64];
    char type = 'x';
    pthread_t thread;
    snprintf(secret, sizeof secret, "%s/secret", dir);
    if (kill(getppid(), 0) == 0 || errno != EPERM) return 20;
    if (syscall(SYS_tgkill, getppid(), getppid(), 0) == 0 || errno != EPERM) return 21;
    if (syscall(SYS_tgkill, getpid(), getpid(), 0)) return 22; /* raise() */
    if (chmod(secret, 0777) == 0 || chown(secret, 1, 1) == 0 || truncate(secret, 0) == 0) return 23;
    if (utimensat(AT_FDCWD, secret, NULL, 0) == 0 || setxattr(secret, "user.x", "y", 1, 0) == 0) return 24;
    if (ioctl(0, TIOCSTI, &type) == 0 || errno != EPERM) return 25;
    if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) >= 0 || errno != EPERM) return 26;
    if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL)) return 27;
    return shmget(IPC_PRIVATE, 1, 0600) >= 0 || errno != EPERM ? 28 : 0;
}

/* The first thing that is not as it should be; 0: all is. */
static int inside(void)
{
    char in[64], out[64];
    Sandbox got;
    Err e;
    snprintf(in, sizeof in, "%s/in", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    const SandboxPath paths[] = { { in, false }, { out, true }, { "/nowhere/at/all", true } };
    if (sandbox_enter(paths, 3, -1, &got, &e)) return 1;
    if (got.files) {
        if (opens("secret", O_RDONLY) || opens("/etc/passwd", O_RDONLY)) return 2;
        if (!opens("in/a", O_RDONLY) || opens("in/a", O_WRONLY) || opens("in/new", O_WRONLY | O_CREAT)) return 3;
        if (!opens("out/new", O_WRONLY | O_CREAT) || !opens("out/new", O_RDONLY)) return 4;
        if (opens("new", O_WRONLY | O_CREAT) || opens("/proc/self/root/etc/passwd", O_RDONLY)) return 5;
        if (moves("secret", "out/secret") || moves("out/new", "new")) return 8;
        if (symlink("/etc/passwd", "out/link") == 0 || mkfifo("out/fifo", 0600) == 0) return 9;
    }
    if (got.calls) {
        if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM) return 6;
        char *const none[] = { NULL };
        if (execve("/bin/true", none, none) == 0 || errno != EPERM) return 7;
        return reach_out();
    }
    return 0;
}

static void put(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static void fence(void **state)
{
    (void)state;
    char path[512];
    int status;
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i ? "out" : "in");
        assert_int_equal(mkdir(path, 0700), 0);
    }
    put("/secret");
    put("/in/a");
    pid_t child = fork();
    if (child == 0) _exit(inside());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    snprintf(path, sizeof path, "rm -r %s", dir);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fence) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
