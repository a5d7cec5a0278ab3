/*
 * temporary.h - files that have no name of their own yet: ".limn-BOOT-RANDOM.tmp", made anew, locked while they are written. A
 * name without its lock is a killed run's, and is swept away. BOOT tells the machine and its start: on another machine a lock may
 * not be seen, so there a day must have passed. Private to base/.
 */
#ifndef LIMN_BASE_TEMPORARY_H
#define LIMN_BASE_TEMPORARY_H

#include "base/file.h"

typedef struct {
    int folder, fd; /* folder: borrowed */
    char name[40];
    int slot; /* where the signal handler finds it; -1: it does not */
} Temporary;

/* In the folder `folder`. -1 with errno set. */
int temporary_open(Temporary *t, int folder);
/* Everything that was written is on the disk. -1 with errno set. */
int temporary_sync(const Temporary *t);
/* It has another name now: closed. */
void temporary_forget(Temporary *t);
/* Removes it. */
void temporary_drop(Temporary *t);

/* A file in the folder that has no name any more, to see that and whose files can be made there. -1 with errno set. */
int temporary_nameless(int folder);

#endif
