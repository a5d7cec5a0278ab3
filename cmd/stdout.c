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

int stdout_check_picture(const Job *j, Err *e)
{
    const char *beside = j->json         ? "json"
                         : j->sizes      ? "sizes"
                         : j->atlas      ? "atlas"
                         : j->save_steps ? "save-steps"
                                         : NULL;
    if (j->count > 1) return err_usage(e, "--output: stdout takes one picture, --count is %d", j->count);
    if (beside)
        return err_usage(e, "--%s: the picture itself goes to stdout (--output %s), and nothing else", beside,
                         j->output);
    if (isatty(STDOUT_FILENO))
        return err_usage(e, "--output: stdout is a terminal, which cannot show a PNG; send it to a file or a program");
    return 0;
}

int stdout_picture(Bytes png, Err *e)
{
    fwrite(png.data, 1, png.len, stdout);
    return stdout_flush("the picture cannot be written to stdout", e);
}

int stdout_finish(Err *e)
{
    if (stdout_flush("cannot write to stdout", e)) return -1;
    if (!ferror(stdout)) return 0;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    return 0;
}
