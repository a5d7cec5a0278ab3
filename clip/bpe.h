/*
 * bpe.h - byte-pair encoding of one word: a vocabulary, its merges, and the merging.
 * Source: Sennrich et al. 2016 (arXiv:1508.07909); byte level and "</w>" as in openai/CLIP's simple_tokenizer.py.
 */
#ifndef LIMN_CLIP_BPE_H
#define LIMN_CLIP_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

/* The tokens of vocab.json, sorted by their text; needed only while a tokenizer is being made. */
typedef struct {
    const char *text;
    int id;
} VocabToken;

typedef struct {
    VocabToken *token;
    int count;   /* ids are 0 .. count - 1 */
    char *texts; /* what the tokens' texts point into */
} Vocab;

/* Reads vocab.json, {"token": id, ...}. Error: not that, or ids that are not 0 .. count - 1 once each. */
int vocab_init(Vocab *v, Bytes file, Err *e);
void vocab_release(Vocab *v);
int vocab_find(const Vocab *v, const char *text); /* -1 when absent */

/* One line of merges.txt: the symbols left and right, side by side, become the symbol id. */
typedef struct {
    int left, right;
    int rank; /* the line's number: lower merges first */
    int id;
} Merge;

typedef struct {
    int byte_id[2][256]; /* the symbol of a byte, [1]: of a word's last byte ("</w>"); unk where there is none */
    Merge *merge;        /* sorted by left, right */
    size_t merge_count;
    int *id_of_rank;
    size_t *first; /* [vocabulary + 1]: merges of a left symbol are merge[first[left]] .. merge[first[left + 1] - 1] */
} Bpe;

/* merges is merges.txt, one pair a line, lowest rank first. unk: the id of bytes that the vocabulary lacks. */
int bpe_init(Bpe *b, const Vocab *v, Bytes merges, int unk, Err *e);
void bpe_release(Bpe *b);

/* For each of `size` ids one of the merges that make it; NULL: none does. The caller's. */
const Merge **bpe_makers(const Bpe *b, int size);

/* Appends a token's text as vocab.json has it, "cat</w>". makers: bpe_makers() of size. */
void bpe_piece(const Bpe *b, const Merge *const *makers, int size, int id, Str *out);

/* A symbol of a word and the bytes of the text it came from. */
typedef struct {
    int id;   /* -1: merged into the one before it */
    int pair; /* what it and the next one would merge into; -1: nothing */
    size_t from, to;
    size_t prev, next; /* positions in the word; BPE_NONE at its ends */
} Symbol;
#define BPE_NONE ((size_t)-1)

/* Working memory, reused from word to word; zero-initialise with {0}. */
typedef struct {
    Symbol *symbol;
    size_t count, symbol_cap;
    uint64_t *queue; /* a 4-ary heap of merges that can be made: rank << 32 | position of the left symbol */
    size_t queued, queue_cap;
} Word;

/* Adds a byte that came from text bytes from .. to. */
void word_push(Word *w, unsigned char byte, size_t from, size_t to);
void word_release(Word *w);

/* Turns the bytes into symbols and merges them, in O(n log n). Those left have id >= 0. */
void bpe_merge(const Bpe *b, Word *w);

#endif
