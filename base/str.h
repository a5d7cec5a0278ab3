/*
 * str.h - a string that grows. Always NUL-terminated once something was put in; zero-initialise with {0}.
 */
#ifndef LIMN_BASE_STR_H
#define LIMN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *s; /* NULL while empty; str_text() never is */
    size_t len, cap;
} Str;

void str_add(Str *b, const char *s);
void str_addn(Str *b, const char *s, size_t n); /* any bytes */
void str_addf(Str *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_clear(Str *b);
void str_release(Str *b);
const char *str_text(const Str *b); /* "" while empty */

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

#endif
