/* page.c - see page.h. */
#include "web/page.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Made by scripts/pack-files. */
typedef struct {
    const char *name, *begin, *end;
} WebFile;

extern const WebFile limn_web_files[]; // NOLINT: there is no C file that it could be declared for

static void add_file(const char *name, const char *ending, Str *out)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, ending);
    for (const WebFile *f = limn_web_files; f->name; f++)
        if (strcmp(f->name, full) == 0) str_addn(out, f->begin, (size_t)(f->end - f->begin));
}

/* NAME.js behind its parts, NAME-part.js, which come before it in the order of names. */
static void add_scripts(const char *name, Str *out)
{
    size_t len = strlen(name);
    for (const WebFile *f = limn_web_files; f->name; f++) {
        const char *rest = f->name + len;
        bool own = strncmp(f->name, name, len) == 0 && (*rest == '-' || *rest == '.');
        if (own && strcmp(f->name + strlen(f->name) - 3, ".js") == 0)
            str_addn(out, f->begin, (size_t)(f->end - f->begin));
    }
}

/* A "<" stands only inside JSON's strings, where it may be written as a number. */
static void add_json(const char *json, Str *out)
{
    for (size_t n; *json; json += n) {
        n = strcspn(json, "<");
        if (n) str_addn(out, json, n);
        else {
            str_add(out, "\\u003c");
            n = 1;
        }
    }
}

void page_make(const char *name, const char *json, Str *out)
{
    Str template = { 0 };
    add_file(name, ".html", &template);
    assert(template.len); /* a name that is not in the folder */
    for (const char *p = str_text(&template); *p;) {
        const char *mark = strchr(p, '@');
        str_addn(out, p, mark ? (size_t)(mark - p) : strlen(p));
        if (!mark) break;
        if (str_starts(mark, "@style@")) {
            add_file("style", ".css", out);
            add_file(name, ".css", out);
            p = mark + strlen("@style@");
        } else if (str_starts(mark, "@script@")) {
            add_scripts(name, out);
            p = mark + strlen("@script@");
        } else if (str_starts(mark, "@data@")) {
            add_json(json, out);
            p = mark + strlen("@data@");
        } else {
            str_add(out, "@");
            p = mark + 1;
        }
    }
    str_release(&template);
}
