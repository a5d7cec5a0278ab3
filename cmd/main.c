/* main.c - limn: the table of commands, dispatch, and the one place that prints an error and exits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/version.h"
#include "cmd/command.h"
#include "cmd/help.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "nn/kernels.h"

const Command commands[] = {
    { "generate", "PROMPT", 1, NULL, "draws pictures; prints each file's name",
      "  limn generate \"a red potion\"\n"
      "  limn generate \"a castle\" --count 4 --seed 7 -o 'castle-{seed}.png'\n"
      "  limn generate \"a cat\" -n \"blurry\" -s 30 --cfg-scale 7 --sampler dpmpp_2m\n"
      "  limn generate -m v1-5.safetensors -W 512 -H 512 \"a lighthouse\"\n"
      "  fortune | limn generate - -o fortune.png\n"
      "\n"
      "With --count, x.png becomes x-1.png, x-2.png, ... unless {seed} or {index} tell\n"
      "the pictures apart. A file that -o names is replaced.\n",
      cmd_generate },
    { "info", "FILE|FOLDER", 1, "model width height vae tokenizer json", "how a PNG was made, or what a model is",
      "  limn info limn-00001.png\n"
      "  limn info sprites\n"
      "  limn info v1-5.safetensors -W 768 -H 512      the memory that this size needs\n",
      cmd_info },
    { "again", "PNG", 1, "model vae tokenizer output threads trace json quiet verbose",
      "draws a picture again from what is written in it",
      "  limn again limn-00001.png                     the same bytes in a new file\n"
      "  limn again limn-00001.png -m models/v1-5      when the model has moved\n",
      cmd_again },
    { "list", "[WHAT]", 1, "json", "samplers, schedules, models or options",
      "  limn list\n"
      "  limn list samplers\n",
      cmd_list },
    { "help", "[COMMAND]", 1, "", "the same as --help", "  limn help generate\n", cmd_help },
    { .name = NULL },
};

const Command *command_find(const char *name)
{
    for (const Command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
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
    if (!first)
        return err_usage(e, "what shall it draw? For example: limn \"a red potion\" (limn --help tells more)");
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
    if (interrupted()) interrupt_check(&e);
    fprintf(stderr, "limn: %s\n", e.text);
    return (int)e.code;
}
