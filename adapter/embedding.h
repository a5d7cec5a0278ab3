/*
 * embedding.h - files of textual inversion: the vectors of one word, for each text encoder of the model (Gal et al. 2022,
 * arXiv:2208.01618). Layouts: A1111's and Civitai's ("emb_params"), diffusers' (a tensor named as its word), SDXL's ("clip_l",
 * "clip_g").
 */
#ifndef LIMN_ADAPTER_EMBEDDING_H
#define LIMN_ADAPTER_EMBEDDING_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "weights/weights.h"

enum { EMBEDDING_ENCODERS = 2, EMBEDDING_MAX = 1024 /* vectors */ };

typedef struct {
    char *token; /* the word that the file names; NULL: it is the file's name */
    int vectors;
    struct {
        size_t width;
        float *values;        /* [vectors, width] */
    } of[EMBEDDING_ENCODERS]; /* in the order of their widths; width 0: no more */
} Embedding;

/* Returns whether a file's tensors are such vectors. */
bool embedding_is(Weights *w);

/* Error: they are none, of unlike numbers, too many, no numbers. embedding_release() in any case. */
int embedding_read(Embedding *out, Weights *w, Err *e);
void embedding_release(Embedding *x);

/* The family of models that has text encoders of these widths; NULL: none that limn knows. */
const char *embedding_family(const Embedding *x);

/* Error: a file of pickles, by its name or its first bytes. */
int embedding_check_file(const char *path, Bytes file, Err *e);

#endif
