/*
 * concepts.h - textual inversion: words that stand for vectors of their own (Gal et al. 2022, arXiv:2208.01618). A word becomes as
 * many ids as it has vectors, behind those of the vocabulary; the text encoder has the vectors for them.
 */
#ifndef LIMN_CLIP_CONCEPTS_H
#define LIMN_CLIP_CONCEPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "clip/tokenizer.h"
#include "clip/unicode.h"

typedef struct Concept {
    char *name;
    Chars chars;   /* the name, normalised: it is found anywhere in a text, the longest first, as added tokens are */
    TokenList ids; /* the name's own: as A1111 finds it, among ids and not in the text */
    bool by_ids;
    int first, vectors; /* ids: first .. first + vectors - 1 */
} Concept;

typedef struct Concepts {
    Concept *at;
    size_t count;
} Concepts;

/* by_ids: found by the ids that the tokenizer, which has no concepts then, gives its name. */
void concepts_add(Concepts *c, const Tokenizer *t, const char *name, bool by_ids, int first, int vectors);
void concepts_release(Concepts *c);

/* The concept that an id begins; NULL: none. */
const Concept *concepts_begins(const Concepts *c, int id);

/* tokenizer_encode() of a text with concepts in it; plain() encodes what is between them. */
void concepts_encode(const Concepts *c, const Tokenizer *t, const char *text, TokenList *out,
                     void (*plain)(const Tokenizer *t, const char *text, size_t len, TokenList *out));

#endif
