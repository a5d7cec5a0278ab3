/*
 * mix.h - a text's embedding as a weighted sum of rows of ids, and the syntax for it:
 *
 *     a castle AVERAGE(0.7) a ship          0.7 of the first and 0.3 of the second, as ComfyUI's ConditioningAverage
 *     a castle CONCAT a ship                the rows of both, as its ConditioningConcat
 *     ("a castle", "a ship").blend(2, 1)    compel's: 2/3 and 1/3; with no_normalize as last argument 2 and 1
 *     ("a castle", "a ship").and(1, 0.5)    compel's: the rows of both, each away from the empty prompt by its weight
 *
 * Sources: ComfyUI nodes.py; compel 2.5 compel.py (build_conditioning_tensor_for_conjunction, _get_conditioning_for_blend).
 */
#ifndef LIMN_CLIP_MIX_H
#define LIMN_CLIP_MIX_H

#include <stdbool.h>

#include "clip/chunks.h"

/* Of its rows the first `rows` count; they are added from the embedding's row `at` on, times the weight. */
typedef struct {
    Ids ids;
    double weight;
    int at, rows;
    bool pooled; /* its pooled text counts too, by the same weight */
    bool filler; /* an empty prompt that only makes it longer */
} Term;

typedef struct {
    Term *term;
    int count;
    int rows; /* of the sum */
} Mix;

/* Which syntax is read. */
typedef struct {
    bool words;  /* AVERAGE, CONCAT */
    bool blends; /* .blend(), .and() */
} MixWords;

/* How a text without such words becomes ids. Error: the reader's. */
typedef struct {
    int (*read)(void *ctx, const char *text, Ids *out, Err *e);
    void *ctx;
} MixReader;

/* Error (ERR_USAGE): numbers that cannot be, texts without numbers; the reader's. mix_release() in any case. */
int mix_parse(const char *text, MixWords words, const MixReader *r, Mix *out, Err *e);
void mix_release(Mix *m);

/* So many rows, the further ones the empty prompt's. */
int mix_pad(Mix *m, int rows, const MixReader *r, Err *e);

#endif
