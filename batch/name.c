/* name.c - see name.h. */
#include "batch/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"
#include "base/visible.h"
#include "output/template.h"

static const char suffix[] = ".png";

/* "a/jobs.jsonl" -> "jobs" */
static char *stem_of(const char *path)
{
    if (strcmp(path, "-") == 0) return mem_strdup("limn-batch");
    const char *name = path_last(path);
    return *name ? mem_strndup(name, path_stem(name)) : mem_strdup("limn-batch");
}

int name_plan(NamePlan *p, const char *output, const char *jobs, Err *e)
{
    *p = (NamePlan){ .stem = stem_of(jobs) };
    if (!output) {
        p->folder = mem_strdup(p->stem);
        return 0;
    }
    const char *brace = template_first(output), *limit = brace ? brace : output + strlen(output), *slash = NULL;
    for (const char *s = output; s < limit; s++)
        if (*s == '/') slash = s;
    bool png = str_ends(output, suffix);
    if (brace && !png) return err_usage(e, "--output: \"%.400s\" has a {name}, so it must end in %s", output, suffix);
    if (file_is_dir(output) || !png) {
        size_t len = strlen(output);
        while (len > 1 && output[len - 1] == '/') len--;
        p->folder = mem_strndup(output, len);
        return 0;
    }
    if (slash == output) p->folder = mem_strdup("/");
    else p->folder = slash ? mem_strndup(output, (size_t)(slash - output)) : mem_strdup(".");
    p->pattern = mem_strdup(slash ? slash + 1 : output);
    return 0;
}

void name_plan_release(NamePlan *p)
{
    free(p->folder);
    free(p->pattern);
    free(p->stem);
    *p = (NamePlan){ 0 };
}

int name_check(const char *path, Err *e)
{
    if (*path == '/') return err_usage(e, "\"%.200s\" leaves the output folder: a name below it is expected", path);
    if (strlen(path) > PATH_MAX_BYTES)
        return err_usage(e, "a name of %zu bytes, at most %d are expected: \"%.60s...\"", strlen(path), PATH_MAX_BYTES,
                         path);
    for (size_t at = 0, left = strlen(path), took; at < left; at += took) {
        uint32_t code;
        bool valid;
        took = utf8_next(path + at, left - at, &code, &valid);
        if (valid && !visible(code))
            return err_usage(e, "\"%.200s\" has %s character (U+%04X) in it", path,
                             code < 0xA0 ? "a control" : "an invisible", code);
    }
    for (const char *p = path; p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && memcmp(p, "..", 2) == 0)
            return err_usage(e, "\"%.200s\" leaves the output folder: a name below it is expected", path);
        if (len == 0 || (len == 1 && *p == '.'))
            return err_usage(e, "\"%.200s\" has an empty part: a name below the output folder is expected", path);
        if (len > NAME_MAX_BYTES)
            return err_usage(e, "a name of %zu bytes, at most %d are expected: \"%.60s...\"", len, NAME_MAX_BYTES, p);
        if (p[len] == '/' && len > strlen(suffix) && memcmp(p + len - strlen(suffix), suffix, strlen(suffix)) == 0)
            return err_usage(e, "\"%.200s\": a folder's name does not end in %s", path, suffix);
        p = p[len] ? p + len + 1 : NULL;
    }
    return str_ends(path, suffix) ? 0 : err_usage(e, "\"%.200s\" does not end in %s", path, suffix);
}
