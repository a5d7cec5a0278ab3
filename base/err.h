/*
 * err.h - why something failed, in one line for a person.
 *
 * A function that can fail takes `Err *e` last and returns -1 (or NULL) after filling it. A caller that knows the
 * context (a file, a tensor) puts it in front with err_in(). cmd/ prints it once.
 */
#ifndef LIMN_BASE_ERR_H
#define LIMN_BASE_ERR_H

typedef enum {
    ERR_FAILED = 1,       /* the work failed: file, memory, weights */
    ERR_USAGE = 2,        /* the user requested something impossible: option, size, name */
    ERR_INTERRUPTED = 130 /* Ctrl-C */
} ErrCode;

typedef struct {
    ErrCode code; /* the program's exit status */
    char text[1024];
} Err;

/* Sets the text (printf); code ERR_FAILED. Returns -1, so that `return err_set(e, ...)` reads well. */
int err_set(Err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same with code ERR_USAGE. */
int err_usage(Err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "where: " before the text. Returns -1. */
int err_in(Err *e, const char *where);

#endif
