/* interrupt.c - see interrupt.h. */
#include "cmd/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "base/file.h"

/* The one variable that a signal handler can reach; written only there. */
static volatile sig_atomic_t signalled;

static void on_signal(int signal)
{
    (void)signal;
    if (signalled) {
        file_remove_temporary();
        _exit(ERR_INTERRUPTED);
    }
    signalled = 1;
}

/* Weights are mapped: a file that is cut short or cannot be read any more is found out only when it is touched. */
static void on_bad_page(int signal)
{
    static const char text[] = "limn: a file of the model was cut short, or cannot be read, while it was in use\n";
    static atomic_flag told = ATOMIC_FLAG_INIT;
    (void)signal;
    if (atomic_flag_test_and_set(&told))
        for (;;) pause(); /* another thread met the same page, and ends the program */
    file_remove_temporary();
    ssize_t unused = write(STDERR_FILENO, text, sizeof text - 1);
    (void)unused;
    _exit(ERR_FAILED);
}

void interrupt_install(void)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction act = { .sa_handler = on_signal }, old; /* no SA_RESTART: a read of the prompt ends too */
    struct sigaction bad_page = { .sa_handler = on_bad_page };
    sigemptyset(&act.sa_mask);
    sigemptyset(&bad_page.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], NULL, &old);
        if (old.sa_handler != SIG_IGN) sigaction(signals[i], &act, NULL); /* under nohup it stays ignored */
    }
    sigaction(SIGBUS, &bad_page, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away, a file over its limit: errors of write() */
    signal(SIGXFSZ, SIG_IGN);
}

bool interrupted(void) { return signalled; }

bool interrupt_asked(void *ctx)
{
    (void)ctx;
    return interrupted();
}

int interrupt_check(Err *e)
{
    if (!signalled) return 0;
    err_set(e, "interrupted");
    e->code = ERR_INTERRUPTED;
    return -1;
}
