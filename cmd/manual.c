/* manual.c - see manual.h. */
#include "cmd/manual.h"

#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "cmd/command.h"

/* ---- what all forms ask ------------------------------------------------------------------------------------------------ */

/* Whether some command takes the option. */
static bool anybodys(const Option *o)
{
    for (const Command *c = commands; c->name; c++)
        if (command_takes(c, o)) return true;
    return false;
}

/* What follows the option's name: "N", "a|b"; NULL: nothing. */
static const char *value_of(const Option *o) { return o->type == OPT_FLAG ? NULL : o->value ? o->value : "VALUE"; }

/* Calls put for each choice of "a|b|c". */
static void each_choice(const char *choices, void (*put)(const char *word, int len))
{
    for (const char *p = choices; *p; p += strcspn(p, "|"), p += *p == '|') put(p, (int)strcspn(p, "|"));
}

/* ---- man page ---------------------------------------------------------------------------------------------------------- */

/* Text for troff: backslashes and hyphens as they stand, no request at the beginning of a line. */
static void roff(const char *text)
{
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '-') fputs("\\-", stdout);
        else putchar(*text);
        begins = *text == '\n';
    }
}

static void man_option(const Option *o)
{
    printf(".TP\n");
    if (o->letter) printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    roff(o->name);
    printf("\\fR");
    if (value_of(o)) {
        printf(" \\fI");
        roff(value_of(o));
        printf("\\fR");
    }
    putchar('\n');
    roff(o->help);
    if (o->type == OPT_INT || o->type == OPT_FLOAT) printf(" (%g to %g)", o->min, o->max);
    if (o->type != OPT_FLAG && o->dflt && *o->dflt) {
        printf(" [");
        roff(o->dflt);
        putchar(']');
    }
    putchar('\n');
}

static void put_man(void)
{
    printf(".TH LIMN 1 \"\" \"limn " LIMN_VERSION
           "\" \"User Commands\"\n.SH NAME\nlimn \\- draws pictures from words, on the CPU\n");
    printf(".SH SYNOPSIS\n");
    for (const Command *c = commands; c->name; c++)
        printf(".B limn %s\n%s%s%s[\\fIoptions\\fR]\n.br\n", c->name, *c->words ? "\\fI" : "", c->words,
               *c->words ? "\\fR " : "");
    printf(".SH DESCRIPTION\nlimn runs Stable Diffusion checkpoints on the CPU, and has a small model of its own "
           "inside. A first word that "
           "is no command is the prompt of \\fBlimn generate\\fR. Results go to stdout, progress and words to "
           "stderr.\n.SH COMMANDS\n");
    for (const Command *c = commands; c->name; c++) {
        printf(".SS limn %s %s\n", c->name, c->words);
        roff(c->help);
        printf("\n.PP\n.nf\n");
        roff(c->about);
        printf(".fi\n");
    }
    printf(".SH OPTIONS\nA command's \\-\\-help shows those that it takes.\n");
    for (const Option *o = job_options; o->name; o++)
        if (anybodys(o)) man_option(o);
    printf(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong use, 130 interrupted.\n");
    printf(".SH ENVIRONMENT\n.TP\nLIMN_MODEL\nthe model, where \\-\\-model gives none\n.TP\nLIMN_CPU\nthe kernel set: "
           "portable, avx2, avx2vnni, avx512, avx512vnni, "
           "avx512bf16, amx, neon\n.TP\nXDG_DATA_HOME, XDG_CACHE_HOME\nwhere CLIP's vocabulary is looked for, and "
           "where hashes are "
           "kept\n");
}

/* ---- completions ------------------------------------------------------------------------------------------------------- */

static void put_word(const char *word, int len) { printf("%.*s ", len, word); }

static void command_names(void)
{
    for (const Command *c = commands; c->name; c++) printf("%s ", c->name);
}

/* --a -b --c: what a command takes. */
static void option_words(const Command *c)
{
    for (const Option *o = job_options; o->name; o++)
        if (command_takes(c, o)) printf("--%s ", o->name);
    printf("--help");
}

static void put_bash(void)
{
    printf("# bash completion for limn, made by `limn help bash`\n_limn()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} "
           "prev=${COMP_WORDS[COMP_CWORD-1]} command=generate\n    case ${COMP_WORDS[1]} in\n    ");
    for (const Command *c = commands; c->name; c++) printf("%s%s", c == commands ? "" : "|", c->name);
    printf(") command=${COMP_WORDS[1]} ;;\n    esac\n    case $prev in\n");
    for (const Option *o = job_options; o->name; o++) {
        if (o->type != OPT_CHOICE || !anybodys(o)) continue;
        printf("    --%s) COMPREPLY=($(compgen -W \"", o->name);
        each_choice(o->value, put_word);
        printf("\" -- \"$cur\")); return ;;\n");
    }
    printf("    --sampler|--schedule) COMPREPLY=($(compgen -W \"$(limn list ${prev#--}s --json 2>/dev/null | grep -o "
           "'\"name\":\"[^\"]*' | cut -d'\"' -f4)\" -- \"$cur\")); return ;;\n    esac\n    if [[ $cur != -* ]]; "
           "then\n        "
           "COMPREPLY=($(compgen -f -- \"$cur\"))\n        [ $COMP_CWORD -gt 1 ] || COMPREPLY+=($(compgen -W \"");
    command_names();
    printf("\" -- \"$cur\"))\n        return\n    fi\n    case $command in\n");
    for (const Command *c = commands; c->name; c++) {
        printf("    %s) COMPREPLY=($(compgen -W \"", c->name);
        option_words(c);
        printf("\" -- \"$cur\")) ;;\n");
    }
    printf("    esac\n}\ncomplete -o filenames -F _limn limn\n");
}

/* Text inside of '...' and [...] of zsh's _arguments. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text)) printf("\\%c", *text);
        else putchar(*text);
    }
}

static void zsh_option(const Option *o)
{
    printf("            '--%s[", o->name);
    zsh_text(o->help);
    putchar(']');
    if (o->type == OPT_CHOICE) {
        printf(":value:(");
        each_choice(o->value, put_word);
        putchar(')');
    } else if (o->type == OPT_PATH) {
        printf(":file:_files");
    } else if (value_of(o)) {
        printf(":value: ");
    }
    printf("' \\\n");
}

static void put_zsh(void)
{
    printf("#compdef limn\n# zsh completion for limn, made by `limn help zsh`\nlocal command=generate\nif (( CURRENT "
           "== 2 )); then\n    "
           "local -a commands=(\n");
    for (const Command *c = commands; c->name; c++) {
        printf("        '%s:", c->name);
        zsh_text(c->help);
        printf("'\n");
    }
    printf("    )\n    _describe command commands\nfi\ncase $words[2] in\n    ");
    for (const Command *c = commands; c->name; c++) printf("%s%s", c == commands ? "" : "|", c->name);
    printf(") command=$words[2] ;;\nesac\ncase $command in\n");
    for (const Command *c = commands; c->name; c++) {
        printf("    %s)\n        _arguments \\\n", c->name);
        for (const Option *o = job_options; o->name; o++)
            if (command_takes(c, o)) zsh_option(o);
        printf("            '*:file:_files' ;;\n");
    }
    printf("esac\n");
}

/* Text inside of '...' of fish. */
static void fish_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') putchar('\\');
        putchar(*text);
    }
}

