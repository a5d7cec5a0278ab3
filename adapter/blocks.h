/*
 * blocks.h - a weight for each block of a UNet, as sd-webui-lora-block-weight writes them: "1,0,0,0,1,...". The first is the text
 * encoders' (BASE); the others' blocks have LDM's numbers: IN00-IN11, M00, OUT00-OUT11, for SDXL IN00-IN08, M00, OUT00-OUT08.
 * Lists of 17 (SD 1.x, 2.x) and of 12 (SDXL) name those that a LoRA of attention has; the others' weight is then 0.
 */
#ifndef LIMN_ADAPTER_BLOCKS_H
#define LIMN_ADAPTER_BLOCKS_H

#include <stdbool.h>

#include "base/err.h"

enum { BLOCKS_IN = 12, BLOCKS_MID = BLOCKS_IN, BLOCKS_OUT = BLOCKS_IN + 1, BLOCKS = 2 * BLOCKS_IN + 1 };

typedef struct {
    bool given;
    int numbers; /* 12, 17, 20, 26: the list's length */
    float base, block[BLOCKS];
} BlockWeights;

/* A list of numbers, or one of the extension's names for such lists ("OUTALL"). Error (ERR_USAGE). */
int blocks_parse(const char *text, BlockWeights *out, Err *e);

/* The block that an LDM name lies in ("input_blocks.4.1.proj_in"); -1: none (time_embed, out). */
int blocks_of(const char *ldm_name);
void blocks_name(int block, char out[8]); /* "IN04" */

/*
 * Returns whether the list is one for a UNet whose last block on the way down is `last` (11: SD 1.x, 8: SDXL). Error
 * (ERR_USAGE).
 */
int blocks_check(const BlockWeights *w, int last, Err *e);

#endif
