/* groups.c - see groups.h. */
#include "base/groups.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { LINE = 8192 };

/* What is looked for. */
typedef struct {
    const char *root, *controller;
    bool second; /* version 2: one hierarchy for all controllers */
    GroupSeen *seen;
    void *ctx;
} Walk;

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
    for (const char *p = list; p;) {
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || !p[n])) return true;
        p = strchr(p, ',');
        if (p) p++;
    }
    return false;
}

/* The process's group in the hierarchy: the path of a line of /proc/self/cgroup, "ID:CONTROLLERS:PATH". */
static bool own_group(const Walk *w, Str *out)
{
    char line[LINE];
    bool found = false;
    Str path = { 0 };
    str_addf(&path, "%s/proc/self/cgroup", w->root);
    FILE *f = fopen(path.s, "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *at = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!at) continue;
        *controllers++ = *at++ = 0;
        found = w->second ? strcmp(line, "0") == 0 && !*controllers : lists(controllers, w->controller);
        if (found) str_add(out, at);
    }
    if (f) fclose(f);
    str_release(&path);
    return found;
}

/* The fields of a line of mountinfo that matter; false: it is not of this version, or of other controllers. */
static bool mount_of(char *line, const Walk *w, char **mounted, char **at)
{
    char *field[6], *save = NULL;
    line[strcspn(line, "\n")] = 0;
    for (int i = 0; i < 6; i++)
        if (!(field[i] = strtok_r(i ? NULL : line, " ", &save))) return false;
    char *word = strtok_r(NULL, " ", &save);
    while (word && strcmp(word, "-") != 0) word = strtok_r(NULL, " ", &save);
    char *type = strtok_r(NULL, " ", &save), *source = strtok_r(NULL, " ", &save),
         *options = strtok_r(NULL, " ", &save);
    if (!type || !source || !options || strcmp(type, w->second ? "cgroup2" : "cgroup") != 0) return false;
    *mounted = unescape(field[3]);
    *at = unescape(field[4]);
    return w->second || lists(options, w->controller);
}

/*
 * A container may see a part of the hierarchy only: the mount says which, and a group outside of it ("/..", or
 * elsewhere) is not seen.
 */
static void see_all(const Walk *w, const char *mounted, const char *at, const char *group)
{
    size_t skip = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
    bool below = strncmp(group, mounted, skip) == 0 && (group[skip] == '/' || !group[skip]) && !strstr(group, "/..");
    Str dir = { 0 };
    str_addf(&dir, "%s%s", w->root, at);
    size_t top = dir.len;
    if (below) str_add(&dir, group + skip);
    for (;;) {
        while (dir.len > top && dir.s[dir.len - 1] == '/') dir.s[--dir.len] = 0;
        w->seen(w->ctx, w->second, dir.s);
        if (dir.len <= top) break;
        while (dir.len > top && dir.s[dir.len - 1] != '/') dir.s[--dir.len] = 0;
    }
    str_release(&dir);
}

static void see_hierarchy(const Walk *w)
{
    char line[LINE], *mounted, *at;
    Str group = { 0 }, mounts = { 0 };
    str_addf(&mounts, "%s/proc/self/mountinfo", w->root);
    FILE *f = own_group(w, &group) ? fopen(mounts.s, "r") : NULL;
    while (f && fgets(line, sizeof line, f))
        if (mount_of(line, w, &mounted, &at)) see_all(w, mounted, at, str_text(&group));
    if (f) fclose(f);
    str_release(&group);
    str_release(&mounts);
}

void groups_each(const char *root, const char *controller, GroupSeen *seen, void *ctx)
{
    for (int second = 0; second < 2; second++) see_hierarchy(&(Walk){ root, controller, second, seen, ctx });
}
