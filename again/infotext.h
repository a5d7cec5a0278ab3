/*
 * infotext.h - A1111's text of a picture's settings, which Forge, SD.Next, stable-diffusion.cpp and many more write too: the prompt,
 * "Negative prompt: ...", and a last line of "Key: value" parted by commas. Source: modules/infotext_utils.py,
 * parse_generation_parameters().
 */
#ifndef LIMN_AGAIN_INFOTEXT_H
#define LIMN_AGAIN_INFOTEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *key, *value; /* a quoted value without its quotes */
} InfoPair;

enum { INFO_PAIRS = 500 };

typedef struct {
    char *prompt, *negative;
    InfoPair *pair;
    size_t count; /* 0: the text has no such line, and all of it is the prompt */
} Infotext;

/*
 * The last line counts where it has three pairs or more; else the last one that begins with "Steps:". A value that begins with a
 * bracket goes to the one that closes it (Civitai's lists, which are not quoted). infotext_release() frees.
 */
void infotext_parse(const char *text, Infotext *out);
void infotext_release(Infotext *t);

/* The value of a key, whose case counts; NULL: it has none. */
const char *infotext_value(const Infotext *t, const char *key);

#endif
