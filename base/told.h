/* told.h - lines that were told: each is told once. Zero-initialise with {0}. */
#ifndef LIMN_BASE_TOLD_H
#define LIMN_BASE_TOLD_H

#include <stdbool.h>

typedef struct {
    char **lines;
    int count;
} Told;

/* Returns whether the line is new; then it is remembered. Nothing is new any more after the first 1000: nobody reads more. */
bool told_add(Told *t, const char *line);
void told_release(Told *t);

#endif
