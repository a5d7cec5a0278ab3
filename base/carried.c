/*
 * carried.c - what libraries say when they cannot go on, in limn's words. The linker leads their calls here (--wrap in the
 * Makefile) where the program carries them; without this FFTW aborts, and libgomp ends the program with a text of its own.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* The linker's names: the library's call comes to __wrap_X, and __real_X is the function itself. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_memalign(size_t border, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_memalign(size_t border, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_gomp_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void *checked(void *p, size_t size)
{
    if (!p && size) mem_exhausted(size);
    return p;
}

void *__wrap_malloc(size_t size) { return checked(__real_malloc(size), size); }
void *__wrap_calloc(size_t count, size_t size) { return checked(__real_calloc(count, size), count * size); }
void *__wrap_realloc(void *old, size_t size) { return checked(__real_realloc(old, size), size); }
void *__wrap_memalign(size_t border, size_t size) { return checked(__real_memalign(border, size), size); }
char *__wrap_strdup(const char *s) { return mem_strdup(s); }

/* libgomp: a thread that cannot be had, above all. */
void __wrap_gomp_fatal(const char *fmt, ...)
{
    Err e;
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    err_set(&e, "OpenMP: %s (-t 1 needs one thread only)", why);
    fflush(stdout);
    file_remove_temporary();
    dprintf(STDERR_FILENO, "limn: %s\n", e.text);
    _exit(ERR_FAILED);
}
