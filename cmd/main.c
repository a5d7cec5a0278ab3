/* main.c - limn: dispatch, and the one place that prints an error and exits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/version.h"
#include "cmd/command.h"
#include "cmd/help.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "nn/kernels.h"

/*
 * libgomp's waiting threads spin by default: beside another busy program a picture then takes ten times as long. It reads
 * this before main() begins, so it is set before libgomp's own constructor (which has no priority) where limn carries it.
 */
__attribute__((constructor(101))) static void set_up_threads(void)
{
    setenv("GOMP_SPINCOUNT", "1000", 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0); /* it would start threads that limn never uses (nn/gemm.h) */
}

/* A closed stdin, stdout or stderr must not become the number of a file that limn opens. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) _exit(ERR_FAILED);
}

static int run(const Command *c, char **argv, Err *e)
{
    Args a;
    int failed = args_parse(&a, c, argv, e);
    if (!failed && a.help) help_command(c);
    else if (!failed) failed = c->run(&a, e);
    args_release(&a);
    return failed;
}

static void put_version(void)
{
    const char *why;
    const Kernels *k = kernels_select(&why);
    printf("limn " LIMN_VERSION " (kernels %s)\n", k ? k->name : why);
}

/* The first word is a command, an option of generate, or generate's prompt. */
static int dispatch(char **argv, Err *e)
{
    const char *first = argv[0];
    if (!first) return err_usage(e, "what shall it draw? For example: limn \"a red potion\" (limn --help tells more)");
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        help_top();
        return 0;
    }
    if (strcmp(first, "--version") == 0) {
        put_version();
        return 0;
    }
    const Command *c = command_find(first);
    if (c) return run(c, argv + 1, e);

    /* "limn genrate x" is a slip; "limn genrate" or "limn lost" alone may well be a prompt */
    Nearest n = nearest_to(first);
    for (c = commands; c->name; c++) nearest_try(&n, c->name);
    if (n.best && argv[1] && argv[1][0] != '-')
        return err_usage(e, "\"%.60s\": no such command; did you mean limn %s?", first, n.best);
    return run(command_find("generate"), argv, e);
}

int main(int argc, char **argv)
{
    Err e = { .code = ERR_FAILED };
    hold_standard_streams();
    interrupt_install();
    int failed = dispatch(argv + (argc > 0), &e);
    if ((fflush(stdout) || ferror(stdout)) && !failed)
        failed = err_set(&e, "cannot write to stdout: %s", strerror(errno));
    if (!failed) return 0;
    if (interrupted() && e.code != ERR_INTERRUPTED) interrupt_check(&e);
    fprintf(stderr, "limn: %s\n", e.text);
    return (int)e.code;
}
