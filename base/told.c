/* told.c - see told.h. */
#include "base/told.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST = 1000 };

bool told_add(Told *t, const char *line)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->lines[i], line) == 0) return false;
    if (t->count == MOST) return false;
    t->lines = mem_grow(t->lines, (size_t)(t->count + 1) * sizeof *t->lines);
    t->lines[t->count++] = mem_strdup(line);
    return true;
}

void told_release(Told *t)
{
    for (int i = 0; i < t->count; i++) free(t->lines[i]);
    free(t->lines);
    *t = (Told){ 0 };
}
