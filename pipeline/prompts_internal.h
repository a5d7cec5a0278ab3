/* prompts_internal.h - what the files of prompts.h share. */
#ifndef LIMN_PIPELINE_PROMPTS_INTERNAL_H
#define LIMN_PIPELINE_PROMPTS_INTERNAL_H

#include "base/str.h"
#include "pipeline/prompts.h"

/* Who reads a text that has only weights in it: mix.h's reader. */
typedef struct {
    const PromptReader *r;
    const char *name; /* whose text it is, for words: "the prompt" */
    const Tokenizer *tokenizer;
    Str *words; /* takes the text; NULL: not wanted */
} Leaf;

int prompts_read_leaf(void *leaf, const char *text, Ids *out, Err *e);

/* prompts.c: the text without tags, as the reader's language has it; what is not read is told. The caller's. */
char *prompts_bare(const PromptReader *r, const char *name, const char *text, bool positive);

/*
 * prompts_plan.c: the parts and texts of a prompt (positive) or negative prompt, behind those that are there; second
 * NULL: the same.
 */
int prompts_plan(const PromptReader *r, const char *text, const char *second, bool positive, Prompts *out, Err *e);

/* The same of regions, behind the prompt's parts. */
int prompts_plan_regions(const PromptReader *r, const char *lines, Prompts *out, Err *e);

#endif
