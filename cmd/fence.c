/* fence.c - see fence.h. */
#include "cmd/fence.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/str.h"
#include "cmd/draw.h"
#include "hub/cache.h"

typedef struct {
    SandboxPath *at;
    size_t count, room;
} List;

/* Takes the text. */
static void add_text(List *l, char *path, bool write)
{
    if (!path || !*path) {
        free(path);
        return;
    }
    if (l->count == l->room) l->at = mem_grow(l->at, (l->room = 2 * l->room + 32) * sizeof *l->at);
    l->at[l->count++] = (SandboxPath){ path, write };
}

static void add(List *l, const char *path, bool write)
{
    if (path) add_text(l, mem_strdup(path), write);
}

/* The folder that a path is in. */
static char *above(const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    while (len && path[len - 1] != '/') len--;
    return len ? mem_strndup(path, len) : mem_strdup(".");
}

/* Files next to a checkpoint that may belong to it: other shards, its .yaml, a tokenizer, configs. '*' stands for any letters. */
static bool belongs(const char *name)
{
    static const char *const names[] = {
        "*.safetensors",          "*.gguf",     "*.yaml",     "*.yml",      "*.index*.json",
        "*config.json",           "tokenizer*", "vocab.json", "merges.txt", "added_tokens.json",
        "special_tokens_map.json"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fnmatch(names[i], name, FNM_PERIOD) == 0) return true;
    return false;
}

/* What links in a folder lead to, and in the folders below: models are kept in one place and named in another. */
static void add_links(List *l, const char *folder, int depth)
{
    enum { DEEP = 3, MOST = 10000 };
    DIR *d = depth < DEEP ? opendir(folder) : NULL;
    for (struct dirent *entry; d && (entry = readdir(d)) && l->count < MOST;) {
        struct stat st;
        Str path = { 0 };
        if (*entry->d_name == '.') continue;
        str_addf(&path, "%s/%s", folder, entry->d_name);
        if (lstat(str_text(&path), &st) == 0 && S_ISLNK(st.st_mode)) add(l, str_text(&path), false);
        else if (file_is_dir(str_text(&path))) add_links(l, str_text(&path), depth + 1);
        str_release(&path);
    }
    if (d) closedir(d);
}

/* A folder and all in it; or a file and what belongs to it, but not the rest of its folder, which may be the user's home. */
static void add_model(List *l, const char *path)
{
    add(l, path, false);
    if (path && file_is_dir(path)) add_links(l, path, 0);
    if (!path || file_is_dir(path) || !file_exists(path)) return;
    char *folder = above(path);
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (!belongs(entry->d_name)) continue;
        Str beside = { 0 };
        str_addf(&beside, "%s/%s", folder, entry->d_name);
        add_text(l, beside.s, false);
    }
    if (d) closedir(d);
    free(folder);
}

/* The same of a name that limn pull has fetched: the hub's links lead to blobs outside their snapshot. */
static void add_named(List *l, const char *name)
{
    HubName n;
    char *own = name && !file_exists(name) ? hub_models_find(name) : NULL;
    add_model(l, own ? own : name);
    free(own);
    if (!name || file_exists(name) || !hub_name_parse(name, &n)) return;
    Str repo = { 0 };
    hub_cache_repo(n.repo, &repo);
    add_text(l, repo.s, false);
    hub_name_release(&n);
}

/* A word of the command line: a model, or a file of its own (a picture, a job file). */
static void add_word(List *l, const char *word)
{
    if (strlen(word) >= PATH_MAX) return;
    if (!file_exists(word)) add_named(l, word);
    else if (belongs(word)) add_model(l, word);
    else add(l, word, false);
}

/* What is written: the folder of a path or of a template, or the nearest above it that is there, in which it will be made. */
static void add_output(List *l, const char *path)
{
    if (!path || strcmp(path, "-") == 0) return;
    char *folder = mem_strndup(path, strcspn(path, "{"));
    if (!file_is_dir(folder)) {
        char *up = above(folder);
        free(folder);
        folder = up;
    }
    while (!file_is_dir(folder) && strcmp(folder, ".") != 0 && strcmp(folder, "/") != 0) {
        char *up = above(folder);
        free(folder);
        folder = up;
    }
    add_text(l, folder, true);
}

