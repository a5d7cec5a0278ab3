/*
 * tokenizer.h - CLIP's byte-level BPE; ids equal transformers' CLIPTokenizer on any text.
 * Source: transformers models/clip/tokenization_clip.py (fast tokenizer: NFC, whitespace, lower-case), openai/CLIP simple_tokenizer.py.
 */
#ifndef LIMN_CLIP_TOKENIZER_H
#define LIMN_CLIP_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/file.h"

typedef struct Tokenizer Tokenizer;

/* vocab.json, merges.txt; config: tokenizer_config.json, may be {0}. Contents are not kept. */
Tokenizer *tokenizer_new(Bytes vocab, Bytes merges, Bytes config, Err *e);
void tokenizer_free(Tokenizer *t);

int tokenizer_bos(const Tokenizer *t); /* <|startoftext|> */
int tokenizer_eos(const Tokenizer *t); /* <|endoftext|> */
int tokenizer_pad(const Tokenizer *t); /* SD 1.x: the eos; SD 2.x: "!" (id 0) */
int tokenizer_max(const Tokenizer *t); /* model_max_length, 77 */
int tokenizer_size(const Tokenizer *t); /* ids are below this */

/* The ids of a text without bos, eos, padding; from, to: the byte range of the text each came from. */
typedef struct {
    int *id;
    size_t *from, *to;
    size_t count, cap;
} TokenList;

/* Invalid UTF-8 is replaced by U+FFFD. Never fails. */
void tokenizer_encode(const Tokenizer *t, const char *text, TokenList *out);
void token_list_release(TokenList *l);

/*
 * Prompt ids ready for the encoder: rows of max ids (bos, up to max - 2 ids, eos, padding). One row, or with chunk as many as
 * the text needs (A1111: chunks of 75). rows * max ints on the heap. *lost: where in the text truncation began, NULL if
 * nothing was lost.
 */
int *tokenizer_rows(const Tokenizer *t, const char *text, bool chunk, int *rows, const char **lost);

#endif
