/*
 * emphasis.h - weights in prompts, as A1111 and ComfyUI read and apply them: "a (red:1.3) cat" is three pieces.
 * Source: A1111 modules/prompt_parser.py (parse_prompt_attention), modules/sd_emphasis.py ("Original");
 * ComfyUI comfy/sd1_clip.py (token_weights, encode_token_weights).
 */
#ifndef LIMN_CLIP_EMPHASIS_H
#define LIMN_CLIP_EMPHASIS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef enum {
    EMPHASIS_NONE,   /* plain text, as diffusers takes it */
    EMPHASIS_A1111,  /* (w) 1.1, [w] 1/1.1, (w:1.3), nested ones multiply; \( \) \[ \] \\ are the character; BREAK */
    EMPHASIS_COMFYUI /* (w) 1.1, (w:1.3), where a number replaces what is around it; \( \) are the character */
} Emphasis;

/* What A1111 makes of its weights (its setting "Emphasis mode"). */
typedef enum {
    WEIGH_ORIGINAL, /* the embedding times the weight, then the chunk's mean is restored */
    WEIGH_NO_NORM,  /* the mean stays as it comes */
    WEIGH_IGNORE,   /* all weigh 1 */
    WEIGH_NONE,     /* brackets are text, and so is BREAK */
} Weighing;

typedef struct {
    char *text;
    double weight; /* finite, |weight| <= 1e6 */
    bool brk;      /* A1111's BREAK: the next chunk begins here; has no text */
} Piece;

typedef struct {
    Piece *at;
    size_t count, cap;
} Pieces;

/*
 * The pieces of a text (valid UTF-8), in which prompt editing and AND are plain words (syntax.h), appended to out, which is {0}; in time linear in the text but for its brackets' depth.
 * Brackets that do not match are what the tool makes of them. Error (ERR_USAGE): a weight that is no finite number or too
 * large, brackets too deep. pieces_release() in any case.
 */
int emphasis_parse(Emphasis kind, const char *text, Pieces *out, Err *e);
void pieces_release(Pieces *p);

/*
 * A1111: z [tokens, width], a chunk's embeddings, times its weights [tokens]; restore: then all, so that their mean is
 * what it was.
 */
void emphasis_scale(float *z, const float *weight, size_t tokens, size_t width, bool restore);

/* ComfyUI: z away from the empty prompt's embeddings, both [tokens, width], by the weights [tokens]. */
void emphasis_blend(float *z, const float *empty, const float *weight, size_t tokens, size_t width);

#endif
