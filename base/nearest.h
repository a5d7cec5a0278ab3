/*
 * nearest.h - "did you mean": the name in a table that is closest to a mistyped one.
 *
 *     Nearest n = nearest_to("eulre");
 *     for (const Sampler *s = samplers; s->name; s++) nearest_try(&n, s->name);
 *     if (n.best) ...
 */
#ifndef LIMN_BASE_NEAREST_H
#define LIMN_BASE_NEAREST_H

#include <stddef.h>

typedef struct {
    const char *typed;
    size_t len;       /* of typed: it need not end there */
    const char *best; /* NULL while no name is close enough to suggest */
    size_t distance;  /* edits (insert, delete, replace, swap of neighbours) from typed to best */
} Nearest;

Nearest nearest_to(const char *typed);
Nearest nearest_to_n(const char *typed, size_t len);
void nearest_try(Nearest *n, const char *name);

/* Names parted by commas, each of which stands for `name`; NULL: none. */
void nearest_try_aliases(Nearest *n, const char *aliases, const char *name);

#endif
