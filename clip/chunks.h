/*
 * chunks.h - the pieces of a prompt as rows of ids for the text encoder, each id with its weight; as many rows as it takes.
 * Source: A1111 modules/sd_hijack_clip.py (tokenize_line); ComfyUI comfy/sd1_clip.py (tokenize_with_weights).
 */
#ifndef LIMN_CLIP_CHUNKS_H
#define LIMN_CLIP_CHUNKS_H

#include "clip/emphasis.h"
#include "clip/tokenizer.h"

typedef struct {
    int *ids;      /* [rows, tokenizer_max()] */
    float *weight; /* the same shape; NULL: all are 1 */
    int rows;
    int own;     /* of them, what the text itself takes */
    size_t lost; /* ids that were left out */
} Ids;

/*
 * A row is bos, up to max - 2 ids, eos, padding. A1111 cuts as tokenizer_chunks() does, and at BREAK. ComfyUI fills a row, but
 * keeps a piece of fewer than 8 ids whole. one: only the first
 * row, filled, of A1111's. At least one row; ids_release() frees.
 */
Ids chunks_of(const Tokenizer *t, Emphasis kind, const Pieces *p, bool one);
void ids_release(Ids *ids);

#endif
