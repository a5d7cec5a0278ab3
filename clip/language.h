/*
 * language.h - which marks in a prompt mean something: a table, one row a --prompt-syntax. How they are written and what they do:
 * emphasis.h (weights, BREAK), edits.h, compose.h, mix.h.
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
    bool edits;        /* [a:b:0.5], [a|b] (edits.h) */
    bool composes;     /* AND (compose.h) */
    bool alone;        /* ": 1.2" at the end of a prompt without AND is its weight too */
    bool words;        /* AVERAGE, CONCAT (mix.h) */
    bool blends;       /* ("a", "b").blend(1, 2) (mix.h) */
} Language;

extern const Language languages[]; /* ends with name NULL */

/* By its name; with comfyui the "weights" are ComfyUI's, else A1111's. NULL: there is none. */
const Language *language_find(const char *name, bool comfyui);

#endif
