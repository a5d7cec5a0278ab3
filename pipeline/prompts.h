/*
 * prompts.h - what is written, as the text encoder's ids: a prompt and its negative prompt in the same number of rows, since
 * the two go through the UNet as one batch.
 */
#ifndef LIMN_PIPELINE_PROMPTS_H
#define LIMN_PIPELINE_PROMPTS_H

#include <stdbool.h>

#include "clip/tokenizer.h"

typedef struct {
    int *ids; /* [rows, tokenizer_max()] */
    int rows;
} Ids;

typedef struct {
    Ids positive, negative; /* of as many rows */
} Prompts;

typedef struct {
    const Tokenizer *tokenizer;
    bool chunk; /* --long-prompt chunk: as many rows as the text needs; else one, and the rest is left out */
    void *ctx;
    void (*warn)(void *ctx, const char *text); /* told what was left out; may be NULL */
} PromptReader;

/* prompts_release() frees. */
Prompts prompts_read(const PromptReader *r, const char *prompt, const char *negative);
void prompts_release(Prompts *p);

#endif
