/* prompts_internal.h - what the files of prompts.h share. */
#ifndef LIMN_PIPELINE_PROMPTS_INTERNAL_H
#define LIMN_PIPELINE_PROMPTS_INTERNAL_H

#include "base/str.h"
#include "pipeline/prompts.h"

/* Context of mix.h's reader, for a text with no syntax but weights. */
typedef struct {
    const PromptReader *r;
    const char *name; /* for messages: "the prompt" */
    const Tokenizer *tokenizer;
    Str *words; /* receives the text; NULL: not needed */
} Leaf;

int prompts_read_leaf(void *leaf, const char *text, Ids *out, Err *e);

/* prompts.c: the text without tags, by the reader's syntax; reports what is not read. The caller's. */
char *prompts_bare(const PromptReader *r, const char *name, const char *text, bool positive);

/*
 * prompts_plan.c: the parts and texts of a prompt (positive) or negative prompt, behind those that are there; second
 * NULL: the same.
 */
int prompts_plan(const PromptReader *r, const char *text, const char *second, bool positive, Prompts *out, Err *e);

/* The same for regions, after the prompt's parts. */
int prompts_plan_regions(const PromptReader *r, const char *lines, Prompts *out, Err *e);

#endif
