/* mem.c - see mem.h. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p) {
        fputs("limn: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *mem_alloc(size_t size) { return checked(calloc(1, size ? size : 1)); }
void *mem_array(size_t count, size_t size) { return checked(calloc(count ? count : 1, size ? size : 1)); }
void *mem_grow(void *old, size_t size) { return checked(realloc(old, size ? size : 1)); }

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1);
    memcpy(copy, s, n);
    return copy;
}
