/*
 * language.h - which marks in a prompt mean something: a table, one row a --prompt-syntax. How they are written and what they do:
 * emphasis.h (weights, BREAK).
 */
#ifndef LIMN_CLIP_LANGUAGE_H
#define LIMN_CLIP_LANGUAGE_H

#include <stdbool.h>

#include "clip/emphasis.h"

typedef struct {
    const char *name;
    Emphasis emphasis; /* what brackets mean */
    bool repeats;      /* of two prompts the shorter one is repeated, not continued by rows of an empty prompt */
    bool all_counts;   /* all of a long prompt counts, whatever --long-prompt says */
} Language;

extern const Language languages[]; /* ends with name NULL */

/* By its name; with comfyui the "weights" are ComfyUI's, else A1111's. NULL: there is none. */
const Language *language_find(const char *name, bool comfyui);

#endif
