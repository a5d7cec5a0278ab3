/*
 * added_tokens.h - tokens that are found in the text before it is cut into words: bos, eos, padding, a concept's own word.
 * Source: transformers' tokenization_utils_base.py (_from_pretrained), tokenizers' added_vocabulary.rs.
 */
#ifndef LIMN_CLIP_ADDED_TOKENS_H
#define LIMN_CLIP_ADDED_TOKENS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "clip/bpe.h"
#include "clip/unicode.h"

typedef struct {
    char *content;
    Chars chars; /* what is looked for */
    int id;
    bool normalized; /* looked for in the normalised text, else in the raw text */
    unsigned given;  /* the ways in which the files gave it, 1 << Given */
} AddedToken;

typedef struct {
    AddedToken *token;
    size_t count, cap;
    int bos, eos, unk, pad;
    int size; /* ids are below this: the vocabulary, and what the files add behind it */
} AddedTokens;

/* From tokenizer_config.json and special_tokens_map.json, each {0} where there is none. The error names the file. */
int added_tokens_init(AddedTokens *a, const Vocab *v, Bytes config, Bytes special_map, Err *e);
void added_tokens_release(AddedTokens *a);

/* The longest added token of that kind that c[0 .. count - 1] begins with, or NULL. */
const AddedToken *added_tokens_match(const AddedTokens *a, bool normalized, const Char *c, size_t count);

#endif
