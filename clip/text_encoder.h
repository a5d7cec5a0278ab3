/*
 * text_encoder.h - CLIP's text transformer: ids to embeddings.
 * Source: Radford et al. 2021 (arXiv:2103.00020); names as transformers' CLIPTextModel / CLIPTextModelWithProjection.
 */
#ifndef LIMN_CLIP_TEXT_ENCODER_H
#define LIMN_CLIP_TEXT_ENCODER_H

#include "base/err.h"
#include "nn/bind.h"
#include "nn/nn.h"
#include "weights/config.h"
#include "weights/weights.h"

typedef struct TextEncoder TextEncoder;

/* Reads the config, checks and binds the weights (all of them: an extra tensor is an error). */
TextEncoder *text_encoder_new(Config *c, Weights *w, Err *e);
void text_encoder_free(TextEncoder *t);

/* Returns whether both compute the same from the same weights. */
bool text_encoder_alike(const TextEncoder *a, const TextEncoder *b);

int text_encoder_width(const TextEncoder *t);  /* hidden_size */
int text_encoder_tokens(const TextEncoder *t); /* max_position_embeddings */
int text_encoder_vocab(const TextEncoder *t);
int text_encoder_layers(const TextEncoder *t);
int text_encoder_projection(const TextEncoder *t);           /* width of the pooled output */
const BoundMemory *text_encoder_bound(const TextEncoder *t); /* its weights by their names, for adapters */
size_t text_encoder_bytes(const TextEncoder *t);             /* memory of converted weights */
size_t text_encoder_borrowed(const TextEncoder *t);          /* bytes that are used from the file */

/* Vectors [count, width] for the ids after the vocabulary: vocab, vocab + 1, ... Borrowed; count 0: none. */
void text_encoder_set_vectors(TextEncoder *t, const float *vectors, int count);

/*
 * ids     [n, tokens], each 0 .. vocab - 1 (checked by the caller: tokenizer_size() <= vocab), or of a vector that was set
 * skip    clip skip: 1 the last layer; k: the output of the k-th layer from the end (A1111's and limn's --clip-skip; diffusers'
 *         clip_skip is k - 1). 1 .. layers + 1, which is the embeddings before the first layer
 * normed  the final layer norm is applied to the hidden states (SD 1.x, 2.x), or not (XL)
 * pooled  may be NULL: [n, 1, 1, projection], of the last layer whatever skip is, at the first eos
 * Returns [n, tokens, 1, width] in nn->arena.
 */
Tensor text_encoder_forward(Nn *nn, const TextEncoder *t, const int *ids, int n, int skip, bool normed, Tensor *pooled);

#endif
