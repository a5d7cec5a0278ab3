/* main.c - limn: dispatch, and the one place that prints an error and exits. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/version.h"
#include "cmd/command.h"
#include "cmd/fence.h"
#include "cmd/draw.h"
#include "cmd/help.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "cmd/stdout.h"
#include "nn/kernels.h"

/*
 * libgomp's waiting threads spin by default: while another program is busy, a picture then takes ten times as long. It reads
 * this before main() begins, so it is set before libgomp's own constructor (which has no priority) where limn carries it.
 */
__attribute__((constructor(101))) static void set_up_threads(void)
{
    mem_last_resort(NULL, mem_end_program);
    if (setenv("GOMP_SPINCOUNT", "1000", 0)) mem_exhausted(0);
    /* it would start threads that limn never uses (nn/gemm.h), and end the program where it cannot */
    if (setenv("OPENBLAS_NUM_THREADS", "1", 1)) mem_exhausted(0);
}

/* A closed stdin, stdout or stderr must not become the number of a file that limn opens. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) _exit(ERR_FAILED);
}

static int put_version(Err *e)
{
    const char *why;
    const Kernels *k = kernels_select(&why);
    if (!k) return err_usage(e, "%s", why);
    printf("limn " LIMN_VERSION " (kernels %s)\n", k->name);
    return 0;
}

static int run(const Command *c, char **argv, Err *e)
{
    Args a;
    int failed = args_parse(&a, c, argv, e);
    if (!failed && a.help) help_command(c);
    else if (!failed && a.version) failed = put_version(e);
    mem_limit(job_bytes(a.job.memory_limit));
    if (!failed && !a.help && !a.version) failed = (a.job.sandbox && fence_enter(c, &a, e)) || c->run(&a, e);
    if (!failed && a.renamed.len && !a.job.quiet) note_user(str_text(&a.renamed));
    args_release(&a);
    return failed;
}

static bool is(const char *word, const char *name, const char *letter)
{
    return strcmp(word, name) == 0 || strcmp(word, letter) == 0;
}

/* The first word is a command, an option of generate, or generate's prompt. */
static int dispatch(char **argv, Err *e)
{
    const char *first = argv[0];
    if (!first) return err_usage(e, "what shall it draw? For example: limn \"a red potion\" (limn --help tells more)");
    if (is(first, "--help", "-h")) {
        help_top();
        return 0;
    }
    if (is(first, "--version", "-V")) return put_version(e);
    const Command *c = command_find(first);
    if (c) return run(c, argv + 1, e);
    if (command_slip(first, e)) return -1;
    return run(command_find("generate"), argv, e);
}

int main(int argc, char **argv)
{
    Err e = { .code = ERR_FAILED };
    hold_standard_streams();
    interrupt_install();
    int failed = dispatch(argv + (argc > 0), &e);
    if (!failed) failed = stdout_finish(&e);
    if (!failed) return 0;
    if (interrupted() && e.code != ERR_INTERRUPTED) interrupt_check(&e);
    fprintf(stderr, "limn: %s\n", e.text);
    return (int)e.code;
}
