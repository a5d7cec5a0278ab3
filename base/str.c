/* str.c - see str.h. */
#include "base/str.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void reserve(Str *b, size_t more)
{
    if (b->len + more + 1 <= b->cap) return;
    b->cap = (b->len + more + 1) * 2;
    b->s = mem_grow(b->s, b->cap);
}

void str_addn(Str *b, const char *s, size_t n)
{
    reserve(b, n);
    if (n) memcpy(b->s + b->len, s, n);
    b->len += n;
    b->s[b->len] = 0;
}

void str_add(Str *b, const char *s) { str_addn(b, s, strlen(s)); }

void str_addf(Str *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    reserve(b, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void str_clear(Str *b)
{
    b->len = 0;
    if (b->s) b->s[0] = 0;
}

void str_release(Str *b)
{
    free(b->s);
    *b = (Str){ 0 };
}

const char *str_text(const Str *b) { return b->s ? b->s : ""; }

bool str_starts(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}
