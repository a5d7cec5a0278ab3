/* options.c - see options.h. */
#include "cmd/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "pipeline/foreign.h"

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

/* A command line on its way into a job. */
typedef struct {
    Job *job;
    const Command *c;
    bool help, version; /* asked for */
    int times;          /* pictures of each call, of tools that draw in calls */
    Str *renamed;       /* Args'; NULL: nobody asks */
} Line;

/* Remembers what limn calls it. */
static void add_renamed(Line *l, Typed typed, const Option *o)
{
    if (l->renamed) str_addf(l->renamed, "%s%s is --%s", l->renamed->len ? ", " : "", typed.text, o->name);
}

static int unknown(const Command *c, const char *name, size_t len, Typed typed, Err *e)
{
    Nearest n = nearest_to_n(name, len);
    for (const Option *o = job_options; o->name; o++)
        if (command_takes(c, o)) nearest_try(&n, o->name);
    for (const Option *o = job_options; o->name; o++)
        if (command_takes(c, o)) nearest_try_aliases(&n, o->aliases, o->name);
    if (c->run == cmd_generate) foreign_try(&n);
    if (n.best) return err_usage(e, "%s: no such option; did you mean --%s?", typed.text, n.best);
    return err_usage(e, "%s: no such option; limn %s --help shows them", typed.text, c->name);
}

/* The command that takes what this one does not; NULL: several do, or none. */
static const Command *only_taker(const Option *o)
{
    const Command *found = NULL;
    for (const Command *c = commands; c->name; c++) {
        if (!command_takes(c, o)) continue;
        if (found) return NULL;
        found = c;
    }
    return found;
}

static int not_taken(const Command *c, const Option *o, Typed typed, Err *e)
{
    const Command *other = only_taker(o);
    if (other) return err_usage(e, "%s: limn %s does not take it, limn %s does", typed.text, c->name, other->name);
    return err_usage(e, "%s: limn %s does not take it; limn %s --help shows what it takes", typed.text, c->name,
                     c->name);
}

static int set(Line *l, const Option *o, Typed typed, const char *value, Err *e)
{
    if (!command_takes(l->c, o)) return not_taken(l->c, o, typed, e);
    if (!value) return err_usage(e, "%s: a value is expected after it: %s %s", typed.text, typed.text, o->value);
    return job_set(l->job, o, value, e) ? err_in(e, typed.text) : 0;
}

/* ---- what other tools call it ---- */

/* What an option of another tool means, with the words that it was given with. */
typedef struct {
    Line *line;
    Typed typed;
} Meaning;

static int set_meant(void *ctx, const char *name, const char *value, Err *e)
{
    const Meaning *m = ctx;
    const Option *o = command_reads(m->line->c, option_find(name, strlen(name)));
    if (set(m->line, o, m->typed, value, e)) return -1;
    add_renamed(m->line, m->typed, o);
    return 0;
}

/* Pictures of each call, to be multiplied by the number of calls. */
static int set_times(void *ctx, const char *name, const char *value, Err *e)
{
    const Meaning *m = ctx;
    Job one;
    job_init(&one);
    const Option *o = option_find(name, strlen(name));
    int failed = command_takes(m->line->c, o) ? job_set(&one, o, value, e) : not_taken(m->line->c, o, m->typed, e);
    if (!failed) m->line->times = one.count, add_renamed(m->line, m->typed, o);
    else if (command_takes(m->line->c, o)) err_in(e, m->typed.text);
    job_release(&one);
    return failed;
}

/* value: what was written to it with '='; NULL: it is in args[1], if it takes one. Returns how many arguments it took. */
static int parse_foreign(Line *l, const Foreign *f, Typed typed, const char *value, char **args, Err *e)
{
    Meaning m = { l, typed };
    ForeignSink sink = { &m, f->times ? set_times : set_meant };
    bool takes = foreign_takes_value(f), next = takes && !value;
    if (next && !args[1] && f->says) next = takes = false;
    if (next && !args[1]) {
        err_usage(e, "%s: a value is expected after it", typed.text);
        return 0;
    }
    const char *given = value ? value : takes ? args[1] : f->flag ? "true" : NULL;
    if (foreign_apply(f, given, &sink, e)) {
        if (!str_starts(e->text, typed.text)) err_in(e, typed.text);
        return 0;
    }
    return next ? 2 : 1;
}

/* ---- the line ---- */

