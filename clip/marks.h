/* marks.h - words in capitals that split a prompt: AND, CONCAT, AVERAGE. */
#ifndef LIMN_CLIP_MARKS_H
#define LIMN_CLIP_MARKS_H

#include <stddef.h>

/* The next `word` at or behind text[from] that is no part of a longer one: *at, and the byte behind it is returned; 0: none. */
size_t mark_find(const char *text, size_t from, const char *word, size_t *at);

#endif
