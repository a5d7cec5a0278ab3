/*
 * visible.h - text that somebody else wrote, on a terminal. Control characters (C0, DEL, C1) drive it, bidirectional controls show
 * text in another order than it has, other format characters show nothing at all: none of them reaches it. Source: Unicode
 * 15, categories Cc, Cf, Zl, Zp and the block of tags; Trojan Source (CVE-2021-42574).
 */
#ifndef LIMN_BASE_VISIBLE_H
#define LIMN_BASE_VISIBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Whether a character is none of these. The joiners U+200C and U+200D count as visible: Persian, Indic scripts and emoji are written
 * with them. Newline and tab are not visible.
 */
bool visible(uint32_t code);

/* Returns whether all of a text is visible and valid UTF-8. */
bool visible_all(const char *text);

/* In place: each character that is not visible, and each invalid part, becomes '?'. lines: newlines and tabs stay. */
void visible_mask(char *text, bool lines);

/* JSON's text with such characters as \u009b: the same value. What is not UTF-8 is replaced. */
void visible_json(Str *out, const char *json);

/*
 * A path as git shows one: as it is, or in double quotes with C's escapes ("a\302\233b.png") where it has something that is not
 * visible, a quote or a backslash.
 */
void visible_path(Str *out, const char *path);

#endif
