/*
 * utf8.h - UTF-8 in and out. What is not valid becomes U+FFFD, one for each maximal part, as Python's errors="replace"
 * and the Unicode standard (3.9, "U+FFFD Substitution of Maximal Subparts") do.
 */
#ifndef LIMN_BASE_UTF8_H
#define LIMN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Decodes the code point at s[0 .. n), n > 0; returns the bytes it took. *valid (may be NULL): it was not replaced. */
size_t utf8_next(const char *s, size_t n, uint32_t *code, bool *valid);

/* Appends one code point. */
void utf8_put(Str *out, uint32_t code);

/* Appends s with its invalid parts replaced; returns whether all of it was valid. */
bool utf8_add(Str *out, const char *s, size_t n);

/* Whether all of it is UTF-8. */
bool utf8_valid(const char *s, size_t n);

#endif
