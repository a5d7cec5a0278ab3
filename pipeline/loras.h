/*
 * loras.h - which adapters a job wants, and how strongly: --lora, and A1111's <lora:name:weight> in the prompt, whose files lie in
 * --lora-dir.
 */
#ifndef LIMN_PIPELINE_LORAS_H
#define LIMN_PIPELINE_LORAS_H

#include "adapter/blocks.h"
#include "pipeline/job.h"

typedef struct {
    char *path;
    double weight, text_weight; /* for the UNet, and the text encoders */
    bool open;                  /* the line says no weight: --lora-strength, else 1 */
    BlockWeights blocks;
} LoraWish;

typedef struct {
    LoraWish *wish;
    int count;
} Loras;

enum { LORAS_MAX = 64 };

/* "FILE[:WEIGHT[:TEXT_WEIGHT]][:lbw=LIST]"; --lora's check. Error (ERR_USAGE). */
int lora_line_parse(const char *line, LoraWish *out, Err *e);
void lora_wish_release(LoraWish *w);
int lora_lines_check(const char *line, Err *e);

/*
 * Those of the job's options and prompts, in this order. Error: what is written is wrong, or a name is none of the folder's.
 * loras_release() in any case.
 */
int loras_of(const Job *j, Loras *out, Err *e);
void loras_release(Loras *l);

/* Returns whether the job's prompts name adapters that are applied: with --compat a1111, or where there is a folder of them. */
bool loras_in_prompt(const Job *j);

/* Returns whether a text has one. */
bool loras_tagged(const char *text);

/* The tags of the job's prompts, one after the other; heap. */
char *loras_tags(const Job *j);

/* What says which adapters they are and how strong, the same text for the same; heap. */
char *loras_key(const Loras *l);

#endif
