/*
 * prompts.h - what is written, as the text encoder's ids: a prompt and its negative prompt in the same number of rows, since
 * the two go through the UNet as one batch.
 */
#ifndef LIMN_PIPELINE_PROMPTS_H
#define LIMN_PIPELINE_PROMPTS_H

#include <stdbool.h>

#include "clip/chunks.h"
#include "clip/language.h"
#include "pipeline/model.h"

/* What is written. negative NULL: there is none. prompt_2, negative_2: for the second text encoder; NULL: the same. */
typedef struct {
    const char *prompt, *negative, *prompt_2, *negative_2;
} PromptTexts;

/* The ids for each text encoder, all of as many rows. */
typedef struct {
    Ids positive[TEXTS_MAX], negative[TEXTS_MAX];
    int texts, rows;
    bool no_negative; /* the negative prompt's embeddings are zeros */
} Prompts;

/* When the negative prompt's embeddings are zeros, and not those of a text: never; where none is given; where it is empty. */
typedef enum { NEGATIVE_ENCODED, NEGATIVE_ZERO_IF_ABSENT, NEGATIVE_ZERO_IF_EMPTY } NoNegative;

typedef struct {
    const TextPart *text; /* [texts] whose tokenizers read */
    int texts;
    NoNegative no_negative;
    const Tokenizer *tokenizer; /* prompts_read()'s own: the one that reads now */
    bool chunk; /* --long-prompt chunk: as many rows as the text needs; else one, and the rest is left out */
    const Language *language; /* what marks in it mean */
    bool embeddings;          /* embedding:name is a word of vectors */
    bool loras;               /* <lora:...> in the prompt is applied */
    void *ctx;
    void (*warn)(void *ctx, const char *text); /* told what was left out or not understood; may be NULL */
} PromptReader;

/*
 * The shorter of the two is made as long as the other: by rows of an empty prompt, as diffusers' users do, or, where
 * the language says so, both are repeated, which attention does not notice: the same as calling the network with two lengths, as the tools
 * do. What is another tool's syntax and not read (clip/syntax.h) is told. Error (ERR_USAGE): a weight that cannot be. prompts_release() frees, in any case.
 */
int prompts_read(const PromptReader *r, const PromptTexts *texts, Prompts *out, Err *e);
void prompts_release(Prompts *p);

#endif
