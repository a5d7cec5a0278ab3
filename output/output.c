/* output.c - see output.h. */
#include "output/output.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "base/nearest.h"
#include "base/slug.h"
#include "output/template.h"

static const char fresh_prefix[] = "limn-", suffix[] = ".png";

/* "": the current folder, a fresh number; "x/" a folder; else a file or template. */
static const char *place(const Job *j) { return j->output ? j->output : ""; }

static bool is_folder(const char *where) { return !*where || str_ends(where, "/") || file_is_dir(where); }

/* Names of a template that are no options. */
static const char *const names[] = { "index", "model", "date", "prompt_slug", NULL };

/* ctx: OutputNames, or NULL: only whether there is such a name. */
static int add_name(void *ctx, const char *name, const char **near, Str *out, Err *e)
{
    const OutputNames *n = ctx;
    const Option *o = option_find(name, strlen(name));
    bool option = o && o->picture && o->type != OPT_PATH;
    int i = 0;
    (void)e;
    while (names[i] && strcmp(names[i], name) != 0) i++;
    if (!names[i] && !option) {
        Nearest best = nearest_to(name);
        for (i = 0; names[i]; i++) nearest_try(&best, names[i]);
        for (o = job_options; o->name; o++)
            if (o->picture && o->type != OPT_PATH) nearest_try(&best, o->name);
        *near = best.best;
        return 0;
    }
    if (!n) return 1;
    if (strcmp(name, "index") == 0) str_addf(out, "%d", n->index);
    else if (strcmp(name, "model") == 0) slug_add(out, n->model ? n->model : "", false);
    else if (strcmp(name, "date") == 0) str_add(out, n->date);
    else if (strcmp(name, "prompt_slug") == 0) slug_add(out, n->job->prompt, true);
    else if (o && o->type == OPT_SEED) str_addf(out, "%llu", (unsigned long long)n->seed);
    else if (o) template_option(n->job, o, out);
    return 1;
}

/* A name that is the same for all pictures of a count gets a number: "x.png" -> "x-01.png". */
static void add_number(Str *path, int index, int count)
{
    char last[32], number[32];
    int digits = snprintf(last, sizeof last, "%d", count);
    snprintf(number, sizeof number, "-%0*d%s", digits, index, suffix);
    path->len -= strlen(suffix);
    path->s[path->len] = 0;
    str_add(path, number);
}

static int named_path(const OutputNames *n, Str *path, Err *e)
{
    const char *where = place(n->job);
    if (template_format(where, add_name, (void *)(size_t)n, path, e)) return -1;
    bool many = template_uses(where, "index") || template_uses(where, "seed");
    if (n->job->count > 1 && !many) add_number(path, n->index, n->job->count);
    return 0;
}

static void add_folder(Str *path, const char *where)
{
    str_add(path, where);
    if (*where && !str_ends(where, "/")) str_add(path, "/");
}

/* One more than the largest number there is. */
static unsigned long fresh_number(const char *where)
{
    unsigned long largest = 0;
    DIR *d = opendir(*where ? where : ".");
    for (struct dirent *f; d && (f = readdir(d));) {
        if (!str_starts(f->d_name, fresh_prefix) || !str_ends(f->d_name, suffix)) continue;
        const char *digits = f->d_name + strlen(fresh_prefix);
        size_t len = strspn(digits, "0123456789");
        if (!len || len > 9 || strcmp(digits + len, suffix) != 0) continue;
        unsigned long v = strtoul(digits, NULL, 10);
        if (v > largest) largest = v;
    }
    if (d) closedir(d);
    return largest + 1;
}

static void fresh_path(Str *path, const char *where, unsigned long number)
{
    str_clear(path);
    add_folder(path, where);
    str_addf(path, "%s%05lu%s", fresh_prefix, number, suffix);
}

bool output_is_stdout(const Job *j)
{
    return j->output && (strcmp(j->output, "-") == 0 || strcmp(j->output, "/dev/stdout") == 0);
}

/* A folder that is there, or that can be made: what is there of the way to it can be written in. */
static int check_folder(const char *where, Err *e)
{
    Str above = { 0 }, path = { 0 };
    str_add(&above, where);
    while (above.len && !file_is_dir(above.s)) {
        while (above.len && above.s[above.len - 1] == '/') above.s[--above.len] = 0;
        if (above.len && file_named(above.s) && !file_is_dir(above.s)) break;
        while (above.len && above.s[above.len - 1] != '/') above.s[--above.len] = 0;
    }
    int failed = 0;
    if (above.len && !file_is_dir(above.s)) failed = err_set(e, "--output: \"%.400s\" is no folder", above.s);
    else fresh_path(&path, str_text(&above), fresh_number(str_text(&above))); /* a name that is free */
    Err why;
    if (!failed && file_check_writable(str_text(&path), &why)) {
        *e = why;
        failed =
            file_is_dir(where) || !*where ? -1 : err_set(e, "--output: \"%.200s\" cannot be made: %s", where, why.text);
    }
    str_release(&above);
    str_release(&path);
    return failed;
}

int output_check(const Job *j, Err *e)
{
    const char *where = place(j);
    Str path = { 0 };
    int failed;
    if (is_folder(where)) {
        failed = check_folder(where, e);
    } else {
        const char *slash = strrchr(where, '/');
        size_t len = strlen(where);
        bool png = len > strlen(suffix) && str_ends(where, suffix);
        failed = template_format(where, add_name, NULL, &path, e);
        if (!failed && !png)
            failed = err_usage(e, "--output: \"%.400s\" is neither a folder that exists nor a name that ends in %s",
                               where, suffix);
        bool hidden = slash && memchr(where, '{', (size_t)(slash - where)); /* the folder depends on a {name} */
        if (!failed && !hidden) failed = file_check_writable(where, e);
    }
    str_release(&path);
    return failed;
}

int output_check_place(const OutputNames *n, Err *e)
{
    if (is_folder(place(n->job))) return 0; /* output_check() did */
    Str path = { 0 };
    int failed = named_path(n, &path, e) || file_check_writable(str_text(&path), e);
    str_release(&path);
    return failed ? -1 : 0;
}

/* A folder that is named with a slash. */
static int make_folder(const char *where, Err *e)
{
    Folder folder;
    if (!*where || file_is_dir(where)) return 0;
    if (folder_make(&folder, where, e)) return err_in(e, "--output");
    folder_close(&folder);
    return 0;
}

int output_preview_path(const OutputNames *n, Str *path, Err *e)
{
    const char *where = place(n->job);
    str_clear(path);
    if (is_folder(where)) {
        if (make_folder(where, e)) return -1;
        add_folder(path, where);
        str_add(path, "limn.png");
    } else if (named_path(n, path, e)) {
        return -1;
    }
    path->len -= strlen(suffix);
    path->s[path->len] = 0;
    str_addf(path, "-preview%s", suffix);
    return 0;
}

int output_write(const OutputNames *n, Bytes png, Str *path, Err *e)
{
    const char *where = place(n->job);
    str_clear(path);
    if (!is_folder(where)) {
        if (named_path(n, path, e)) return -1;
        return file_write(str_text(path), png, e);
    }
    if (make_folder(where, e)) return -1;
    bool exists = true;
    for (unsigned long number = fresh_number(where); exists; number++) {
        fresh_path(path, where, number);
        if (file_write_new(str_text(path), png, &exists, e) && !exists) return -1;
    }
    return 0;
}
