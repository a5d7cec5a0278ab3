/*
 * mem_free.c - mem_available() and mem_free() of mem.h. A process's memory is limited by its control group and by every group above
 * it, of version 1 (memory.limit_in_bytes) or 2 (memory.max, memory.high): batch systems, containers and systemd use them so. What
 * such a group holds of files can be dropped and counts as free. Source: Linux, Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/memory.rst; proc(5) for mountinfo; cgroups(7).
 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"

enum { LINE = 8192 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* The number after `key` in a file of "key value" lines, or the first number where key is "". False: not there. */
static bool number_in(const char *path, const char *key, size_t *out)
{
    char line[256];
    unsigned long long v = 0;
    bool found = false;
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f))
        if (str_starts(line, key)) found = sscanf(line + strlen(key), "%llu", &v) == 1;
    if (f) fclose(f);
    *out = (size_t)v;
    return found;
}

/* The same for a file of a folder; 0 where it is not there. */
static size_t number_of(const char *dir, const char *file, const char *key, bool *found)
{
    Str path = { 0 };
    size_t n;
    str_addf(&path, "%s/%s", dir, file);
    *found = number_in(path.s, key, &n);
    str_release(&path);
    return n;
}

/* ---- control groups ---- */

/* How a version's files are called. */
typedef struct {
    const char *type; /* of the file system */
    const char *limits[2], *used;
    const char *cached[2]; /* lines of memory.stat */
} Version;

static const Version versions[] = {
    { "cgroup2", { "memory.max", "memory.high" }, "memory.current", { "inactive_file ", "active_file " } },
    { "cgroup",
      { "memory.limit_in_bytes", NULL },
      "memory.usage_in_bytes",
      { "total_inactive_file ", "total_active_file " } },
};

/* What one group leaves. */
static size_t left_in(const char *dir, const Version *v)
{
    bool has_limit, has_used, found;
    size_t limit = SIZE_MAX;
    for (int i = 0; i < 2 && v->limits[i]; i++) {
        size_t n = number_of(dir, v->limits[i], "", &has_limit); /* "max" is none */
        if (has_limit) limit = smaller(limit, n);
    }
    size_t used = number_of(dir, v->used, "", &has_used), cached = 0;
    if (limit == SIZE_MAX || !has_used) return SIZE_MAX;
    for (int i = 0; i < 2; i++) cached += number_of(dir, "memory.stat", v->cached[i], &found);
    used -= smaller(cached, used);
    return limit > used ? limit - used : 0;
}

/* A field of mountinfo in place: a blank is \040 there. */
static char *unescape(char *s)
{
    char *to = s;
    for (char *p = s; *p; to++) {
        bool octal =
            p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7';
        *to = octal ? (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + p[3] - '0') : *p;
        p += octal ? 4 : 1;
    }
    *to = 0;
    return s;
}

/* Whether one of a list with commas is the word. */
static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p; p = strchr(p, ','), p += p != NULL)
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || !p[n])) return true;
    return false;
}

/* The process's group in a version's hierarchy: the path of a line of /proc/self/cgroup, "ID:CONTROLLERS:PATH". */
static bool own_group(const char *root, const Version *v, Str *out)
{
    char line[LINE];
    bool found = false;
    Str path = { 0 };
    str_addf(&path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path.s, "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *at = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!at) continue;
        *controllers++ = *at++ = 0;
        found = v == versions ? strcmp(line, "0") == 0 && !*controllers : lists(controllers, "memory");
        if (found) str_add(out, at);
    }
    if (f) fclose(f);
    str_release(&path);
    return found;
}

/* The fields of a line of mountinfo that matter; false: it is not of this version, or of other controllers. */
static bool mount_of(char *line, const Version *v, char **mounted, char **at)
{
    char *field[6], *save = NULL;
    line[strcspn(line, "\n")] = 0;
    for (int i = 0; i < 6; i++)
        if (!(field[i] = strtok_r(i ? NULL : line, " ", &save))) return false;
    char *word = strtok_r(NULL, " ", &save);
    while (word && strcmp(word, "-") != 0) word = strtok_r(NULL, " ", &save);
    char *type = strtok_r(NULL, " ", &save), *source = strtok_r(NULL, " ", &save),
         *options = strtok_r(NULL, " ", &save);
    if (!type || !source || !options || strcmp(type, v->type) != 0) return false;
    *mounted = unescape(field[3]);
    *at = unescape(field[4]);
    return v == versions || lists(options, "memory");
}

