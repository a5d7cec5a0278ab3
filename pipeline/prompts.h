/*
 * prompts.h - prompts as the text encoder's ids: a prompt and its negative prompt, all their texts with the same number of rows,
 * since they go through the UNet as one batch. A prompt may have several parts (clip/compose.h), each of which may be another
 * text from step to step (clip/edits.h), which may be a sum of others (clip/mix.h).
 */
#ifndef LIMN_PIPELINE_PROMPTS_H
#define LIMN_PIPELINE_PROMPTS_H

#include <stdbool.h>

#include "clip/compose.h"
#include "clip/edits.h"
#include "clip/language.h"
#include "clip/mix.h"
#include "pipeline/model.h"

enum { PARTS_MAX = 24 };

/* The texts. negative NULL: there is none. prompt_2, negative_2: for the second text encoder; NULL: the same. */
typedef struct {
    const char *prompt, *negative, *prompt_2, *negative_2;
    const char *regions; /* regions.h's lines, each a part behind those of the prompt; NULL: none */
} PromptTexts;

/* One text, for each encoder. Its rows are its own, then copies of the last one's last token, then all of that again. */
typedef struct {
    Mix of[TEXTS_MAX];
    int rows, filled, times; /* its own; with the copies; how often */
    char *said[TEXTS_MAX];   /* the text without its marks for editing and parts */
    char *words;             /* its plain words, one line per text */
} PromptText;

/* A part of a prompt, or a negative prompt. */
typedef struct {
    double weight;
    int count;
    int *until, *text; /* [count] the index of the text that applies up to an evaluation, as Edits */
} PromptPart;

typedef struct {
    PromptText *text; /* the negative prompt's first; distinct within a part */
    int count, negatives;
    PromptPart negative, part[PARTS_MAX];
    int parts, texts /* encoders */, rows;
    int regions;      /* how many of these parts, the last ones, are regions */
    bool no_negative; /* the negative prompt's embeddings are zeros */
} Prompts;

/* When the negative prompt's embeddings are zeros instead of a text's: never; if none is given; if it is empty. */
typedef enum { NEGATIVE_ENCODED, NEGATIVE_ZERO_IF_ABSENT, NEGATIVE_ZERO_IF_EMPTY } NoNegative;

typedef struct {
    const TextPart *text; /* [texts] the tokenizers to use */
    int texts;
    NoNegative no_negative;
    bool chunk; /* --long-prompt chunk: as many rows as the text needs; else one, and the rest is dropped */
    const Language *language; /* the prompt's syntax */
    Weighing weighing;        /* how A1111's weights are applied */
    EditSteps steps;
    bool embeddings; /* embedding:name is a word of vectors */
    bool loras;      /* <lora:...> in the prompt is applied */
    void *ctx;
    void (*warn)(void *ctx, const char *text); /* receives what was dropped or not understood; may be NULL */
} PromptReader;

/*
 * Texts of one part are made as long as the longest by rows of an empty prompt, and so are parts, but with A1111's language by
 * their last token again, as it does. Of the prompt and the negative prompt the shorter is made as long as the other: by rows of
 * an empty prompt, as diffusers' users do, or, where the language says so, both are repeated, which attention does not notice:
 * the same as calling the network with two lengths, as the tools do. What is another tool's syntax and not read (clip/syntax.h)
 * is told. Error (ERR_USAGE): a weight that cannot be, and the like. prompts_release() frees, in any case.
 */
int prompts_read(const PromptReader *r, const PromptTexts *texts, Prompts *out, Err *e);
void prompts_release(Prompts *p);

/* The index of the text that applies in an evaluation, from 0. part -1: the negative prompt's. */
int prompts_text(const Prompts *p, int part, int evaluation);

/* Returns whether it is more than one text of weight 1. */
bool prompts_composed(const Prompts *p);
/* Returns whether its weights may have another sum than 1. */
bool prompts_weighed(const Prompts *p);

/* Returns whether the two fit into one run: they have equally many rows, texts and parts. */
bool prompts_alike(const Prompts *a, const Prompts *b);

/* The ids of a text for one encoder, [rows, tokens of a row]; where several are summed up, the first. The caller's. */
int *prompts_ids(const Prompts *p, const TextPart *text, int index, int encoder);

#endif
