/*
 * serve.h - limn serve without its user interface: one engine, one queue, and HTTP for A1111's API, OpenAI's, limn's own and its
 * page.
 *
 *     serve_listen(&s, options, e);    key, socket, folder: before the sandbox
 *     serve_open(s, &resumed, e);      models, journal
 *     serve_run(s, stop, e);           until stop() says so
 *     serve_close(s);
 */
#ifndef LIMN_SERVE_SERVE_H
#define LIMN_SERVE_SERVE_H

#include <stdbool.h>

#include "base/err.h"
#include "pipeline/job.h"

typedef struct Serve Serve;

/* options stays the caller's. Error: an address that needs a key and has none; the port is taken. serve_close() also then. */
int serve_listen(Serve **s, const Job *options, Err *e);
/* The socket, for the sandbox. */
int serve_socket(const Serve *s);
const char *serve_url(const Serve *s);
/* Of the pictures; it is there. */
const char *serve_folder(const Serve *s);

/* *resumed: jobs of an earlier run, which go on with --resume and are given up without. */
int serve_open(Serve *s, int *resumed, Err *e);
/* Returns after the picture in progress, when stop() said so. */
int serve_run(Serve *s, bool (*stop)(void), Err *e);
void serve_close(Serve *s);

#endif
