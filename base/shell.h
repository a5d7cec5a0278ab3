/*
 * shell.h - words of a command that is shown to be pasted.
 */
#ifndef LIMN_BASE_SHELL_H
#define LIMN_BASE_SHELL_H

#include "base/str.h"

/*
 * Appends a word so that any POSIX shell reads just these bytes, on one line. What a terminal would take for keys (control
 * characters) or not show (base/visible.h) is written as "$(printf '\003')", which a paste cannot set off. Only newlines at the
 * very end stay newlines: $() would drop them.
 */
void shell_add_quoted(Str *out, const char *word);

/* The same; a word that needs no quotes has none. */
void shell_add(Str *out, const char *word);

#endif
