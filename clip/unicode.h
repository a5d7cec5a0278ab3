/*
 * unicode.h - text as code points, normalised the way CLIP's tokenizer does it: NFC, white space, lower case.
 *
 * Built on utf8proc. The tokenizer that the models were used with (Hugging Face's `tokenizers`) has its own mixture of
 * Unicode versions: NFC of 9.0, classes of 16, case of 17. Where utf8proc differs, small tables here follow `tokenizers`.
 */
#ifndef LIMN_CLIP_UNICODE_H
#define LIMN_CLIP_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A code point, and the bytes of the original text it came from (after composing: of all its parts). */
typedef struct {
    uint32_t cp;
    uint32_t ccc; /* canonical combining class, used by chars_normalize() only */
    size_t from, to;
} Char;

/* A growing array; zero-initialise with {0}. */
typedef struct {
    Char *at;
    size_t count, cap;
} Chars;

void chars_push(Chars *c, Char ch);
void chars_release(Chars *c);

/* Appends the code points of UTF-8 text; each maximal invalid part becomes one U+FFFD, as Python's errors="replace". */
void chars_decode(Chars *out, const char *text, size_t len);

/* NFC, then each run of white space to one ' ', then lower case of each code point on its own (no final sigma). */
void chars_normalize(Chars *c);

/* The classes \s, \p{L} and \p{N}. */
bool unicode_space(uint32_t cp);
bool unicode_letter(uint32_t cp);
bool unicode_number(uint32_t cp);

/* The class \w: letters, marks, decimal digits and numbers that are letters, '_' and its like, joiners. */
bool unicode_word(uint32_t cp);

/* UTF-8 of a code point into out; returns its length. */
int unicode_encode(uint32_t cp, unsigned char out[4]);

#endif
