/* embedding_wishes.h - the words that a job wants to have vectors of their own: embeddings.c's first half. */
#ifndef LIMN_PIPELINE_EMBEDDING_WISHES_H
#define LIMN_PIPELINE_EMBEDDING_WISHES_H

#include <stdbool.h>

#include "base/err.h"
#include "pipeline/job.h"

enum { WISHES_MAX = 256 }; /* words at once */

/* A word that is wanted: what stands in the text, and whose vectors they are. */
typedef struct {
    char *path, *token; /* token NULL: as the file says */
    bool by_ids;        /* as A1111 finds it */
    bool
        optional; /* a name that happens to be in the prompt: what is wrong with its file is told, and it is a word like others */
} Wish;

typedef struct {
    Wish at[WISHES_MAX];
    int count;
} Wishes;

/* By --embedding, by tag, by name; wishes_release() also after an error. Error: a file that is not there, too many words. */
int wishes_of(const Job *j, Wishes *out, Err *e);
void wishes_release(Wishes *w);

#endif
