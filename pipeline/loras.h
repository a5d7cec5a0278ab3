/*
 * loras.h - which adapters a job uses, with which weights: --lora, and A1111's <lora:name:weight> in the prompt, whose files are
 * in --lora-dir.
 */
#ifndef LIMN_PIPELINE_LORAS_H
#define LIMN_PIPELINE_LORAS_H

#include "adapter/blocks.h"
#include "pipeline/job.h"

typedef struct {
    char *path;
    double weight, text_weight; /* for the UNet, and the text encoders */
    bool open;                  /* the line has no weight: --lora-strength, else 1 */
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
 * The adapters of the job's options and prompts, in this order. Error: wrong syntax, or a name that is not in the folder.
 * loras_release() in any case.
 */
int loras_of(const Job *j, Loras *out, Err *e);
void loras_release(Loras *l);

/* Returns whether the job's prompts name adapters that are applied: with --compat a1111, or where there is a folder of them. */
bool loras_in_prompt(const Job *j);

/* Returns whether a text has such a tag. */
bool loras_tagged(const char *text);

/* The tags of the job's prompts, one after the other; heap. */
char *loras_tags(const Job *j);

/* A text that identifies the adapters and their weights, equal for equal ones; heap. */
char *loras_key(const Loras *l);

#endif
