/*
 * tokenizer.h - CLIP's byte-level BPE; ids equal transformers' CLIPTokenizer on any text.
 * Source: transformers models/clip/tokenization_clip.py (5.x: NFC, white space, lower case), openai/CLIP simple_tokenizer.py.
 */
#ifndef LIMN_CLIP_TOKENIZER_H
#define LIMN_CLIP_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "clip/added_files.h"

typedef struct Tokenizer Tokenizer;

typedef struct {
    Bytes vocab, merges; /* vocab.json, merges.txt */
    AddedFiles added;    /* the files that add tokens to them, and tell the padding */
    int max;             /* ids of a prompt, whatever model_max_length says; 0: as it says */
    int rows; /* ids that the text encoder knows: tokens that would be behind them are left out; 0: all are taken */
} TokenizerFiles;

/* Contents are not kept. Error: a file is damaged, or they do not belong together; the text begins with the file's name. */
Tokenizer *tokenizer_new(const TokenizerFiles *f, Err *e);
void tokenizer_free(Tokenizer *t);

int tokenizer_bos(const Tokenizer *t);  /* <|startoftext|> */
int tokenizer_eos(const Tokenizer *t);  /* <|endoftext|> */
int tokenizer_pad(const Tokenizer *t);  /* SD 1.x: the eos; SD 2.x: "!" (id 0), which special_tokens_map.json says */
int tokenizer_max(const Tokenizer *t);  /* model_max_length; 77 where the files give none */
int tokenizer_size(const Tokenizer *t); /* ids are below this */

/* Tokens of the files that `rows` left out, "\"<a>\", \"<b>\""; NULL: none. */
const char *tokenizer_left_out(const Tokenizer *t);

/* The ids of a text without bos, eos, padding; from, to: the byte range of the text each came from. */
typedef struct {
    int *id;
    size_t *from, *to;
    size_t count, cap;
} TokenList;

/*
 * Appends to out. Invalid UTF-8 is replaced by U+FFFD. Never fails; O(n log n) in the text's length. As in transformers,
 * special tokens are found in the text: "<|endoftext|>" gives the eos, and with SD 2.x's padding each "!" gives id 0.
 */
void tokenizer_encode(const Tokenizer *t, const char *text, TokenList *out);
void token_list_push(TokenList *l, int id, size_t from, size_t to);
void token_list_release(TokenList *l);

/* Words with vectors of their own (concepts.h): from now on they are found in every text. Borrowed; NULL: none. */
struct Concepts;
struct Concept;
void tokenizer_set_concepts(Tokenizer *t, const struct Concepts *c);
/* The one whose first id that is; NULL: none. */
const struct Concept *tokenizer_concept(const Tokenizer *t, int id);

/* What is looked up for tokenizer_piece(); token_pieces_free() frees. */
struct TokenPieces *tokenizer_pieces(const Tokenizer *t);

/* Appends a token's text as the files have it: "cat</w>", "<|endoftext|>"; of a concept: its name and which vector. */
void tokenizer_piece(const Tokenizer *t, const struct TokenPieces *p, int id, Str *out);
void token_pieces_free(struct TokenPieces *p);

/*
 * Where in the list each chunk of at most room ids begins, as A1111 cuts them: behind a comma if the last 20 ids of a chunk
 * have one. *chunks of them, at least 1, on the heap; the first is 0.
 */
size_t *tokenizer_chunks(const Tokenizer *t, const TokenList *l, size_t room, int *chunks);

/*
 * Prompt ids ready for the encoder: rows of max ids (bos, up to max - 2 ids, eos, padding). One row, or with chunk as many
 * as the text needs: tokenizer_chunks() of max - 2 ids.
 * Padding is tokenizer_pad() in both. rows * max ints on the heap. *lost: where in the text truncation began, NULL if
 * nothing was lost.
 */
int *tokenizer_rows(const Tokenizer *t, const char *text, bool chunk, int *rows, const char **lost);

#endif
