/* command.c - the table of commands. */
#include "cmd/command.h"

#include <string.h>

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
    { "bench", "", 0, "+shape +size +batch +layers precision threads json quiet", "how fast this machine is",
      "  limn bench                                    the built-in model's network\n"
      "  limn bench --shape sd15 --size 512            Stable Diffusion 1.5's, random weights\n"
      "  limn bench --shape sdxl --layers --json       where the time goes, for a program\n",
      cmd_bench },
    { "help", "[COMMAND]", 1, "", "the same as --help", "  limn help generate\n", cmd_help },
    { .name = NULL },
};

const Command *command_find(const char *name)
{
    for (const Command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

/* Whether a list of names has this one; mark: how it must begin, "" or "+". */
static bool names(const char *list, const char *mark, const char *name)
{
    size_t len = strlen(name), before = strlen(mark);
    for (const char *at = list; at && (at = strstr(at, name)); at += len) {
        const char *from = at - before;
        bool begins = from >= list && strncmp(from, mark, before) == 0 && (from == list || from[-1] == ' ');
        if (begins && (at[len] == ' ' || !at[len])) return true;
    }
    return false;
}

bool command_takes(const Command *c, const Option *o)
{
    if (c->options) return names(c->options, "", o->name) || names(c->options, "+", o->name);
    for (const Command *other = commands; other->name; other++)
        if (names(other->options, "+", o->name)) return false;
    return true;
}
