/*
 * journal.h - accepted jobs in a file of the folder: each finished picture and each end of a job adds a line, so that
 * a server that was killed can continue them (--resume).
 */
#ifndef LIMN_SERVE_JOURNAL_H
#define LIMN_SERVE_JOURNAL_H

#include "base/folder.h"
#include "serve/queue.h"

typedef struct Journal Journal;

/*
 * "serve.jsonl" in the folder, which another server may not have open. With --resume what it promised is added to the queue, and
 * goes on where it was; otherwise it begins anew. *count: how many jobs were added, or given up. From then on the queue's kept
 * orders are written into it.
 */
Journal *journal_open(const Folder *folder, Queue *q, const Job *options, int *count, Err *e);
void journal_close(Journal *j);

#endif
