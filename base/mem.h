/*
 * mem.h - small heap allocations. Big ones (weights, activations) go through Arena and can be refused with a word;
 * a process that cannot get a few kilobytes ends with one line and status 1.
 */
#ifndef LIMN_BASE_MEM_H
#define LIMN_BASE_MEM_H

#include <stddef.h>

enum { MEM_ALIGN = 64 };

void *mem_alloc(size_t size);               /* zeroed; never NULL; free() it */
void *mem_array(size_t count, size_t size); /* the same, count * size checked for overflow */
void *mem_plain(size_t size);               /* not zeroed */
void *mem_grow(void *old, size_t size);     /* realloc; the new part is not zeroed */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

/* For what may be large: not zeroed, on a border of MEM_ALIGN bytes; NULL where there is none. free() it. */
void *mem_try(size_t size);

/* There is no memory: what mem_last_resort() says, otherwise abort(). Any thread, and libraries too (base/carried.c). */
void mem_exhausted(size_t size) __attribute__((noreturn));

/*
 * What happens where a small piece cannot be had: release() may make room (NULL: nothing can), and the call is tried once more;
 * then end() ends the process, and does not return. One pair for the process, as the heap is one: the program's is
 * mem_end_program(), the library's in lib/memory.c.
 */
void mem_last_resort(void (*release)(void), void (*end)(size_t size));

/* Ends the program: "out of memory", status 1. What stdout holds is written, a temporary file removed. */
void mem_end_program(size_t size) __attribute__((noreturn));

/*
 * Bytes that can still be allocated without swapping: what the system, the control group and the limits leave; SIZE_MAX: unknown.
 * mapped: address space that libraries will take in addition, which counts if address space is limited (ulimit -v).
 * text, unless NULL: "3 MB are free", or that the limit on address space leaves less.
 */
enum { MEM_FREE_TEXT = 64 };
size_t mem_available(size_t mapped, char text[MEM_FREE_TEXT]);

/* What this process may take at most, as mem_available() counts it (--memory-limit); 0: all there is. */
void mem_limit(size_t bytes);

/* The same without the limits on address space: what files that are mapped already may fill. */
size_t mem_free(void);

/* What mem_free() finds out in /proc and /sys below a folder: "" for the machine's own, one that was made for a test. */
size_t mem_free_under(const char *root);

#endif
