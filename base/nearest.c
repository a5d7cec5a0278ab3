/* nearest.c - see nearest.h. Optimal string alignment distance (Damerau 1964). */
#include "base/nearest.h"

#include <string.h>

enum { LONGEST = 40 };

static size_t min(size_t a, size_t b) { return a < b ? a : b; }

static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++) d[i][0] = i;
    for (size_t j = 0; j <= m; j++) d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            d[i][j] = min(min(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

Nearest nearest_to_n(const char *typed, size_t len)
{
    /* up to a fourth of the letters may be wrong: with a third, --n-samples was --sampler */
    return (Nearest){ .typed = typed, .len = len, .distance = len < 8 ? 1 : len / 4 };
}

Nearest nearest_to(const char *typed) { return nearest_to_n(typed, strlen(typed)); }

static void try_one(Nearest *n, const char *text, size_t len, const char *name)
{
    if (n->len > LONGEST || len > LONGEST) return;
    size_t d = distance(n->typed, n->len, text, len);
    if (d > n->distance || (n->best && d == n->distance)) return;
    n->best = name;
    n->distance = d;
}

void nearest_try(Nearest *n, const char *name) { try_one(n, name, strlen(name), name); }

void nearest_try_aliases(Nearest *n, const char *aliases, const char *name)
{
    for (const char *p = aliases; p && *p; p += strspn(p, ", ")) {
        size_t len = strcspn(p, ",");
        if (n->len && *p == *n->typed) try_one(n, p, len, name); /* "base-model" is no slip of "vae-model" */
        p += len;
    }
}
