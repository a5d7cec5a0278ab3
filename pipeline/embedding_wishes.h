/* embedding_wishes.h - which textual inversions a job uses: the first half of embeddings.c. */
#ifndef LIMN_PIPELINE_EMBEDDING_WISHES_H
#define LIMN_PIPELINE_EMBEDDING_WISHES_H

#include <stdbool.h>

#include "base/err.h"
#include "pipeline/job.h"

enum { WISHES_MAX = 256 }; /* words at once */

/* A word with vectors of its own, and the file that has them. */
typedef struct {
    char *path, *token; /* token NULL: as the file says */
    bool by_ids;        /* found among token ids, as in A1111 */
    bool
        optional; /* a name that happens to be in the prompt: errors in its file are only reported, and it is read as text */
} Wish;

typedef struct {
    Wish at[WISHES_MAX];
    int count;
} Wishes;

/* By --embedding, by tag, by name; wishes_release() also after an error. Error: a file that is not there, too many words. */
int wishes_of(const Job *j, Wishes *out, Err *e);
void wishes_release(Wishes *w);

#endif