/* Every file in a line of several things: a LoRA with its strengths, a control network and its picture, an axis' models. */
static void add_files_in(List *l, const char *lines)
{
    for (const char *from = lines; *from; from++)
        for (size_t len = 1;
             (from == lines || strchr("\n,=:", from[-1])) && len < PATH_MAX && from[len - 1] && from[len - 1] != '\n';
             len++) {
            if (from[len] && !strchr("\n,:=", from[len])) continue;
            char *path = mem_strndup(from, len);
            if (file_exists(path)) add_model(l, path);
            free(path);
        }
}

/* What an option names: the table says what is a path. */
static void add_option(List *l, const Command *c, const Job *j, const Option *o)
{
    static const char *const written[] = { "output", "atlas", "trace" };
    bool write = false;
    Str value = { 0 };
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) write = write || strcmp(o->name, written[i]) == 0;
    if ((o->type != OPT_PATH && o->type != OPT_LINES) || !command_takes(c, o) || !job_get(j, o, &value)) return;
    if (o->type == OPT_LINES) add_files_in(l, str_text(&value));
    else if (write) add_output(l, str_text(&value));
    else add_named(l, str_text(&value));
    str_release(&value);
}

/* What limn asks of every system: memory, cores, time zone, the terminal. */
static void add_system(List *l)
{
    static const char *const reads[] = { "/proc/self",
                                         "/proc/meminfo",
                                         "/proc/cpuinfo",
                                         "/proc/sys/kernel/random",
                                         "/proc/sys/vm",
                                         "/sys/fs/cgroup",
                                         "/sys/devices/system/cpu",
                                         "/etc/localtime",
                                         "/usr/share/zoneinfo",
                                         "/dev/urandom",
                                         NULL };
    for (const char *const *p = reads; *p; p++) add(l, *p, false);
    add(l, "/dev/null", true);
    add(l, "/dev/tty", true);
}

/* $VARIABLE/limn, or below the home folder. */
static void add_own(List *l, const char *variable, const char *usual, bool write)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    Str path = { 0 };
    if (base && *base) str_addf(&path, "%s/limn", base);
    else if (home && *home) str_addf(&path, "%s/%s/limn", home, usual);
    add(l, str_text(&path), write);
    str_release(&path);
}

/* listening: the socket that may be asked for connections; -1: none. */
static int enter(List *l, const Command *c, const Args *a, int listening, Sandbox *got, Err *e)
{
    const Job *j = &a->job;
    add_system(l);
    add_own(l, "XDG_CACHE_HOME", ".cache", true);
    add_own(l, "XDG_DATA_HOME", ".local/share", false);
    if (!j->model) add_named(l, getenv("LIMN_MODEL"));
    for (const Option *o = job_options; o->name; o++) add_option(l, c, j, o);
    add_named(l, "openai/clip-vit-large-patch14"); /* the vocabulary of single files */
    for (int i = 0; i < a->count; i++) add_word(l, a->words[i]);
    int failed = sandbox_enter(l->at, l->count, listening, got, e);
    for (size_t i = 0; i < l->count; i++) free((void *)(size_t)l->at[i].path);
    free(l->at);
    return failed ? err_in(e, "--sandbox") : 0;
}

int fence_enter(const Command *c, const Args *a, Err *e)
{
    const Job *j = &a->job;
    List l = { .count = 0 };
    Sandbox got;
    if (!j->output && command_takes(c, option_find("output", strlen("output")))) add_output(&l, "./x");
    if (enter(&l, c, a, -1, &got, e)) return -1;
    if (!got.files && !j->quiet) warn_user("--sandbox: this kernel has no Landlock: files are not fenced off");
    if (!got.calls && !j->quiet)
        warn_user("--sandbox: this kernel has no seccomp filters: system calls are not fenced off");
    return 0;
}

int fence_server(const Command *c, const Args *a, const char *folder, int listening, Err *e)
{
    List l = { .count = 0 };
    Sandbox got;
    add(&l, folder, true);
    if (enter(&l, c, a, listening, &got, e)) return -1;
    if (!got.files && a->job.verbose) warn_user("this kernel has no Landlock: files are not fenced off");
    if (!got.calls && a->job.verbose) warn_user("this kernel has no seccomp filters: system calls are not fenced off");
    return 0;
}
