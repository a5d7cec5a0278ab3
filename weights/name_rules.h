/*
 * name_rules.h - how names of checkpoints become diffusers' names, as rows of tables. Of names.c, names_back.c and name_tables.c only.
 *
 * A pattern is matched against the whole name behind the prefix: '#' stands for a number, a final '*' for any rest. In
 * the replacement %b is the block, %l the layer in it, which the numbers give as `how` says, and '*' is the rest, whose
 * beginning may be renamed by a second table.
 */
#ifndef LIMN_WEIGHTS_NAME_RULES_H
#define LIMN_WEIGHTS_NAME_RULES_H

#include "weights/names.h"

/* The end of a name inside a block: "in_layers.0" -> "norm1". */
typedef struct {
    const char *from, *to;
} Leaf;

typedef enum {
    NUM_SAME,  /* block and layer as they stand */
    NUM_DOWN,  /* UNet's input_blocks.n, n >= 1: each level has its layers and a downsampler */
    NUM_UP,    /* UNet's output_blocks.n: each level has its layers and one more */
    NUM_RAISE, /* VAE's up.n: counted from the largest resolution, diffusers counts from the smallest */
    NUM_TEXT,  /* a text block, dropped when it is not needed */
    NUM_POOL,  /* the text's projection, dropped when no pooled text is wanted */
    NUM_LESS,  /* TAESD's decoder: its clamp is number 0 */
} Numbering;

typedef enum {
    KEEP,
    DROP,    /* known, and not needed to draw */
    FLATTEN, /* a 1x1 convolution [c, c, 1, 1] that diffusers has as a linear layer [c, c] */
    SPLIT,   /* query, key and value in one tensor; the replacement has %q where "q", "k", "v" go */
    FOLD,    /* a convolution as wide as its stride [out, in, k, k], as a matrix */
    TURN,    /* [in, out], as x @ p multiplies; [out, in] is wanted */
} Action;

typedef struct {
    const char *from, *to;
    Numbering how;
    const Leaf *leaves;
    Action action;
} NameRule;

/* Each table ends with a row of NULL. */
extern const NameRule *const name_tables[NAMES_COUNT];

/* Where a table has no rule, that of another one; NULL: there is none. */
extern const NameRule *const name_tables_behind[NAMES_COUNT];

/* What a pattern found in a name. */
typedef struct {
    int numbers[2];
    const char *rest; /* "" without a '*' */
} Match;

#endif
