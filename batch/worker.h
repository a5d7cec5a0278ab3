/*
 * worker.h - a thread that does one kind of task after the other: pictures are encoded and written while the next is drawn.
 */
#ifndef LIMN_BATCH_WORKER_H
#define LIMN_BATCH_WORKER_H

#include "base/err.h"

typedef struct Worker Worker;

/* work: called on the thread with each task, in order. At most `most` tasks wait. NULL: no thread could be started. */
Worker *worker_new(void (*work)(void *ctx, void *task), void *ctx, int most, Err *e);

/* Waits while too many tasks wait. */
void worker_put(Worker *w, void *task);

/* A task that is done, in order; NULL: none. wait: until one is done or nothing is left to do. */
void *worker_take(Worker *w, int wait);

/* Ends the thread after the tasks that wait; what was not taken must have been before. */
void worker_free(Worker *w);

#endif