/*
 * All groups from the process's own up to where the hierarchy is mounted. A container may see a part of it only: then the mount
 * says which, and a group outside of it ("/..", or elsewhere) is not seen.
 */
static size_t left_on_the_way(const char *root, const char *mounted, const char *at, const char *group,
                              const Version *v)
{
    size_t left = SIZE_MAX, skip = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
    bool below = strncmp(group, mounted, skip) == 0 && (group[skip] == '/' || !group[skip]) && !strstr(group, "/..");
    Str dir = { 0 };
    str_addf(&dir, "%s%s", root, at);
    size_t top = dir.len;
    if (below) str_add(&dir, group + skip);
    for (;;) {
        while (dir.len > top && dir.s[dir.len - 1] == '/') dir.s[--dir.len] = 0;
        left = smaller(left, left_in(dir.s, v));
        if (dir.len <= top) break;
        while (dir.len > top && dir.s[dir.len - 1] != '/') dir.s[--dir.len] = 0;
    }
    str_release(&dir);
    return left;
}

static size_t left_by_groups(const char *root)
{
    size_t left = SIZE_MAX;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        const Version *v = &versions[i];
        char line[LINE], *mounted, *at;
        Str group = { 0 }, mounts = { 0 };
        str_addf(&mounts, "%s/proc/self/mountinfo", root);
        FILE *f = own_group(root, v, &group) ? fopen(mounts.s, "r") : NULL;
        while (f && fgets(line, sizeof line, f))
            if (mount_of(line, v, &mounted, &at))
                left = smaller(left, left_on_the_way(root, mounted, at, str_text(&group), v));
        if (f) fclose(f);
        str_release(&group);
        str_release(&mounts);
    }
    return left;
}

/* ---- all of it ---- */

size_t mem_free_under(const char *root)
{
    size_t left = left_by_groups(root), n;
    Str path = { 0 };
    str_addf(&path, "%s/proc/meminfo", root);
    if (number_in(path.s, "MemAvailable:", &n)) left = smaller(left, n * 1024);
    str_release(&path);
    return left;
}

size_t mem_free(void) { return mem_free_under(""); }

/* What the limit on address space leaves; SIZE_MAX: there is none. */
static size_t address_space_left(size_t mapped)
{
    struct rlimit limit;
    size_t pages;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        !number_in("/proc/self/statm", "", &pages))
        return SIZE_MAX;
    size_t taken = pages * (size_t)sysconf(_SC_PAGESIZE) + mapped;
    return limit.rlim_cur > taken ? limit.rlim_cur - taken : 0;
}

static atomic_size_t most; /* a process has one, as it has one ulimit */

void mem_limit(size_t bytes) { atomic_store(&most, bytes); }

/* What that leaves beside the memory that is this process's own: pages of files do not count. SIZE_MAX: there is no limit. */
static size_t limit_left(void)
{
    size_t limit = atomic_load(&most);
    unsigned long long resident, shared;
    FILE *f = limit ? fopen("/proc/self/statm", "r") : NULL;
    if (!f) return SIZE_MAX;
    bool read = fscanf(f, "%*u %llu %llu", &resident, &shared) == 2 && shared <= resident;
    fclose(f);
    size_t own = read ? (size_t)(resident - shared) * (size_t)sysconf(_SC_PAGESIZE) : 0;
    return limit > own ? limit - own : 0;
}

size_t mem_available(size_t mapped, char text[MEM_FREE_TEXT])
{
    size_t space = address_space_left(mapped), memory = mem_free(), limit = limit_left();
    size_t left = smaller(limit, smaller(space, memory));
    double mb = (double)left * 1e-6;
    const char *words = left == limit   ? "%.*f MB of --memory-limit are left"
                        : left == space ? "%.*f MB of address space are left (ulimit -v)"
                                        : "%.*f MB are free";
    if (text) snprintf(text, MEM_FREE_TEXT, words, mb < 10, mb);
    return left;
}