/* args[0] begins with "--". Returns how many arguments it took; 0 on failure. */
static int parse_long(Line *l, char **args, Err *e)
{
    const char *name = args[0] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    Typed typed = typed_long(name, len);
    bool help = strcmp(name, "help") == 0, version = strcmp(name, "version") == 0;
    l->help = l->help || help;
    l->version = l->version || version;
    if (help || version) return 1;
    const Option *o = option_find(name, len);
    if (o) o = command_reads(l->c, o);
    const Foreign *f = o && command_takes(l->c, o) ? NULL : foreign_find(name, len, true);
    if (f) return parse_foreign(l, f, typed, equals ? equals + 1 : NULL, args, e);
    if (!o) {
        unknown(l->c, name, len, typed, e);
        return 0;
    }
    if (o->type == OPT_FLAG) {
        if (equals) {
            err_usage(e, "%s: takes no value, \"%.60s\" was given", typed.text, equals + 1);
            return 0;
        }
        return set(l, o, typed, "true", e) ? 0 : 1;
    }
    char implied[32];
    bool alone = !equals && option_implied(o, implied) && (!args[1] || args[1][strspn(args[1], "0123456789.")]);
    if (set(l, o, typed, alone ? implied : equals ? equals + 1 : args[1], e)) return 0;
    if (option_is_alias(o, name, len)) add_renamed(l, typed, o);
    return alone || equals ? 1 : 2;
}

/* args[0] begins with one '-': letters of flags, and perhaps one with a value at the end. */
static int parse_letters(Line *l, char **args, Err *e)
{
    const char *name = args[0] + 1;
    if (name[1] && option_find(name, strcspn(name, "="))) { /* -steps: not -s with the value "teps" */
        err_usage(e, "%.60s: no such option; did you mean -%.60s?", args[0], args[0]);
        return 0;
    }
    for (const char *p = name; *p; p++) {
        l->help = l->help || *p == 'h';
        l->version = l->version || *p == 'V';
        if (*p == 'h' || *p == 'V') continue;
        const Option *o = option_letter(*p);
        const Foreign *f = o ? NULL : foreign_letter(*p);
        Typed typed = typed_letter(*p);
        if (f && f->flag) {
            if (!parse_foreign(l, f, typed, NULL, args, e)) return 0;
            continue;
        }
        if (f) return parse_foreign(l, f, typed, p[1] ? p + 1 : NULL, args, e);
        if (!o) {
            err_usage(e, "%s: no such option; limn %s --help shows them", typed.text, l->c->name);
            return 0;
        }
        o = command_reads(l->c, o);
        if (o->type == OPT_FLAG) {
            if (set(l, o, typed, "true", e)) return 0;
            continue;
        }
        if (set(l, o, typed, p[1] ? p + 1 : args[1], e)) return 0;
        return p[1] ? 1 : 2;
    }
    return 1;
}

/* --n_iter 2 --n_samples 3 are six pictures. */
static int multiply_count(const Line *l, Err *e)
{
    char count[32];
    if (l->times == 1) return 0;
    snprintf(count, sizeof count, "%lld", (long long)l->job->count * l->times);
    return job_set(l->job, option_find("count", 5), count, e) ? err_in(e, "--count") : 0;
}

/* words may be NULL: only options are wanted. */
static int parse(Line *l, char **argv, char **words, int *count, Err *e)
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
            took = arg[1] == '-' ? parse_long(l, argv, e) : parse_letters(l, argv, e);
        }
        if (!took) return -1;
        argv += took;
    }
    return multiply_count(l, e);
}

/* What is wrong with more words than the command takes. */
static int too_many(const Args *a, const Command *c, Err *e)
{
    bool numbers = true;
    for (int i = 1; i < a->count; i++) numbers = numbers && !a->words[i][strspn(a->words[i], "0123456789")];
    if (c->run == cmd_generate && numbers && a->job.has_seed)
        return err_usage(
            e,
            "\"%.60s\": one seed is expected; --count N draws seeds that follow each other, limn batch any "
            "list of them",
            a->words[1]);
    if (c->run == cmd_generate)
        return err_usage(e, "%d words where one prompt is expected: put it in quotes, \"%.60s %.60s%s\"", a->count,
                         a->words[0], a->words[1], a->count > 2 ? " ..." : "");
    return err_usage(e, "\"%.60s\" is one word too many; limn %s --help shows how it is used", a->words[c->max_words],
                     c->name);
}

int args_parse(Args *a, const Command *c, char **argv, Err *e)
{
    size_t n = 0;
    while (argv[n]) n++;
    *a = (Args){ .words = mem_array(n + 1, sizeof *a->words), .argv = argv };
    job_init(&a->job);
    Line l = { .job = &a->job, .c = c, .times = 1, .renamed = &a->renamed };
    int failed = parse(&l, argv, a->words, &a->count, e);
    a->help = l.help;
    a->version = l.version;
    if (a->help || a->version) return 0; /* whatever else is wrong */
    return failed || (a->count > c->max_words && too_many(a, c, e)) ? -1 : 0;
}

void args_release(Args *a)
{
    job_release(&a->job);
    str_release(&a->renamed);
    free(a->words);
    *a = (Args){ 0 };
}

int args_apply(const Args *a, const Command *c, Job *j, Err *e)
{
    Line l = { .job = j, .c = c, .times = 1 };
    int count = 0;
    return parse(&l, a->argv, NULL, &count, e);
}