static void put_fish(void)
{
    printf("# fish completion for limn, made by `limn help fish`\n");
    for (const Command *c = commands; c->name; c++) {
        printf("complete -c limn -n __fish_use_subcommand -a %s -d '", c->name);
        fish_text(c->help);
        printf("'\n");
    }
    for (const Option *o = job_options; o->name; o++) {
        if (!anybodys(o)) continue;
        printf("complete -c limn -l %s", o->name);
        if (o->letter) printf(" -s %c", o->letter);
        if (o->type == OPT_CHOICE) {
            printf(" -x -a '");
            each_choice(o->value, put_word);
            printf("'");
        } else if (value_of(o)) {
            printf(o->type == OPT_PATH ? " -r" : " -x");
        }
        printf(" -d '");
        fish_text(o->help);
        printf("'\n");
    }
}

/* ---- docs/options.md --------------------------------------------------------------------------------------------------- */

/* Text in a cell of a table. */
static void cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<') putchar('\\');
        putchar(*text);
    }
}

static void put_markdown(void)
{
    printf("# All options\n\nMade from the program's own table: `limn help markdown > docs/options.md`. Every option "
           "is a field of a job "
           "file too ([batch.md](batch.md)), with `_` or `-`.\n`limn COMMAND --help` shows a command's options in "
           "groups.\n\n"
           "| option | what it does | commands |\n|---|---|---|\n");
    for (const Option *o = job_options; o->name; o++) {
        if (!anybodys(o)) continue;
        printf("| `--%s`", o->name);
        if (o->letter) printf(", `-%c`", o->letter);
        if (value_of(o)) {
            putchar(' ');
            cell(value_of(o));
        }
        printf(" | ");
        cell(o->help);
        if (o->type == OPT_INT || o->type == OPT_FLOAT) printf("; %g to %g", o->min, o->max);
        if (o->type != OPT_FLAG && o->dflt && *o->dflt) {
            printf("; without it ");
            cell(o->dflt);
        }
        if (o->aliases) {
            printf(". Also: ");
            cell(o->aliases);
        }
        printf(" |");
        for (const Command *c = commands; c->name; c++)
            if (command_takes(c, o)) printf(" %s", c->name);
        printf(" |\n");
    }
}

bool manual_put(const char *name)
{
    static const struct {
        const char *name;
        void (*put)(void);
    } forms[] = {
        { "man", put_man },   { "bash", put_bash },         { "zsh", put_zsh },
        { "fish", put_fish }, { "markdown", put_markdown },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(forms[i].name, name) != 0) continue;
        forms[i].put();
        return true;
    }
    return false;
}
