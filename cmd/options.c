/* options.c - see options.h. */
#include "cmd/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"

/* "--steps" or "-s", as it was typed, for messages. */
typedef struct {
    char text[64];
} Typed;

static Typed typed_long(const char *name, size_t len)
{
    Typed t;
    snprintf(t.text, sizeof t.text, "--%.*s", len < 60 ? (int)len : 60, name);
    return t;
}

static Typed typed_letter(char c)
{
    Typed t;
    snprintf(t.text, sizeof t.text, "-%c", c);
    return t;
}

static int unknown(const Command *c, const char *name, size_t len, Typed typed, Err *e)
{
    Nearest n = nearest_to_n(name, len);
    for (const Option *o = job_options; o->name; o++)
        if (command_takes(c, o)) nearest_try(&n, o->name);
    if (n.best) return err_usage(e, "%s: no such option; did you mean --%s?", typed.text, n.best);
    return err_usage(e, "%s: no such option; limn %s --help shows them", typed.text, c->name);
}

static int set(Job *j, const Command *c, const Option *o, Typed typed, const char *value, Err *e)
{
    if (!command_takes(c, o))
        return err_usage(e, "%s: limn %s does not take it; limn %s --help shows what it takes", typed.text, c->name,
                         c->name);
    if (!value) return err_usage(e, "%s: a value is expected after it: %s %s", typed.text, typed.text, o->value);
    return job_set(j, o, value, e) ? err_in(e, typed.text) : 0;
}

/* args[0] begins with "--". Returns how many arguments it took; 0 on failure. */
static int parse_long(Job *j, bool *help, const Command *c, char **args, Err *e)
{
    const char *name = args[0] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    Typed typed = typed_long(name, len);
    if (strcmp(name, "help") == 0) {
        *help = true;
        return 1;
    }
    const Option *o = option_find(name, len);
    if (!o) {
        unknown(c, name, len, typed, e);
        return 0;
    }
    o = command_reads(c, o);
    if (o->type == OPT_FLAG) {
        if (equals) {
            err_usage(e, "%s: takes no value, \"%.60s\" was given", typed.text, equals + 1);
            return 0;
        }
        return set(j, c, o, typed, "true", e) ? 0 : 1;
    }
    if (set(j, c, o, typed, equals ? equals + 1 : args[1], e)) return 0;
    return equals ? 1 : 2;
}

/* args[0] begins with one '-': letters of flags, and perhaps one with a value at the end. */
static int parse_letters(Job *j, bool *help, const Command *c, char **args, Err *e)
{
    const char *name = args[0] + 1;
    if (name[1] && option_find(name, strcspn(name, "="))) { /* -steps: not -s with the value "teps" */
        err_usage(e, "%.60s: no such option; did you mean -%.60s?", args[0], args[0]);
        return 0;
    }
    for (const char *p = name; *p; p++) {
        if (*p == 'h') {
            *help = true;
            continue;
        }
        const Option *o = option_letter(*p);
        Typed typed = typed_letter(*p);
        if (!o) {
            err_usage(e, "%s: no such option; limn %s --help shows them", typed.text, c->name);
            return 0;
        }
        o = command_reads(c, o);
        if (o->type == OPT_FLAG) {
            if (set(j, c, o, typed, "true", e)) return 0;
            continue;
        }
        if (set(j, c, o, typed, p[1] ? p + 1 : args[1], e)) return 0;
        return p[1] ? 1 : 2;
    }
    return 1;
}

/* words may be NULL: only options are wanted. */
static int parse(const Command *c, char **argv, Job *j, bool *help, char **words, int *count, Err *e)
{
    bool only_words = false;
    while (*argv) {
        const char *arg = *argv;
        int took = 1;
        if (only_words || arg[0] != '-' || !arg[1]) {
            if (words) words[*count] = *argv;
            ++*count;
        } else if (strcmp(arg, "--") == 0) {
            only_words = true;
        } else {
            took = arg[1] == '-' ? parse_long(j, help, c, argv, e) : parse_letters(j, help, c, argv, e);
        }
        if (!took) return -1;
        argv += took;
    }
    return 0;
}

int args_parse(Args *a, const Command *c, char **argv, Err *e)
{
    size_t n = 0;
    while (argv[n]) n++;
    *a = (Args){ .words = mem_array(n + 1, sizeof *a->words), .argv = argv };
    job_init(&a->job);
    if (parse(c, argv, &a->job, &a->help, a->words, &a->count, e)) return -1;
    if (a->count <= c->max_words || a->help) return 0;
    if (c->run == cmd_generate)
        return err_usage(e, "%d words where one prompt is expected: put it in quotes, \"%.60s %.60s%s\"", a->count,
                         a->words[0], a->words[1], a->count > 2 ? " ..." : "");
    return err_usage(e, "\"%.60s\" is one word too many; limn %s --help shows how it is used", a->words[c->max_words],
                     c->name);
}

void args_release(Args *a)
{
    job_release(&a->job);
    free(a->words);
    *a = (Args){ 0 };
}

int args_apply(const Args *a, const Command *c, Job *j, Err *e)
{
    bool help;
    int count = 0;
    return parse(c, a->argv, j, &help, NULL, &count, e);
}
