/*
 * sandbox.h - a fence around the rest of the process: files outside of what is named cannot be opened, no program is started, no
 * connection made. By Landlock (files, TCP) and seccomp (system calls), where the kernel has them.
 * Source: Documentation/userspace-api/landlock.rst and seccomp_filter.rst of the Linux kernel.
 */
#ifndef LIMN_BASE_SANDBOX_H
#define LIMN_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* A file, or a folder and all below it. What is not there is passed over. */
typedef struct {
    const char *path;
    bool write; /* may be written, and files made and removed below it; else read only */
} SandboxPath;

typedef struct {
    bool files, calls; /* the kernel fences off files; system calls */
} Sandbox;

/*
 * For good, and for every thread that is started afterwards: to be called before there are any. *out: what the kernel has; the rest
 * is not fenced off, which the caller tells. listening: a socket on which connections may be accepted; -1: none. Error: the kernel has
 * it and refuses.
 */
int sandbox_enter(const SandboxPath *paths, size_t count, int listening, Sandbox *out, Err *e);

#endif
