/* output.c - see output.h. */
#include "cmd/output.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/slug.h"
#include "cmd/stdout.h"

static const char fresh_prefix[] = "limn-", suffix[] = ".png";

/* "": the current folder, a fresh number; "x/" a folder; else a file or template. */
static const char *place(const Job *j) { return j->output ? j->output : ""; }

static bool is_folder(const char *where) { return !*where || str_ends(where, "/") || file_is_dir(where); }

/* One {name}; false: there is none such. n NULL: only the question. */
static bool add_name(Str *out, const char *name, size_t len, const OutputNames *n)
{
    bool index = len == 5 && memcmp(name, "index", len) == 0, model = len == 5 && memcmp(name, "model", len) == 0;
    const Option *o = option_find(name, len);
    if (!index && !model && (!o || !o->picture || o->type == OPT_PATH)) return false;
    if (!n) return true;

    Str value = { 0 };
    if (index) str_addf(&value, "%d", n->index);
    else if (model) str_add(&value, n->model ? n->model : "");
    else if (o->type == OPT_SEED) str_addf(&value, "%llu", (unsigned long long)n->seed);
    else job_get(n->job, o, &value);
    slug_add(out, str_text(&value), false);
    str_release(&value);
    return true;
}

/*
 * The template with its names put in; "{{" and "}}" are a brace. n NULL: only checked. *many: it differs from picture
 * to picture of a count.
 */
static int expand(const char *template, const OutputNames *n, Str *out, bool *many, Err *e)
{
    *many = false;
    for (const char *p = template; *p;) {
        if ((*p == '{' || *p == '}') && p[1] == *p) {
            str_addn(out, p, 1);
            p += 2;
            continue;
        }
        if (*p != '{') {
            str_addn(out, p++, 1);
            continue;
        }
        const char *name = ++p, *end = strchr(p, '}');
        if (!end) return err_usage(e, "--output: \"%.200s\" has a { without a }; {{ stands for a brace", template);
        size_t len = (size_t)(end - name);
        if (!add_name(out, name, len, n))
            return err_usage(e,
                             "--output: {%.*s} is unknown; there are {index}, {model}, {seed}, {prompt}, {steps}, "
                             "{sampler}, {width}, {height}, {cfg-scale} and the picture's other options",
                             len < 40 ? (int)len : 40, name);
        *many = *many || (len == 5 && memcmp(name, "index", len) == 0) || (len == 4 && memcmp(name, "seed", len) == 0);
        p = end + 1;
    }
    return 0;
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
    bool many;
    if (expand(place(n->job), n, path, &many, e)) return -1;
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

/* One picture and nothing else, to a program or a file. */
static int check_stdout(const Job *j, Err *e)
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
    if (output_is_stdout(j)) return check_stdout(j, e);
    if (is_folder(where)) {
        failed = check_folder(where, e);
    } else {
        bool many;
        const char *slash = strrchr(where, '/');
        size_t len = strlen(where);
        bool png = len > strlen(suffix) && str_ends(where, suffix);
        failed = expand(where, NULL, &path, &many, e);
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
    if (output_is_stdout(n->job) || is_folder(place(n->job))) return 0; /* output_check() did */
    Str path = { 0 };
    int failed = named_path(n, &path, e) || file_check_writable(str_text(&path), e);
    str_release(&path);
    return failed ? -1 : 0;
}

int output_write(const OutputNames *n, Bytes png, Str *path, Err *e)
{
    const char *where = place(n->job);
    str_clear(path);
    if (output_is_stdout(n->job)) {
        str_add(path, "-");
        fwrite(png.data, 1, png.len, stdout);
        return stdout_flush("the picture cannot be written to stdout", e);
    }
    if (!is_folder(where)) {
        if (named_path(n, path, e)) return -1;
        return file_write(str_text(path), png, e);
    }
    Folder folder;
    if (*where && !file_is_dir(where)) {
        if (folder_make(&folder, where, e)) return err_in(e, "--output");
        folder_close(&folder);
    }
    bool exists = true;
    for (unsigned long number = fresh_number(where); exists; number++) {
        fresh_path(path, where, number);
        if (file_write_new(str_text(path), png, &exists, e) && !exists) return -1;
    }
    return 0;
}
