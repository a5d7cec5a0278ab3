/*
 * added_tokens.h - tokens that are found in the text before it is cut into words: bos, eos, padding, a concept's own word.
 * Source: tokenizers' added_vocabulary.rs; which tokens there are: added_files.h.
 */
#ifndef LIMN_CLIP_ADDED_TOKENS_H
#define LIMN_CLIP_ADDED_TOKENS_H

#include <stdbool.h>

#include "base/err.h"
#include "clip/added_files.h"
#include "clip/bpe.h"
#include "clip/unicode.h"

typedef struct {
    char *content;
    Chars chars; /* what is looked for */
    int id;
    bool normalized, single_word, lstrip, rstrip; /* as in AddedEntry */
} AddedToken;

typedef struct {
    AddedToken *token; /* no two of the same content */
    size_t count, cap;
    const AddedToken **sorted[2]; /* by their characters: looked for in raw text, [1]: in normalised text */
    size_t sorted_count[2];
    int bos, eos, unk, pad;
    int size;       /* ids are below this: the vocabulary, and what the files add behind it */
    char *left_out; /* tokens that `rows` left out, "\"<a>\", \"<b>\""; NULL: none */
} AddedTokens;

/*
 * rows: what the text encoder's table has; a token that would be behind it is left out. 0: not known, all are taken. Error: the
 * file and what is wrong in it; an id that is not the one that the order of the vocabulary gives.
 */
int added_tokens_init(AddedTokens *a, const Vocab *v, const AddedFiles *f, int rows, Err *e);
void added_tokens_release(AddedTokens *a);

/* The longest added token of that kind that c[0 .. count - 1] begins with, or NULL. */
const AddedToken *added_tokens_match(const AddedTokens *a, bool normalized, const Char *c, size_t count);

#endif
