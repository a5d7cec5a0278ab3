/*
 * styles.h - A1111's styles: texts with names, in a table (styles.csv: name, prompt, negative_prompt), that requests put around their
 * prompts. Source: A1111's modules/styles.py.
 */
#ifndef LIMN_SERVE_STYLES_H
#define LIMN_SERVE_STYLES_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

typedef struct {
    char *name, *prompt, *negative; /* never NULL */
} Style;

typedef struct {
    Style *at;
    size_t count;
} Styles;

/* path NULL: there are none. styles_release() in any case. Error: the file cannot be read, or is no such table. */
int styles_read(const char *path, Styles *out, Err *e);
void styles_release(Styles *s);

/* The last one of that name, as A1111 has it; NULL: there is none. */
const Style *styles_find(const Styles *s, const char *name);

/* The prompt where the style says {prompt}, otherwise the two with a comma between them; appended. */
void style_add(const char *style, const char *prompt, Str *out);

#endif
