/*
 * slug.h - any text as a part of a file's name.
 */
#ifndef LIMN_BASE_SLUG_H
#define LIMN_BASE_SLUG_H

#include <stdbool.h>

#include "base/str.h"

/*
 * Appends letters, digits and what is harmless, at most 60 bytes; anything else becomes one '-'. Never nothing ("untitled"),
 * never begins with '.'. small: ASCII letters are made small and '.', '_', '+' are dashes too, as in a web address.
 */
void slug_add(Str *out, const char *text, bool small);

#endif
