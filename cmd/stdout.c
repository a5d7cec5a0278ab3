/* stdout.c - see stdout.h. */
#include "cmd/stdout.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of a pipe or a socket. stdio may have met the error long ago, so errno does not tell. */
static bool reader_is_gone(void)
{
    struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLERR | POLLHUP));
}

int stdout_flush(const char *what, Err *e)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    int why = errno;
    if (reader_is_gone()) return 0;
    clearerr(stdout); /* it is told now, not again at the end */
    return err_set(e, "%s: %s", what, strerror(why));
}

int stdout_finish(Err *e)
{
    if (stdout_flush("cannot write to stdout", e)) return -1;
    if (!ferror(stdout)) return 0;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    return 0;
}
