/*
 * syntax.h - finds other tools' syntax in a prompt: <lora:x:1>, (red:1.3), [a:b:0.5], {a|b}, __x__, ...
 * It only detects syntax; emphasis.h parses weights. Sources: A1111 modules/prompt_parser.py and extra_networks.py, ComfyUI
 * comfy/sd1_clip.py, sd-dynamic-prompts, compel.
 */
#ifndef LIMN_CLIP_SYNTAX_H
#define LIMN_CLIP_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "clip/language.h"

typedef enum {
    SYNTAX_LORA,      /* <lora:name:0.8>, <lyco:name> */
    SYNTAX_NETWORK,   /* <hypernet:name:1>, and any other such tag */
    SYNTAX_EMBEDDING, /* embedding:name */
    SYNTAX_WEIGHT,    /* (red:1.3), ((red)) */
    SYNTAX_EDITING,   /* [cat:dog:0.5], [cat|dog] */
    SYNTAX_CHOICE,    /* {red|blue}, {2$$a|b|c} */
    SYNTAX_WILDCARD,  /* __colour__ */
    SYNTAX_BREAK,     /* BREAK */
    SYNTAX_AND,       /* AND */
    SYNTAX_COMPEL,    /* red++, (red)1.3 */
    SYNTAX_SWAP,      /* ("ball").swap("flower") */
    SYNTAX_BLEND,     /* ("a", "b").blend(1, 2), .and(), .average() */
    SYNTAX_OPTION,    /* --ar 16:9 */
    SYNTAX_COUNT
} SyntaxKind;

/* Bytes from .. to of the text; to 0: nowhere. */
typedef struct {
    size_t from, to;
} SyntaxSpan;

/* The first of each kind. In time linear in the text but for what brackets hold. */
void syntax_find(const char *text, SyntaxSpan found[SYNTAX_COUNT]);

/* What limn does with it if that syntax does not read it, as the end of a sentence; NULL: it is read. */
const char *syntax_unread(SyntaxKind kind, const Language *l);

/* The text without its tags (LORA, NETWORK), as A1111 takes it; the caller's. */
char *syntax_without_tags(const char *text);

/* The same without those of LoRAs only. */
char *syntax_without_loras(const char *text);

/* The text with spaces in place of what is no word of a caption (tags, embeddings, wildcards, BREAK); the caller's. */
char *syntax_words(const char *text);

#endif
