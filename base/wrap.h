/* wrap.h - words in lines of a width: --help, lists. */
#ifndef LIMN_BASE_WRAP_H
#define LIMN_BASE_WRAP_H

#include "base/str.h"

/*
 * Appends the words of text, which are parted by single spaces, and a newline. The first begins where out stands, which is taken for
 * column `left`; further lines begin there too, and none is wider than `width` unless one word is. Columns are characters.
 */
void wrap_add(Str *out, const char *text, int left, int width);

#endif
