/*
 * wildcards.h - `__name__` in a prompt: a line of wildcards/name.txt. As in dynamicprompts: folders are part of the name, a
 * name may be a pattern ("animals/c*", "**" for folders below), blank lines and those that begin with # are skipped, a line may
 * begin with a weight ("0.5::blue") and may hold choices and wildcards of its own.
 */
#ifndef LIMN_BATCH_WILDCARDS_H
#define LIMN_BATCH_WILDCARDS_H

#include <stdbool.h>

#include "base/err.h"
#include "batch/choice.h"

typedef struct Wildcards Wildcards;

/* dir: where the files are; it need not exist until a prompt names one. cancelled: asked while files are read; may be NULL. */
Wildcards *wildcards_new(const char *dir, ExpandMode mode, bool (*cancelled)(void));
void wildcards_free(Wildcards *w);

/*
 * The lines of a name, parsed once and kept, the Wildcards'. Error: no such file (with near names), a wildcard that leads back to
 * itself, more than a million lines; ERR_INTERRUPTED.
 */
Node *wildcards_get(Wildcards *w, const char *name, Err *e);

#endif
